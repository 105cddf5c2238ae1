#include "dataplane/fastpath/hops.h"

#include <algorithm>
#include <cstring>

namespace fedge::fastpath {

using media::kNoNextHop;
using media::NextHopIndex;

Hops::Hops(const Mirror& mirror, Reports& reports)
    : NextHops(MacWords::all()), mirror_(mirror), reports_(reports), places_(kPlaces) {
  entries_.reserve(kMost);
}

void Hops::use(const RouteTable* routes) {
  routes_ = routes;
  if (routes->epoch() == epoch_) return;
  epoch_ = routes->epoch();
  clear();
}

void Hops::clear() {
  for (const Entry& entry : entries_) {
    (*this)[entry.number].store(0, std::memory_order_relaxed);
  }
  entries_.clear();
  std::ranges::fill(places_, uint16_t{0});
}

// Where it is among the places, or would be.
uint32_t Hops::find_place(uint16_t realm, const IpAddress& address) const {
  uint64_t high, low;
  std::memcpy(&high, address.octets.data(), 8);
  std::memcpy(&low, address.octets.data() + 8, 8);
  uint64_t mixed = (high ^ realm) * 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 32) ^ low) * 0xd6e8feb86659fd93u;
  for (auto at = static_cast<uint32_t>(mixed >> 40) % kPlaces;; at = (at + 1) % kPlaces) {
    if (places_[at] == 0) return at;
    const Entry& entry = entries_[places_[at] - 1u];
    if (entry.realm == realm && entry.address == address) return at;
  }
}

NextHopIndex Hops::resolve(uint16_t realm, const IpAddress& address) {
  const auto neighbour = routes_ == nullptr ? std::nullopt : routes_->find(realm, address);
  if (!neighbour) return kNoNextHop;
  const uint32_t at = find_place(realm, *neighbour);
  if (places_[at] == 0) {
    Entry& entry = add(realm, *neighbour);
    (void)look_up(entry);
    // Also when it is known: the kernel keeps it resolved from now on, though it sends it nothing.
    want(entry);
    return entry.number;
  }
  Entry& entry = entries_[places_[at] - 1u];
  if (now_ - entry.wanted >= kAgain && !look_up(entry)) want(entry);
  return entry.number;
}

Hops::Entry& Hops::add(uint16_t realm, const IpAddress& address) {
  if (entries_.size() == kMost) clear();
  if (next_number_ == MacWords::kMost) next_number_ = 0;  // after many days at the least
  entries_.push_back({.address = address, .realm = realm, .number = next_number_++});
  places_[find_place(realm, address)] = static_cast<uint16_t>(entries_.size());
  return entries_.back();
}

void Hops::look_up_all() {
  seen_ = mirror_.epoch();
  for (const Entry& entry : entries_) (void)look_up(entry);
}

bool Hops::look_up(const Entry& entry) {
  const auto mac = mirror_.find_neighbour(entry.realm, entry.address);
  (*this)[entry.number].store(mac ? media::to_mac_word(*mac) : 0, std::memory_order_relaxed);
  return mac.has_value();
}

void Hops::want(Entry& entry) {
  entry.wanted = now_;
  (void)reports_.push({Report::Kind::neighbour_wanted, entry.realm, entry.address});
}

}  // namespace fedge::fastpath
