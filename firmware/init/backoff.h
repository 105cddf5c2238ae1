// When an ended process is started again: at once after a good run, then later and later.
#pragma once

#include "firmware/base/time.h"

namespace fedge::init {

class Backoff {
 public:
  static constexpr Duration kFirst = 100ms;
  static constexpr Duration kLongest = 10s;
  static constexpr Duration kGoodRun = 30s;

  // How long to wait before the next start, after a run that lasted `run`.
  Duration on_end(Duration run);

 private:
  Duration next_{0};
};

}  // namespace fedge::init
