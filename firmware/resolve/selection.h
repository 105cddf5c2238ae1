// In which order servers are tried, and which may never be tried.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "firmware/net/address.h"
#include "firmware/resolve/random.h"
#include "firmware/wire/dns/answer.h"

namespace fedge::resolve {

// What RFC 2782 orders: `index` is the caller's.
struct Weighted {
  uint16_t priority = 0;
  uint16_t weight = 0;
  size_t index = 0;
};

// RFC 2782: by priority; within one, drawn one after the other with a chance proportional to
// weight. Beside heavier ones a weight of 0 has the chance of 1 in their sum + 1.
void order_weighted(std::span<Weighted> list, RandomSource& random);
std::vector<dns::Service> order_services(std::span<const dns::Service> services,
                                         RandomSource& random);

// IPv6 and IPv4 in turn (RFC 8305 section 4), each family in random order.
std::vector<IpAddress> order_addresses(std::span<const IpAddress> addresses, RandomSource& random);

// What no name of somebody else's may lead us to: loopback, link-local, multicast, broadcast,
// unspecified and reserved addresses, `own` ones, and any of them inside an IPv6 address
// (IPv4-mapped, IPv4-compatible, NAT64, 6to4). What it is, in words; empty when it may be used.
std::string_view why_forbidden(const IpAddress& address, std::span<const IpAddress> own);
inline bool is_forbidden(const IpAddress& address, std::span<const IpAddress> own) {
  return !why_forbidden(address, own).empty();
}

}  // namespace fedge::resolve
