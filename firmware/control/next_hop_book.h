// What signal tells about next hops (R3): the state of each, and the last fail-overs. In memory
// only: a restarted signal tells it all again. Signal reads the network, so that nothing it tells
// is kept without a bound.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include "firmware/link/messages.h"
#include "firmware/snapshot/reader.h"

namespace fedge::control {

struct HopKnowledge {
  link::HopState state = link::HopState::unknown;
  std::string reason;  // why it is, or was last, down
  int64_t since = 0;   // seconds since 1970; likewise the next
  int64_t probed = 0;  // 0: it was never asked
  bool was_down = false;
};

struct FailoverRecord {
  uint64_t number = 0;  // counts from 1 while control runs
  link::Failover what;
};

class NextHopBook {
 public:
  static constexpr size_t kMostFailovers = 1000;
  static constexpr size_t kMostHops = 1 << 20;

  // A new signal has learnt nothing yet.
  void forget_states() { hops_.clear(), names_.clear(); }
  void on_state(link::NextHopState told);
  void on_failover(link::Failover told);
  void on_name(link::NameFound told);

  bool knows_states() const { return !hops_.empty() || !names_.empty(); }
  // Signal runs another generation: what that does not have is forgotten.
  void keep_only(const snapshot::Section<snapshot::Routing>& routing,
                 const snapshot::Section<snapshot::Realms>& realms);

  // Of a hop that nobody told about: unknown.
  const HopKnowledge& find(const link::NextHopName& name) const;
  // Newest last.
  const std::deque<FailoverRecord>& failovers() const { return failovers_; }
  // fedge_signal_next_hop_up, of those that are or have been down: a page of counters could not
  // hold all.
  std::string metrics() const;
  // A line for each hop that was told about, as fedge-signal --explain reads it; and for each name.
  std::string text() const;
  std::string names_text() const;
  // Of a hop that is found by name: where it is, in words.
  std::string addresses(const snapshot::NextHop& hop,
                        const snapshot::Section<snapshot::Routing>& routing) const;

 private:
  std::map<link::NextHopName, HopKnowledge> hops_;
  std::map<std::pair<std::string, uint16_t>, std::string> names_;  // by look-up and port
  std::deque<FailoverRecord> failovers_;
  uint64_t last_number_ = 0;
};

// What signal calls a next hop of a snapshot.
link::NextHopName name_of(const snapshot::NextHop& hop,
                          const snapshot::Section<snapshot::Routing>& routing,
                          const snapshot::Section<snapshot::Realms>& realms);
std::string_view name_of(link::HopState state);
bool is_state(std::string_view name);

}  // namespace fedge::control
