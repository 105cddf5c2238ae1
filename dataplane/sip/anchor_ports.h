// Relay ports for anchored calls (M4): each worker gives out its own share of the anchor pools, so
// no call waits for the fast path and no two workers ask each other. Ports come back when the fast
// path, or whoever forwarded the BYE, says that the call is over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/sip/anchor.h"
#include "firmware/snapshot/reader.h"

namespace fedge::sip {

// One address of an anchor pool.
struct RelayAddress {
  uint32_t key = 0;         // a hash of realm name and address: the same after a publish
  uint16_t realm = 0;       // of the snapshot in use
  IpAddress address;        // what packets go to behind a 1:1 NAT
  IpAddress shown;          // what SDP says
  uint16_t first_pair = 0;  // a pair is a port divided by two
  uint32_t pairs = 0;
  std::vector<uint64_t> held;  // the call's id of each pair; 0: free
  uint32_t cursor = 0;         // group that was taken from last
  uint32_t turn = 0;           // where in a group the next run's first stream is
};

class AnchorPorts {
 public:
  // `worker` of `workers`: its groups of eight pairs are those whose number is `worker` modulo
  // `workers`.
  AnchorPorts(uint32_t worker, uint32_t workers) : worker_(worker), workers_(workers) {}

  // After each publish. Ports of addresses that are still there stay held.
  void use(const snapshot::Section<snapshot::Media>& media,
           const snapshot::Section<snapshot::Realms>& realms);

  bool empty() const { return addresses_.empty(); }
  bool serves(uint16_t realm, bool is_v6) const;
  const RelayAddress* find(uint32_t key) const;

  // Ports for `streams` (1 to kMostStreams) on both sides; nothing when a realm has no pool of
  // that family, or none is free. `random` makes the id. Stream by stream both sides have the same
  // pair modulo eight: the worker of the fast path that owns one owns the other. First streams come
  // evenly to all workers.
  struct Side {
    uint16_t realm = 0;
    bool is_v6 = false;
  };
  std::optional<AnchorRef> take(const Side& caller, const Side& callee, uint32_t streams,
                                uint64_t random);
  // Another target, maybe in another realm: the callee's side has its ports there from now on, the
  // caller's stays. False: there are none.
  bool move_callee(AnchorRef& anchor, const Side& callee);
  // Of another worker's calls nothing happens.
  void release(uint64_t id);
  // What a reference that came back opens. Its call may be over and its ports the next one's: who
  // keeps old references must not get at those. Free ones are held again.
  enum class Claim : uint8_t {
    held,   // as before, or another worker's: only that one knows
    again,  // after a restart, or when silence had ended it
    lost,   // another call has them
  };
  Claim claim(const AnchorRef& anchor);
  // One that the fast path has held since before we started.
  void note_held(uint64_t id, const Endpoint& caller, const Endpoint& callee);
  size_t held() const { return held_; }

 private:
  static constexpr uint32_t kGroup = kMostStreams;
  // Runs are named by the pair of their first stream.
  std::optional<uint32_t> find_run(RelayAddress& address, uint32_t streams,
                                   std::optional<uint32_t> offset) const;
  static bool is_free(const RelayAddress& address, uint32_t first, uint32_t streams);
  void hold(RelayAddress& address, uint32_t first, uint32_t streams, uint64_t id);
  void mark(const Endpoint& local, uint64_t id);

  uint32_t worker_;
  uint32_t workers_;
  size_t held_ = 0;  // pairs
  std::vector<RelayAddress> addresses_;
};

}  // namespace fedge::sip
