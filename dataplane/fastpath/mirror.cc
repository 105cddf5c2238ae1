#include "dataplane/fastpath/mirror.h"

#include <algorithm>
#include <cstring>

namespace fedge::fastpath {

namespace {

std::array<uint64_t, 3> key_of(uint16_t realm, const IpAddress& address) {
  return admission::table_key(realm, {address, 0});
}

uint64_t pack(const ip::Mac& mac) {
  uint64_t out = 0;
  std::memcpy(&out, mac.data(), mac.size());
  return out;
}

}  // namespace

void Mirror::set_realms(std::vector<std::string> names) {
  neighbours_.erase_if([](const auto&, const auto&) { return true; });
  links_.clear();
  counts_.assign(names.size(), 0);
  strangers_.assign(names.size(), 0);
  routes_.assign(names.size(), {});
  names_ = std::move(names);
  routes_changed_ = true;
  note_change();
}

std::optional<ip::Mac> Mirror::find_neighbour(uint16_t realm, const IpAddress& address) const {
  const auto found = neighbours_.find(key_of(realm, address));
  if (!found) return std::nullopt;
  ip::Mac mac;
  std::memcpy(mac.data(), &(*found)[0], mac.size());
  return mac;
}

std::optional<uint16_t> Mirror::realm_of(uint32_t link) const {
  const auto found = links_.find(link);
  if (found == links_.end()) return std::nullopt;
  return found->second;
}

// What is there keeps being used while it is told anew.
void Mirror::on_resync() {
  round_ = static_cast<uint16_t>((round_ + 1) % kRounds);
  for (auto& routes : routes_) routes.clear();
  syncing_ = routes_changed_ = true;
  incomplete_ = false;
}

void Mirror::on_link(const netlink::LinkEvent& event) {
  if (event.gone) {
    const auto realm = realm_of(event.link.index);
    if (!realm) return;
    links_.erase(event.link.index);
    neighbours_.erase_if(
        [&](const auto& key, const auto&) { return admission::realm_of_key(key) == *realm; });
    counts_[*realm] = strangers_[*realm] = 0;
    routes_[*realm].clear();
    routes_changed_ = true;
    note_change();
    return;
  }
  const auto name = std::ranges::find(names_, event.link.name);
  if (name == names_.end()) return;
  links_[event.link.index] = static_cast<uint16_t>(name - names_.begin());
}

void Mirror::count(uint16_t realm, uint64_t value, int by) {
  counts_[realm] += static_cast<size_t>(by);
  if ((value & kStranger) != 0) strangers_[realm] += static_cast<size_t>(by);
}

void Mirror::on_neighbour(const netlink::NeighbourEvent& event) {
  const auto realm = realm_of(event.neighbour.link);
  // The kernel lists the groups that it sends to as well.
  if (!realm || event.neighbour.address.is_multicast()) return;
  const auto key = key_of(*realm, event.neighbour.address);
  const auto there = neighbours_.find(key);
  if (there) count(*realm, (*there)[0], -1);
  if (event.gone || !event.neighbour.usable() || !event.neighbour.mac) {
    if (neighbours_.erase(key)) note_change();
    return;
  }
  const bool stranger = !is_wanted_(*realm, event.neighbour.address);
  const bool room = !stranger || strangers_[*realm] < kMostStrangers;
  const uint64_t value =
      pack(*event.neighbour.mac) | uint64_t{round_} << kRoundShift | (stranger ? kStranger : 0);
  if (room && neighbours_.put(key, {value})) {
    if (!there || (((*there)[0] ^ value) & kMacBits) != 0) note_change();
    return count(*realm, value, 1);
  }
  if (neighbours_.erase(key)) note_change();
  incomplete_ = true;
  ++not_kept_;
}

void Mirror::on_route(const netlink::RouteEvent& event) {
  const auto realm = realm_of(event.route.link);
  if (!realm) return;
  auto& routes = routes_[*realm];
  std::erase_if(routes, [&](const netlink::Route& r) {
    return r.to == event.route.to && r.metric == event.route.metric;
  });
  if (!event.gone) routes.push_back(event.route);
  routes_changed_ = true;
}

void Mirror::on_synced() {
  const uint16_t round = round_;
  syncing_ = false;
  neighbours_.erase_if([&](const auto& key, const auto& value) {
    const bool stale = (value[0] & ~kStranger) >> kRoundShift != round;
    if (stale) count(admission::realm_of_key(key), value[0], -1);
    return stale;
  });
  note_change();
}

}  // namespace fedge::fastpath
