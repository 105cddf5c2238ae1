// Timers without a clock: a hashed wheel of intrusive timers driven by the instants it is given.
// Setting, moving and cancelling are O(1) and never allocate.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/time.h"

namespace fedge {

class TimerWheel;

// Embedded in whatever waits. Cancels itself when destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { cancel(); }

  bool armed() const { return next_ != nullptr; }
  Instant due() const { return due_; }
  void cancel();

 private:
  friend class TimerWheel;
  // Called by TimerWheel::advance; the timer is not armed any more and may be set again or
  // destroyed inside.
  virtual void on_timer(Instant now) = 0;

  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  TimerWheel* wheel_ = nullptr;
  Instant due_{};
};

// Ticks of one millisecond, 4096 slots; longer delays wait for their round.
class TimerWheel {
 public:
  explicit TimerWheel(Instant start);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  // Every timer still armed is left unarmed; none fires.
  ~TimerWheel();

  // Arms or moves `timer`. It never fires before `due`, and on the first advance() at or after
  // the following tick.
  void set(Timer& timer, Instant due);
  // Fires everything due, oldest tick first.
  void advance(Instant now);
  // No later than the first timer due: what an event loop may sleep until. `never` when empty.
  Instant next_due() const;
  uint64_t armed() const { return armed_; }

 private:
  friend class Timer;
  static constexpr uint64_t kSlots = 4096;
  struct Head final : Timer {
    void on_timer(Instant) override {}
  };
  uint64_t tick_of(Instant t) const;
  void link(Head& head, Timer& timer);
  void fire_slot(Head& head, Instant now);

  Instant start_;
  uint64_t tick_ = 0;  // ticks up to and including this one have fired
  uint64_t armed_ = 0;
  std::array<Head, kSlots> slots_;
  std::array<uint64_t, kSlots / 64> occupied_{};
};

}  // namespace fedge
