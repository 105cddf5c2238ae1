#include "firmware/snapshot/routes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "firmware/net/address.h"
#include "firmware/net/dns_name.h"
#include "firmware/snapshot/checksum.h"

namespace fedge::snapshot {
namespace {

constexpr size_t kMostName = 320;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The rules that writer and reader share. Behind the last mark there are as many of nobody.
constexpr size_t kMarksAtOnce = 8;
size_t group_of(uint64_t hash, size_t groups) { return hash & (groups - 1); }
uint16_t mark_of(uint64_t hash) { return static_cast<uint16_t>(hash >> 48); }
size_t groups_for(size_t routes) {
  constexpr size_t kPerGroup = 4;  // at most, on average: few have more than kMarksAtOnce
  return std::bit_ceil((routes + kPerGroup - 1) / kPerGroup);
}

bool is_of_user(std::string_view pattern) { return pattern.contains('@'); }
bool is_of_children(std::string_view pattern) { return pattern.starts_with("*."); }

// Route::head of a pattern.
void write_head(std::string_view pattern, char (&head)[sizeof Route::head]) {
  std::memset(head, 0, sizeof head);
  std::memcpy(head, pattern.data(), std::min(pattern.size(), sizeof head));
}

bool matches(const Section<Routing>& routing, const Route& route, std::string_view pattern) {
  constexpr size_t kHead = sizeof route.head;
  if (route.pattern.size != pattern.size()) return false;
  if (std::memcmp(route.head, pattern.data(), kHead) != 0) return false;
  return pattern.size() <= kHead ||
         routing.text(route.pattern).substr(kHead) == pattern.substr(kHead);
}

class Prober {
 public:
  explicit Prober(const Section<Routing>& routing)
      : routing_(routing),
        starts_(routing.items(routing.root().index.starts)),
        marks_(routing.items(routing.root().index.marks).data()),
        routes_(routing.items(routing.root().routes).data()) {}

  // `pattern` has zeros behind it, as Route::head has.
  const Route* find(std::string_view pattern) const {
    const uint64_t hash = hash_of(pattern);
    const size_t group = group_of(hash, starts_.size() - 1);
    const uint64_t mark = mark_of(hash) * kOnes;
    // Eight marks at once, without a branch that depends on how many the group has: whatever
    // has the mark is compared, and few groups have more.
    uint32_t i = starts_[group];
    const uint32_t end = starts_[group + 1];
    do {
      const uint64_t low = equal_lanes(marks_ + i, mark);
      const uint64_t high = equal_lanes(marks_ + i + 4, mark);
      if ((low | high) != 0) {
        if (const Route* route = compare(i, low, end, pattern)) return route;
        if (const Route* route = compare(i + 4, high, end, pattern)) return route;
      }
      i += kMarksAtOnce;
    } while (i < end);
    return nullptr;
  }

 private:
  static constexpr uint64_t kOnes = 0x0001'0001'0001'0001;
  // The top bit of each of four marks that is `mark`; above one that is, of others perhaps too.
  static uint64_t equal_lanes(const uint16_t* marks, uint64_t mark) {
    uint64_t four;
    std::memcpy(&four, marks, sizeof four);
    four ^= mark;
    return (four - kOnes) & ~four & (kOnes << 15);
  }
  const Route* compare(uint32_t first, uint64_t lanes, uint32_t end,
                       std::string_view pattern) const {
    for (; lanes != 0; lanes &= lanes - 1) {
      const uint32_t i = first + static_cast<uint32_t>(std::countr_zero(lanes)) / 16;
      if (i < end && matches(routing_, routes_[i], pattern)) return &routes_[i];
    }
    return nullptr;
  }

