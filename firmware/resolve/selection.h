// In which order servers are tried, and which may never be tried.
#pragma once

#include <span>
#include <vector>

#include "firmware/net/address.h"
#include "firmware/resolve/random.h"
#include "firmware/wire/dns/answer.h"

namespace fedge::resolve {

// RFC 2782: by priority; within one, drawn one after the other with a chance proportional to
// weight. Beside heavier ones a weight of 0 has the chance of 1 in their sum + 1.
std::vector<dns::Service> order_services(std::span<const dns::Service> services,
                                         RandomSource& random);

// IPv6 and IPv4 in turn (RFC 8305 section 4), each family in random order.
std::vector<IpAddress> order_addresses(std::span<const IpAddress> addresses, RandomSource& random);

// True for what no name of somebody else's may lead us to: loopback, link-local, multicast,
// broadcast, unspecified and reserved addresses, `own` ones, and any of them inside an IPv6
// address (IPv4-mapped, IPv4-compatible, NAT64, 6to4).
bool is_forbidden(const IpAddress& address, std::span<const IpAddress> own);

}  // namespace fedge::resolve
