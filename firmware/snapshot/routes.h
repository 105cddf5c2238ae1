// The look-up every request makes: which route serves this request URI. Longest match: the user
// route user@domain, the domain itself, then "*.parent" from the nearest parent up. One hash
// probe a step, whatever the number of routes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/snapshot/reader.h"

namespace fedge::snapshot {

// `user` and `domain` in any case, of the request URI; user may be empty. Null when no route
// matches. Never allocates; names longer than 320 octets match nothing.
const Route* find_route(const Section<Routing>& routing, std::string_view user,
                        std::string_view domain);

// Builds the buckets of a route list (compiler side).
std::vector<RouteBucket> build_buckets(const std::vector<std::string>& patterns);

// The peer whose certificate carries one of `names` (lower case) and whose connections come from
// `realm`; null for a stranger. A name of its own goes before "*.domain". Of a peer of several
// domains, the first record.
const Peer* find_peer(const Section<Routing>& routing, std::span<const std::string_view> names,
                      uint16_t realm);

// Whether the partner that `peer` is a record of federates for `domain` (any case).
bool serves_domain(const Section<Routing>& routing, const Peer& peer, std::string_view domain);

}  // namespace fedge::snapshot
