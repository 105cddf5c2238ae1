#include "firmware/base/timers.h"

#include <algorithm>
#include <bit>

namespace fedge {

namespace {
constexpr Duration kTick = 1ms;
}

void Timer::cancel() {
  if (next_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
  if (wheel_ != nullptr) --wheel_->armed_;
  wheel_ = nullptr;
}

TimerWheel::TimerWheel(Instant start) : start_(start) {
  for (auto& head : slots_) head.next_ = head.previous_ = &head;
}

TimerWheel::~TimerWheel() {
  for (auto& head : slots_) {
    while (head.next_ != &head) head.next_->cancel();
    head.next_ = head.previous_ = nullptr;
  }
}

// Rounded up, so that a timer never fires early.
uint64_t TimerWheel::tick_of(Instant t) const {
  if (t <= start_) return 0;
  const Duration wait = t - start_;
  return static_cast<uint64_t>(wait / kTick) + (wait % kTick != Duration(0) ? 1 : 0);
}

void TimerWheel::link(Head& head, Timer& timer) {
  timer.next_ = &head;
  timer.previous_ = head.previous_;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
  timer.wheel_ = this;
  ++armed_;
}

void TimerWheel::set(Timer& timer, Instant due) {
  timer.cancel();
  timer.due_ = due;
  const uint64_t slot = std::max(tick_of(due), tick_ + 1) % kSlots;
  link(slots_[slot], timer);
  occupied_[slot / 64] |= uint64_t{1} << (slot % 64);
}

void TimerWheel::fire_slot(Head& head, Instant now) {
  // Timers of later rounds go back; a fresh list keeps one set by a callback out of this pass.
  Head batch;
  batch.next_ = batch.previous_ = &batch;
  if (head.next_ != &head) {
    batch.next_ = head.next_;
    batch.previous_ = head.previous_;
    batch.next_->previous_ = &batch;
    batch.previous_->next_ = &batch;
    head.next_ = head.previous_ = &head;
  }
  while (batch.next_ != &batch) {
    Timer& timer = *batch.next_;
    const bool due = tick_of(timer.due_) <= tick_;
    timer.cancel();
    if (due) {
      timer.on_timer(now);
    } else {
      set(timer, timer.due_);
    }
  }
  batch.next_ = batch.previous_ = nullptr;
}

void TimerWheel::advance(Instant now) {
  if (now <= start_) return;
  const auto target = static_cast<uint64_t>((now - start_) / kTick);
  // After a long pause one whole round visits every slot.
  if (target > tick_ + kSlots) tick_ = target - kSlots;
  while (tick_ < target) {
    ++tick_;
    const uint64_t slot = tick_ % kSlots;
    const uint64_t bit = uint64_t{1} << (slot % 64);
    if ((occupied_[slot / 64] & bit) == 0) continue;
    occupied_[slot / 64] &= ~bit;
    fire_slot(slots_[slot], now);
  }
}

Instant TimerWheel::next_due() const {
  if (armed_ == 0) return never;
  const uint64_t first = tick_ + 1;
  for (uint64_t i = 0; i < kSlots;) {
    const uint64_t slot = (first + i) % kSlots;
    const uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word != 0) return start_ + (first + i + std::countr_zero(word)) * kTick;
    i += 64 - slot % 64;
  }
  return start_ + (first + kSlots) * kTick;
}

}  // namespace fedge
