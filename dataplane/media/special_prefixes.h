// Addresses that are not hosts of the Internet, for judging whom a client may have relayed to.
#pragma once

#include <optional>
#include <span>

#include "firmware/net/address.h"

namespace fedge::media {

// No peer, whatever a rule says: loopback, link-local, multicast, unspecified, broadcast, and IPv4
// addresses in IPv6's mapped and compatible forms, which no packet carries.
bool is_never_peer(const IpAddress& address);

// Special-purpose prefixes (RFC 6890 and its registries), private networks among them: denied
// unless a rule as long or longer allows. Longest first is the caller's.
struct SpecialPrefix {
  Prefix prefix;
  bool allow = false;  // a hole in a wider one
};
std::span<const SpecialPrefix> special_prefixes();

// The IPv4 address that a translator reaches by this one: of NAT64's well-known prefix (RFC 6052)
// and of 6to4 (RFC 3056).
std::optional<IpAddress> translated_from(const IpAddress& address);

}  // namespace fedge::media
