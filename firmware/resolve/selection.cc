#include "firmware/resolve/selection.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace fedge::resolve {

namespace {

// Moves one of [first, last) to `first` and gives the rest back.
std::span<Weighted> draw(std::span<Weighted> list, RandomSource& random) {
  const uint32_t sum =
      std::accumulate(list.begin(), list.end(), 0u,
                      [](uint32_t total, const Weighted& s) { return total + s.weight; });
  // Weights of 0 stand first (RFC 2782) and share the number 0, which is drawn only when there
  // are any: else the first of the others would be favoured by one.
  const bool has_zero = std::ranges::any_of(list, [](const auto& s) { return s.weight == 0; });
  const uint32_t number = has_zero ? random.below(sum + 1) : random.below(sum) + 1;
  uint32_t reached = 0;
  auto chosen = std::ranges::find_if(list, [&](const Weighted& s) {
    reached += s.weight;
    return reached >= number;
  });
  std::rotate(list.begin(), chosen, chosen + 1);
  return list.subspan(1);
}

std::optional<IpAddress> v4_inside(const IpAddress& address) {
  if (!address.is_v6()) return std::nullopt;
  const auto& o = address.octets;
  const auto at = [&](size_t i) {
    return IpAddress::v4(uint32_t{o[i]} << 24 | uint32_t{o[i + 1]} << 16 | uint32_t{o[i + 2]} << 8 |
                         o[i + 3]);
  };
  const auto zeros = [&](size_t from, size_t to) {
    return std::all_of(o.begin() + from, o.begin() + to, [](uint8_t v) { return v == 0; });
  };
  if (zeros(0, 10) && o[10] == 0xff && o[11] == 0xff) return at(12);             // RFC 4291 2.5.5.2
  if (zeros(0, 12)) return at(12);                                               // RFC 4291 2.5.5.1
  if (o[0] == 0 && o[1] == 0x64 && o[2] == 0xff && o[3] == 0x9b) return at(12);  // RFC 6052, 8215
  if (o[0] == 0x20 && o[1] == 0x02) return at(2);                                // RFC 3056
  return std::nullopt;
}

bool is_unusable(const IpAddress& address) {
  if (!address || address.is_unspecified() || address.is_loopback() || address.is_multicast() ||
      address.is_link_local())
    return true;
  // "This network" (RFC 1122 3.2.1.3), and the former class E with broadcast.
  if (address.is_v4()) return address.octets[0] == 0 || address.octets[0] >= 240;
  return false;
}

}  // namespace

void order_weighted(std::span<Weighted> list, RandomSource& random) {
  // Equal ones (all the weights of 0) may not gain by where the server put them; what sorting does
  // with equals then does not matter either.
  random.shuffle(list);
  std::ranges::sort(list, {},
                    [](const Weighted& s) { return std::pair(s.priority, s.weight != 0); });
  for (std::span<Weighted> rest(list); !rest.empty();) {
    const auto end = std::ranges::find_if(
        rest, [&](const Weighted& s) { return s.priority != rest.front().priority; });
    std::span<Weighted> group(rest.begin(), end);
    rest = rest.subspan(group.size());
    while (group.size() > 1) group = draw(group, random);
  }
}

std::vector<dns::Service> order_services(std::span<const dns::Service> services,
                                         RandomSource& random) {
  std::vector<Weighted> order;
  for (const dns::Service& s : services) order.push_back({s.priority, s.weight, order.size()});
  order_weighted(order, random);
  std::vector<dns::Service> list;
  for (const Weighted& w : order) list.push_back(services[w.index]);
  return list;
}

std::vector<IpAddress> order_addresses(std::span<const IpAddress> addresses, RandomSource& random) {
  std::vector<IpAddress> list(addresses.begin(), addresses.end());
  random.shuffle(std::span(list));
  const auto v4 =
      std::partition(list.begin(), list.end(), [](const IpAddress& a) { return a.is_v6(); });
  std::vector<IpAddress> ordered;
  ordered.reserve(list.size());
  for (auto a = list.begin(), b = v4; a != v4 || b != list.end();) {
    if (a != v4) ordered.push_back(*a++);
    if (b != list.end()) ordered.push_back(*b++);
  }
  return ordered;
}

std::string_view why_forbidden(const IpAddress& address, std::span<const IpAddress> own) {
  for (const auto& a : {std::optional(address), v4_inside(address)}) {
    if (!a) continue;
    if (std::ranges::find(own, *a) != own.end()) return "one of our own addresses";
    if (a->is_loopback()) return "a loopback address";
    if (a->is_link_local()) return "a link-local address";
    if (is_unusable(*a)) return "no address of a host";
  }
  return {};
}

}  // namespace fedge::resolve
