#include "dataplane/sip/overload.h"

#include <algorithm>

namespace fedge::sip {

namespace {

// Two windows may be late because the process stood still for a moment: the one in which that
// was, and the one in which it works off what it finds. Once there is overload, each one counts.
constexpr uint32_t kStanding = 3;
constexpr uint32_t kMany = 4;  // one in four
// Per window. From the least share back to all of them takes about a second when nothing waits.
constexpr double kLess = 0.5;
constexpr double kMore = 1.5;
// While something waits the edge is near: what is let in costs its share only later, when its
// answers come, so a greedy step fills the queue that then takes seconds to work off.
constexpr double kStep = 1.0 / 128;
constexpr int kIdle = 16;  // a mean wait below this part of the longest: nothing waits
constexpr int kNear = 4;   // above this part: no more are let in
// Windows without anything late before more are let in.
constexpr uint32_t kCalm = 2;

}  // namespace

bool Overload::admits() {
  if (share_ == 1) return true;
  credit_ += share_;
  if (credit_ < 1) return false;
  credit_ -= 1;
  return true;
}

// One peer's long queue is not the box's: many messages of a window must have waited. Not most of
// them, since answers may stand in a queue while requests find theirs empty, or the other way.
void Overload::on_timer(Instant now) {
  const Duration wait = seen_ == 0 ? Duration{0} : waited_ / seen_;
  late_windows_ = late_ > seen_ / kMany ? late_windows_ + 1 : 0;
  calm_windows_ = late_ == 0 ? calm_windows_ + 1 : 0;
  if (late_windows_ >= (share_ < 1 ? 1 : kStanding)) share_ = std::max(share_ * kLess, kLeast);
  if (calm_windows_ >= kCalm && wait < longest_wait_ / kNear) {
    const double more = wait < longest_wait_ / kIdle ? share_ * kMore : share_ + kStep;
    share_ = std::min(more, 1.0);
  }
  statistics_.set_overload_delay(wait);
  const bool calm = share_ == 1 && late_windows_ == 0 && wait < 1ms;
  waited_ = Duration{0};
  seen_ = late_ = 0;
  if (!calm) wheel_.set(*this, now + kWindow);
}

}  // namespace fedge::sip
