// The look-up every request makes: which route serves this request URI. Longest match: the user
// route user@domain, the domain itself, then "*.parent" from the nearest parent up. A step
// that finds nothing reads two words of the index; a hit, one cache line besides.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/snapshot/reader.h"
#include "firmware/snapshot/writer.h"

namespace fedge::snapshot {

// `user` and `domain` in any case, of the request URI; user may be empty. Null when no route
// matches. Never allocates; names longer than 320 octets match nothing.
const Route* find_route(const Section<Routing>& routing, std::string_view user,
                        std::string_view domain);

// Writes `routes` (patterns through writer.text()) and their index into `root` (compiler side).
void write_routes(Writer& writer, std::vector<Route> routes, Routing& root);

// Empty, or why the routes of a section cannot be looked up; what check_references() asks.
std::string check_index(const Section<Routing>& section);

// The peer whose certificate carries one of `names` (lower case) and whose connections come from
// `realm`; null for a stranger. A name of its own goes before "*.domain". Of a peer of several
// domains, the first record.
const Peer* find_peer(const Section<Routing>& routing, std::span<const std::string_view> names,
                      uint16_t realm);

// Whether the partner that `peer` is a record of federates for `domain` (any case).
bool serves_domain(const Section<Routing>& routing, const Peer& peer, std::string_view domain);

}  // namespace fedge::snapshot