  const Section<Routing>& routing_;
  std::span<const uint32_t> starts_;
  const uint16_t* marks_;
  const Route* routes_;
};

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
  const RouteIndex& index = routing.root().index;
  if (index.starts.count == 0) return nullptr;
  const Prober prober(routing);
  char name[kMostName + sizeof Route::head];
  char* at = name;
  if (index.users != 0 && !user.empty()) {
    at = std::ranges::transform(user, at, lower).out;
    *at++ = '@';
  }
  char* const end = std::ranges::transform(domain, at, lower).out;
  std::memset(end, 0, sizeof Route::head);
  if (at != name) {
    if (const Route* route = prober.find({name, end})) return route;
  }
  if (const Route* route = prober.find({at, end})) return route;
  if (index.children == 0) return nullptr;
  // "a.b.c" becomes "*.b.c" in place, then "*.c".
  for (char* dot = std::find(at, end, '.'); dot != end; dot = std::find(dot + 1, end, '.')) {
    if (dot == at) continue;
    dot[-1] = '*';
    if (const Route* route = prober.find({dot - 1, end})) return route;
  }
  return nullptr;
}

void write_routes(Writer& writer, std::vector<Route> routes, Routing& root) {
  if (routes.empty()) return;
  const size_t groups = groups_for(routes.size());
  struct Place {
    size_t group;
    uint64_t hash;
    size_t route;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<Place> places;
  places.reserve(routes.size());
  for (size_t i = 0; i < routes.size(); ++i) {
    const std::string_view pattern = writer.read(routes[i].pattern);
    write_head(pattern, routes[i].head);
    root.index.users |= is_of_user(pattern);
    root.index.children |= is_of_children(pattern);
    const uint64_t hash = hash_of(pattern);
    places.push_back({group_of(hash, groups), hash, i});
  }
  std::ranges::sort(places);
  std::vector<Route> ordered;
  std::vector<uint32_t> starts;
  std::vector<uint16_t> marks;
  for (const Place& place : places) {
    starts.resize(place.group + 1, static_cast<uint32_t>(ordered.size()));
    ordered.push_back(routes[place.route]);
    marks.push_back(mark_of(place.hash));
  }
  starts.resize(groups + 1, static_cast<uint32_t>(ordered.size()));
  marks.resize(marks.size() + kMarksAtOnce);
  root.routes = writer.slice(ordered);
  root.index.starts = writer.slice(starts);
  root.index.marks = writer.slice(marks);
}

std::string check_index(const Section<Routing>& section) {
  const RouteIndex& index = section.root().index;
  const auto routes = section.items(section.root().routes);
  const auto starts = section.items(index.starts);
  const auto marks = section.items(index.marks);
  const size_t groups = routes.empty() ? 0 : groups_for(routes.size());
  if (starts.size() != (groups == 0 ? 0 : groups + 1) ||
      marks.size() != (groups == 0 ? 0 : routes.size() + kMarksAtOnce)) {
    return "the route index has the wrong size";
  }
  if (groups != 0 &&
      (starts.front() != 0 || starts.back() != routes.size() || !std::ranges::is_sorted(starts) ||
       std::ranges::any_of(marks.last(kMarksAtOnce), std::identity()))) {
    return "the route index leads outside";
  }
  bool users = false;
  bool children = false;
  uint64_t previous = 0;
  for (size_t group = 0; group < groups; ++group) {
    for (size_t i = starts[group]; i < starts[group + 1]; ++i) {
      const std::string_view pattern = section.text(routes[i].pattern);
      const uint64_t hash = hash_of(pattern);
      char head[sizeof Route::head];
      write_head(pattern, head);
      const bool first = i == starts[group];
      if (group_of(hash, groups) != group || marks[i] != mark_of(hash) ||
          (!first && hash < previous) || std::memcmp(head, routes[i].head, sizeof head) != 0) {
        return "route " + std::to_string(i) + " is not as the index says";
      }
      // Equal ones are neighbours: their hashes ascend.
      if (!first && hash == previous && pattern == section.text(routes[i - 1].pattern)) {
        return "route " + std::to_string(i) + " has the pattern of another";
      }
      previous = hash;
      users |= is_of_user(pattern);
      children |= is_of_children(pattern);
    }
  }
  if (index.users != users || index.children != children) {
    return "the route index does not say which kinds of routes there are";
  }
  return {};
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
