// Overload (R10): when messages wait too long for us, a share of the new requests is refused
// before anything is made for them, so that what has begun goes on and what is let in is served
// in time. Without IO or a clock: waits and instants go in.
#pragma once

#include <cstdint>

#include "dataplane/sip/statistics.h"
#include "firmware/base/timers.h"

namespace fedge::sip {

class Overload final : private Timer {
 public:
  Overload(TimerWheel& wheel, Statistics& statistics) : wheel_(wheel), statistics_(statistics) {}

  // A longer wait is too long (Signalling::overload_delay_ms).
  void use(Duration longest_wait) { longest_wait_ = longest_wait; }

  // A message, whatever it is, waited so long at the box before it was read.
  void note(Duration waited, Instant now) {
    if (!armed()) wheel_.set(*this, now + kWindow);
    ++seen_;
    waited_ += waited;
    if (waited > longest_wait_) ++late_;
  }
  // Whether to serve a new request that would be served otherwise.
  bool admits();

  // Of the new requests, from 1 down to kLeast.
  double admitted_share() const { return share_; }

  static constexpr Duration kWindow = 100ms;
  static constexpr double kLeast = 1.0 / 64;

 private:
  void on_timer(Instant now) override;

  TimerWheel& wheel_;
  Statistics& statistics_;
  Duration longest_wait_ = Duration::max();
  double share_ = 1;
  double credit_ = 0;  // of requests to admit
  // Of the window.
  Duration waited_{0};
  uint32_t seen_ = 0;
  uint32_t late_ = 0;
  // In a row.
  uint32_t late_windows_ = 0;
  uint32_t calm_windows_ = 0;
};

}  // namespace fedge::sip
