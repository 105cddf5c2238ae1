#include "firmware/snapshot/routes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "firmware/net/address.h"
#include "firmware/net/dns_name.h"
#include "firmware/snapshot/checksum.h"

namespace fedge::snapshot {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The rules that writer and reader share. Mark and group are of different bits of the hash.
constexpr size_t kMarks = std::size(RouteGroup{}.marks);
size_t group_of(uint64_t hash, size_t groups) { return (hash & 0xffff'ffff) * groups >> 32; }
uint8_t mark_of(uint64_t hash) { return static_cast<uint8_t>(hash >> 56); }
size_t groups_for(size_t routes) {
  constexpr size_t kPerGroup = 16;  // on average: one group in 200 has more than kMarks
  return (routes + kPerGroup - 1) / kPerGroup;
}

bool is_of_user(std::string_view pattern) { return pattern.contains('@'); }
bool is_of_children(std::string_view pattern) { return pattern.starts_with("*."); }

// Route::head of a pattern.
void write_head(std::string_view pattern, char (&head)[sizeof Route::head]) {
  std::memset(head, 0, sizeof head);
  std::memcpy(head, pattern.data(), std::min(pattern.size(), sizeof head));
}

// A bit for each of the group's marks that is `mark`; perhaps one for another that follows one.
// Without a branch: which mark it is nobody can predict.
uint32_t lanes_with(const RouteGroup& group, uint8_t mark) {
  constexpr uint64_t kOnes = 0x0101'0101'0101'0101;
  constexpr uint64_t kTops = kOnes << 7;
  constexpr uint64_t kGather = 0x0102'0408'1020'4080;
  uint64_t words[sizeof(RouteGroup) / 8];
  std::memcpy(words, &group, sizeof group);
  uint32_t lanes = 0;
  for (size_t i = 0; i < std::size(words); ++i) {
    const uint64_t differing = words[i] ^ mark * kOnes;
    const uint64_t equal = (differing - kOnes) & ~differing & kTops;
    lanes |= static_cast<uint32_t>((equal >> 7) * kGather >> 56) << 8 * i;
  }
  // What stands before the marks is none, and neither is what stands behind the last.
  return lanes >> offsetof(RouteGroup, marks) & ((1u << std::min<size_t>(group.count, kMarks)) - 1);
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

RouteQuery::RouteQuery(const Section<Routing>& routing, std::string_view user,
                       std::string_view domain)
    : routing_(routing) {
  if (domain.ends_with('.')) domain.remove_suffix(1);  // a fully qualified name, RFC 1034
  char address[INET6_ADDRSTRLEN];
  if (domain.contains(':')) domain = normal_address(domain, address);
  if (domain.empty() || user.size() + 1 + domain.size() > kMostName) return;
  const RouteIndex& index = routing.root().index;
  if (index.groups.count == 0) return;
  char* at = name_;
  if (index.users != 0 && !user.empty()) {
    at = std::ranges::transform(user, at, lower).out;
    *at++ = '@';
  }
  char* const end = std::ranges::transform(domain, at, lower).out;
  std::memset(end, 0, sizeof Route::head);
  domain_ = static_cast<uint16_t>(at - name_);
  label_ = domain_ + 1;  // a dot at the very beginning ends no label
  end_ = static_cast<uint16_t>(end - name_);
  step_ = Step::index;
  ask(0, hash_of({name_, end}));
  if (domain_ != 0) ask_ahead(hash_of({at, end}));
  if (index.children != 0) {
    if (char* const parent = find_parent(); parent != end) {
      const char kept = std::exchange(*parent, '*');
      ask_ahead(hash_of({parent, end}));
      *parent = kept;
    }
  }
}

void RouteQuery::ask_ahead(uint64_t hash) {
  ahead_[ahead_count_++] = hash;
  __builtin_prefetch(&group_at(hash));
}

// The octet before the next dot, in whose place the '*' of "*.parent" goes; the end when there is
// no parent left.
char* RouteQuery::find_parent() {
  char* const end = name_ + end_;
  char* const dot = std::find(name_ + label_, end, '.');
  return dot == end ? end : dot - 1;
}

const RouteGroup& RouteQuery::group_at(uint64_t hash) const {
  const auto groups = routing_.items(routing_.root().index.groups);
  return groups[group_of(hash, groups.size())];
}

void RouteQuery::ask(size_t begin, uint64_t hash) {
  begin_ = static_cast<uint16_t>(begin);
  mark_ = mark_of(hash);
  group_ = &group_at(hash);
  is_read_ = false;
  __builtin_prefetch(group_);
}

// From user@a.b.c to a.b.c; "a.b.c" becomes "*.b.c" in place, then "*.c".
bool RouteQuery::ask_next() {
  char* const end = name_ + end_;
  char* begin = name_ + domain_;
  if (begin_ >= domain_) {
    if (routing_.root().index.children == 0) return false;
    begin = find_parent();
    if (begin == end) return false;
    *begin = '*';
    label_ = static_cast<uint16_t>(begin + 2 - name_);
  }
  const bool is_ahead = ahead_next_ < ahead_count_;
  ask(static_cast<size_t>(begin - name_), is_ahead ? ahead_[ahead_next_++] : hash_of({begin, end}));
  return true;
}

// The next route of the group that has the mark, or none.
bool RouteQuery::next_candidate() {
  if (!is_read_) {
    is_read_ = true;
    lanes_ = lanes_with(*group_, mark_);
    unmarked_ = kMarks;
  }
  const Route* const routes = routing_.items(routing_.root().routes).data() + group_->first;
  if (lanes_ != 0) {
    route_ = routes + std::countr_zero(lanes_);
    lanes_ &= lanes_ - 1;
    return true;
  }
  if (unmarked_ >= group_->count) return false;
  route_ = routes + unmarked_++;
  return true;
}

bool RouteQuery::is_right() const {
  constexpr size_t kHead = sizeof Route::head;
  const std::string_view name(name_ + begin_, static_cast<size_t>(end_ - begin_));
  // Behind the name there are zeros, as in the head.
  return route_->pattern.size == name.size() &&
         std::memcmp(route_->head, name.data(), kHead) == 0 &&
         (name.size() <= kHead ||
          routing_.text(route_->pattern).substr(kHead) == name.substr(kHead));
}

void RouteQuery::advance() {
  switch (step_) {
    case Step::index:
      for (bool is_ahead = true; is_ahead;) {
        if (next_candidate()) {
          step_ = Step::route;
          return __builtin_prefetch(route_);
        }
        is_ahead = ahead_next_ < ahead_count_;
        if (!ask_next()) return finish(nullptr);
      }
      return;
    case Step::route:
      if (is_right()) {
        finish(route_);
        __builtin_prefetch(routing_.items(route_->targets).data());
      } else {
        step_ = Step::index;
      }
      return;
    case Step::done:
      return;
  }
}

const Route* RouteQuery::find() {
  while (step_ != Step::done) {
    if (step_ == Step::route && is_right()) {
      finish(route_);
    } else if (next_candidate()) {
      step_ = Step::route;
    } else {
      step_ = Step::index;
      if (!ask_next()) finish(nullptr);
    }
  }
  return route_;
}

void RouteQuery::finish(const Route* route) {
  step_ = Step::done;
  route_ = route;
}

const Route* find_route(const Section<Routing>& routing, std::string_view user,
                        std::string_view domain) {
  return RouteQuery(routing, user, domain).find();
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
  ordered.reserve(routes.size());
  std::vector<RouteGroup> index(groups);
  for (const Place& place : places) {
    RouteGroup& group = index[place.group];
    if (group.count < kMarks) group.marks[group.count] = mark_of(place.hash);
    ++group.count;
    ordered.push_back(routes[place.route]);
  }
  uint32_t first = 0;
  for (RouteGroup& group : index) {
    group.first = first;
    first += group.count;
  }
  root.routes = writer.slice(ordered);
  root.index.groups = writer.slice(index);
}

std::string check_index(const Section<Routing>& section) {
  const RouteIndex& index = section.root().index;
  const auto routes = section.items(section.root().routes);
  const auto groups = section.items(index.groups);
  if (groups.size() != groups_for(routes.size())) return "the route index has the wrong size";
  bool users = false;
  bool children = false;
  size_t next = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const RouteGroup& group = groups[g];
    if (group.first != next || group.count > routes.size() - next) {
      return "the route index leads outside";
    }
    next += group.count;
    uint64_t previous = 0;
    for (size_t i = 0; i < group.count; ++i) {
      const Route& route = routes[group.first + i];
      const std::string_view pattern = section.text(route.pattern);
      const uint64_t hash = hash_of(pattern);
      char head[sizeof Route::head];
      write_head(pattern, head);
      if (group_of(hash, groups.size()) != g || (i < kMarks && group.marks[i] != mark_of(hash)) ||
          (i > 0 && hash < previous) || std::memcmp(head, route.head, sizeof head) != 0) {
        return "route " + std::to_string(group.first + i) + " is not as the index says";
      }
      // Equal ones are neighbours: their hashes ascend.
      if (i > 0 && hash == previous && pattern == section.text((&route)[-1].pattern)) {
        return "route " + std::to_string(group.first + i) + " has the pattern of another";
      }
      previous = hash;
      users |= is_of_user(pattern);
      children |= is_of_children(pattern);
    }
  }
  if (next != routes.size()) return "the route index leads outside";
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
  char wildcard[320];
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
