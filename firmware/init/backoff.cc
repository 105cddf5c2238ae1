#include "firmware/init/backoff.h"

#include <algorithm>

namespace fedge::init {

Duration Backoff::on_end(Duration run) {
  if (run >= kGoodRun) next_ = Duration(0);
  const Duration wait = next_;
  next_ = std::clamp(next_ * 2, kFirst, kLongest);
  return wait;
}

}  // namespace fedge::init
