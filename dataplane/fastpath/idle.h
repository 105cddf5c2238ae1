// How long a worker may sleep. Pure: the worker tells what the round brought.
//
// - A round that moved frames is followed by another at once: under load the worker polls.
// - Otherwise it sleeps until a descriptor is ready: taps always, ports whose driver has one
//   (AF_XDP and AF_PACKET sockets are readable when frames wait). It wakes now and then to show
//   that it lives.
// - A port without such a descriptor is asked at growing intervals, up to half a millisecond.
// - Frames that a full port did not take are offered again soon.
#pragma once

#include <algorithm>

#include "firmware/base/time.h"

namespace fedge::fastpath {

class Idle {
 public:
  static constexpr Duration kAlive = 100ms;
  static constexpr Duration kFirst = 20us;
  static constexpr Duration kLongest = 500us;
  static constexpr Duration kRetry = 50us;

  // `must_ask`: some port can only be asked.
  explicit Idle(bool must_ask) : must_ask_(must_ask) {}

  // What to wait for at most before the next round.
  Duration next_wait(bool moved, bool frames_waiting) {
    if (moved) {
      backoff_ = kFirst;
      return Duration::zero();
    }
    if (frames_waiting) return kRetry;
    if (!must_ask_) return kAlive;
    const Duration wait = backoff_;
    backoff_ = std::min(2 * backoff_, kLongest);
    return wait;
  }

 private:
  bool must_ask_;
  Duration backoff_ = kFirst;
};

}  // namespace fedge::fastpath
