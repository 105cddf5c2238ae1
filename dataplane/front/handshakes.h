// Whose turn it is to make a TLS handshake, sans IO. Places are few, and no source has more than a
// quarter of them: who stalls there keeps nobody else out.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>

#include "dataplane/media/packet.h"
#include "firmware/net/source_table.h"

namespace fedge::front {

// Who asks.
struct Candidate {
  media::ConnectionId connection = 0;
  uint16_t realm = 0;
  IpAddress source;
};

class Handshakes {
 public:
  // `most_sources`: how many are told apart.
  explicit Handshakes(uint32_t most_sources) : sources_(most_sources) {}

  // True: it begins. Otherwise it waits for next().
  bool begin(const Candidate& candidate, uint32_t most) {
    if (waiting_.empty() && may_begin(candidate, most)) return true;
    waiting_.push_back(candidate);
    return false;
  }
  // One that began is over.
  void end(const Candidate& candidate) {
    --working_;
    sources_.remove(candidate.realm, candidate.source);
  }
  // Who waited and begins now; it may be gone: then end() it at once. Those of a source that has
  // its share wait behind the others.
  std::optional<Candidate> next(uint32_t most) {
    for (size_t looks = std::min(waiting_.size(), kLooks); looks != 0 && working_ < most; --looks) {
      const Candidate candidate = waiting_.front();
      waiting_.pop_front();
      if (may_begin(candidate, most)) return candidate;
      waiting_.push_back(candidate);
    }
    return std::nullopt;
  }
  size_t waiting() const { return waiting_.size(); }
  uint32_t working() const { return working_; }

 private:
  // Of those that wait in one call: a flood from one source costs no more.
  static constexpr size_t kLooks = 64;

  bool may_begin(const Candidate& candidate, uint32_t most) {
    const uint32_t share = std::max(1u, most / 4);
    if (working_ >= most || sources_.connections(candidate.realm, candidate.source) >= share ||
        !sources_.add(candidate.realm, candidate.source)) {
      return false;
    }
    ++working_;
    return true;
  }

  SourceTable sources_;
  std::deque<Candidate> waiting_;
  uint32_t working_ = 0;
};

}  // namespace fedge::front
