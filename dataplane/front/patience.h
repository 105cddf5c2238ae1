// How long a connection may keep us waiting, sans IO and sans clock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "firmware/base/time.h"

namespace fedge::front {

struct Waits {
  Duration first;    // from accepting, or the end of the handshake, to the first message whole
  Duration partial;  // from the first octet of a message to its last
  Duration idle;     // without a message either way
};

class Patience {
 public:
  enum class End : uint8_t { none, silent, partial, idle };

  explicit Patience(Instant accepted) : last_(accepted) {}

  // The TLS handshake is over.
  void on_open(Instant now) { last_ = now; }
  // A message went either way.
  void on_message(Instant now) {
    spoke_ = true;
    last_ = now;
  }
  // What is left after everything that came was looked at.
  void on_rest(bool is_partial, Instant now) {
    if (!is_partial) {
      partial_since_ = never;
    } else if (partial_since_ == never) {
      partial_since_ = now;
    }
  }

  // Nothing ends before this; it moves, so ask judge() then.
  Instant due(const Waits& waits) const {
    if (!spoke_) return last_ + waits.first;
    const Instant idle = last_ + waits.idle;
    if (partial_since_ == never) return idle;
    return std::min(idle, partial_since_ + waits.partial);
  }
  End judge(const Waits& waits, Instant now) const {
    if (now < due(waits)) return End::none;
    if (!spoke_) return End::silent;
    return partial_since_ != never && now >= partial_since_ + waits.partial ? End::partial
                                                                            : End::idle;
  }
  bool spoke() const { return spoke_; }

 private:
  Instant last_;
  Instant partial_since_ = never;
  bool spoke_ = false;
};

}  // namespace fedge::front
