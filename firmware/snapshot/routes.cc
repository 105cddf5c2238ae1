#include "firmware/snapshot/routes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>

#include "firmware/net/address.h"
#include "firmware/net/dns_name.h"
#include "firmware/snapshot/checksum.h"

namespace fedge::snapshot {
namespace {

constexpr size_t kMostName = 320;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Where the probe for a hash starts and goes on; the one rule that builder and reader share.
size_t first_slot(uint32_t hash, size_t buckets) { return hash & (buckets - 1); }
size_t next_slot(size_t slot, size_t buckets) { return (slot + 1) & (buckets - 1); }

uint32_t bucket_hash(std::string_view pattern) { return static_cast<uint32_t>(hash_of(pattern)); }

const Route* probe(const Section<Routing>& routing, std::span<const RouteBucket> buckets,
                   std::string_view pattern, uint32_t hash) {
  const auto routes = routing.items(routing.root().routes);
  for (size_t slot = first_slot(hash, buckets.size()); buckets[slot].route != 0;
       slot = next_slot(slot, buckets.size())) {
    if (buckets[slot].hash != hash) continue;
    const Route& route = routes[buckets[slot].route - 1];
    if (routing.text(route.pattern) == pattern) return &route;
  }
  return nullptr;
}

// An IPv6 address has many spellings; patterns hold that of RFC 5952. What is none stays as it is.
std::string_view normal_address(std::string_view text, char (&room)[INET6_ADDRSTRLEN]) {
  const auto address = IpAddress::parse(text);
  if (!address || !address->is_v6()) return text;
  return inet_ntop(AF_INET6, address->octets.data(), room, sizeof room);
}

const Peer* find_named(const Section<Routing>& routing, std::string_view name, uint16_t realm) {
  const auto peers = routing.items(routing.root().peers);
  auto peer = std::ranges::lower_bound(peers, name, {},
                                       [&](const Peer& p) { return routing.text(p.name); });
  for (; peer != peers.end() && routing.text(peer->name) == name; ++peer) {
    if (peer->realm == realm) return &*peer;
  }
  return nullptr;
}

}  // namespace

const Route* find_route(const Section<Routing>& routing, std::string_view user,
                        std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);  // a fully qualified name, RFC 1034
  char address[INET6_ADDRSTRLEN];
  if (domain.contains(':')) domain = normal_address(domain, address);
  if (domain.empty() || user.size() + 1 + domain.size() > kMostName) return nullptr;
  char name[kMostName];
  char* end = std::ranges::transform(user, name, lower).out;
  *end++ = '@';
  char* const at = end;
  end = std::ranges::transform(domain, end, lower).out;
  const auto buckets = routing.items(routing.root().buckets);
  if (buckets.empty()) return nullptr;
  // Most requests are routed by their domain: its bucket comes from memory while the user's does.
  const uint32_t domain_hash = bucket_hash({at, end});
  __builtin_prefetch(&buckets[first_slot(domain_hash, buckets.size())]);
  if (!user.empty()) {
    const std::string_view pattern(name, end);
    if (const Route* route = probe(routing, buckets, pattern, bucket_hash(pattern))) return route;
  }
  if (const Route* route = probe(routing, buckets, {at, end}, domain_hash)) return route;
  // "a.b.c" becomes "*.b.c" in place, then "*.c".
  for (char* dot = std::find(at, end, '.'); dot != end; dot = std::find(dot + 1, end, '.')) {
    if (dot == at) continue;
    dot[-1] = '*';
    const std::string_view pattern(dot - 1, end);
    if (const Route* route = probe(routing, buckets, pattern, bucket_hash(pattern))) return route;
  }
  return nullptr;
}

std::vector<RouteBucket> build_buckets(const std::vector<std::string>& patterns) {
  if (patterns.empty()) return {};
  std::vector<RouteBucket> buckets(std::bit_ceil(2 * patterns.size()));
  for (size_t i = 0; i < patterns.size(); ++i) {
    const uint32_t hash = bucket_hash(patterns[i]);
    size_t slot = first_slot(hash, buckets.size());
    while (buckets[slot].route != 0) slot = next_slot(slot, buckets.size());
    buckets[slot] = {hash, static_cast<uint32_t>(i + 1)};
  }
  return buckets;
}

const Peer* find_peer(const Section<Routing>& routing, std::span<const std::string_view> names,
                      uint16_t realm) {
  for (const std::string_view name : names) {
    if (const Peer* peer = find_named(routing, name, realm)) return peer;
  }
  char wildcard[kMostName];
  for (const std::string_view name : names) {
    if (name.size() + 2 > sizeof wildcard) continue;
    wildcard[0] = '*', wildcard[1] = '.';
    std::ranges::copy(name, wildcard + 2);
    // "a.b.c" asks for "*.a.b.c", "*.b.c", "*.c".
    char* const end = wildcard + name.size() + 2;
    for (char* dot = wildcard + 1; dot != end; dot = std::find(dot + 1, end, '.')) {
      dot[-1] = '*';
      if (const Peer* peer = find_named(routing, {dot - 1, end}, realm)) return peer;
    }
  }
  return nullptr;
}

bool serves_domain(const Section<Routing>& routing, const Peer& peer, std::string_view domain) {
  const auto peers = routing.items(routing.root().peers);
  const auto same = [&](const Peer& other) {
    return other.realm == peer.realm && other.side == peer.side &&
           routing.text(other.name) == routing.text(peer.name);
  };
  for (const Peer* p = &peer; p != peers.data() + peers.size() && same(*p); ++p) {
    if (equal_names(routing.text(p->domain), domain)) return true;
  }
  return false;
}

}  // namespace fedge::snapshot
