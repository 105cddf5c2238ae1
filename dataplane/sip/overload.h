// Overload (R10): once messages wait too long for us, a new request that itself has waited long is
// refused before anything is made for it. Refusing costs a fraction of serving, so queues settle at
// the wait where that begins: as much is served as there is time for, and who has no queue of its
// own (connections are read in turn) is served as ever. Where so many connections flood that all
// wait for their turn, the peers that ask for little are served first. Without IO or a clock: waits
// and instants go in.
#pragma once

#include <array>
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
  void note(Duration waited, bool is_response, Instant now) {
    if (!armed()) wheel_.set(*this, now + kWindow);
    ++seen_;
    waited_ += waited;
    if (waited > longest_wait_) ++late_;
    if (!is_response) return;
    ++responses_;
    response_wait_ += (waited - response_wait_) / kSmooth;
  }
  // Whether to serve a new request that has waited so long. `peer`: a hash of who sent it.
  bool admits(Duration waited, uint32_t peer) {
    if (!is_standing_) return true;
    ++requests_;
    Asked& asked = asked_[peer % asked_.size()];
    ++asked.now;
    const bool is_prompt = waited <= longest_wait_ / 2 && response_wait_ <= longest_wait_;
    if (is_prompt || (asked.now <= 2 * little_ && asked.before <= little_)) {
      ++served_;
      return true;
    }
    ++refused_;
    return false;
  }

  bool is_standing() const { return is_standing_; }

  static constexpr Duration kWindow = 100ms;

 private:
  static constexpr int kSmooth = 16;  // responses that the mean of their waits looks back

  struct Asked {  // of peers that share a hash, in this second and in the one before
    uint32_t now = 0;
    uint32_t before = 0;
  };

  void on_timer(Instant now) override;
  void share_out();

  TimerWheel& wheel_;
  Statistics& statistics_;
  Duration longest_wait_ = Duration::max();
  bool is_standing_ = false;
  Duration response_wait_{0};
  // While overload stands, by the second: turns may be longer than a window.
  uint32_t little_ = 0;  // who asks for no more is served though it has waited
  std::array<Asked, 256> asked_{};
  uint32_t requests_ = 0;  // new ones
  uint32_t served_ = 0;    // of them
  uint32_t shared_windows_ = 0;
  // Of the window.
  Duration waited_{0};
  uint32_t seen_ = 0;
  uint32_t late_ = 0;
  uint32_t responses_ = 0;
  uint32_t refused_ = 0;
  // In a row.
  uint32_t late_windows_ = 0;
  uint32_t calm_windows_ = 0;
};

}  // namespace fedge::sip
