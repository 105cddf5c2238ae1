#include "dataplane/sip/overload.h"

#include <algorithm>

namespace fedge::sip {

namespace {

// Two windows may be late because the process stood still for a moment: the one in which that
// was, and the one in which it works off what it finds.
constexpr uint32_t kStanding = 3;
constexpr uint32_t kMany = 4;  // one in four
// Windows without a refusal until overload is over.
constexpr uint32_t kCalm = 10;
constexpr uint32_t kSecond = 10;  // windows
// Who asks for little gets at most this part of what is served, or of what is asked for.
constexpr uint32_t kOfServed = 2;
constexpr uint32_t kOfAsked = 32;

}  // namespace

// How much is little: what the smallest peers ask for, as long as it is a small part in all.
void Overload::share_out() {
  std::array<uint32_t, std::tuple_size_v<decltype(asked_)>> counts;
  std::ranges::transform(asked_, counts.begin(), &Asked::now);
  std::ranges::sort(counts);
  uint32_t room = std::max(served_ / kOfServed, requests_ / kOfAsked);
  little_ = 0;
  for (const uint32_t count : counts) {
    if (count > room) break;
    room -= count;
    little_ = count;
  }
  requests_ = served_ = shared_windows_ = 0;
  for (Asked& asked : asked_) asked = {.now = 0, .before = asked.now};
}

// One peer's long queue is not the box's: many messages of a window must have waited. Not most of
// them, since answers may stand in a queue while requests find theirs empty, or the other way.
void Overload::on_timer(Instant now) {
  const Duration wait = seen_ == 0 ? Duration{0} : waited_ / seen_;
  late_windows_ = late_ > seen_ / kMany ? late_windows_ + 1 : 0;
  calm_windows_ = refused_ == 0 ? calm_windows_ + 1 : 0;
  if (late_windows_ >= kStanding) {
    is_standing_ = true;
    calm_windows_ = 0;
  } else if (calm_windows_ >= kCalm) {
    is_standing_ = false;
  }
  if (is_standing_ && ++shared_windows_ == kSecond) share_out();
  if (responses_ == 0) response_wait_ = Duration{0};
  statistics_.set_overload_delay(wait);
  const bool calm = !is_standing_ && late_windows_ == 0 && wait < 1ms;
  waited_ = Duration{0};
  seen_ = late_ = responses_ = refused_ = 0;
  if (!calm) wheel_.set(*this, now + kWindow);
}

}  // namespace fedge::sip
