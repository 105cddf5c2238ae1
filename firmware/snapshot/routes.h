// The look-up every request makes: which route serves this request URI. Longest match: the user
// route user@domain, the domain itself, then "*.parent" from the nearest parent up. A step that
// finds nothing reads half a cache line of the index; a hit, the route's cache line besides.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/snapshot/reader.h"
#include "firmware/snapshot/writer.h"

namespace fedge::snapshot {

// One look-up in steps. With a million routes each of them waits for memory, unless it was asked
// for some 100 ns before: who has other work to do makes the query as soon as the domain is known,
// advances it now and then, and finds when the route is needed. No step has to be taken.
class RouteQuery {
 public:
  // `user` and `domain` in any case, of the request URI; user may be empty. `routing` outlives the
  // query, the names need not. Asks memory for the index.
  RouteQuery(const Section<Routing>& routing, std::string_view user, std::string_view domain);
  // One step on, by what was asked for last: along the index from name to name, from there to the
  // route, to its targets.
  void advance();
  // Null when no route matches. Never allocates; names longer than 320 octets match nothing.
  const Route* find();

 private:
  enum class Step : uint8_t { index, route, done };

  const RouteGroup& group_at(uint64_t hash) const;
  void ask(size_t begin, uint64_t hash);
  void ask_ahead(uint64_t hash);
  bool ask_next();
  char* find_parent();
  bool next_candidate();
  void finish(const Route* route);
  bool is_right() const;

  static constexpr size_t kMostName = 320;
  const Section<Routing>& routing_;
  const RouteGroup* group_ = nullptr;  // of the name that is asked for
  const Route* route_ = nullptr;       // the candidate, and in the end the answer
  uint64_t ahead_[2];   // hashes of the names after it that memory was asked for already
  uint32_t lanes_ = 0;  // the group's other candidates, a bit each
  uint8_t mark_ = 0;
  uint16_t unmarked_ = 0;  // the next candidate of those that the group has no marks for
  bool is_read_ = false;   // whether these three are of group_
  uint8_t ahead_count_ = 0;
  uint8_t ahead_next_ = 0;
  Step step_ = Step::done;
  uint16_t begin_ = 0;   // of the name that is asked for
  uint16_t domain_ = 0;  // where the domain begins
  uint16_t label_ = 0;   // its next label
  uint16_t end_ = 0;
  char name_[kMostName + sizeof Route::head];  // in lower case, zeros behind it
};

// The same at once.
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
