// The counters of several workers in one page: each counts for itself, and now and then their sum
// is written. What counts up goes on from where the page stood at the start.
#pragma once

#include <vector>

#include "firmware/base/counters.h"

namespace fedge::signal {

class Tally {
 public:
  explicit Tally(Counters& page) : page_(page) {}

  // `worker` may count on, and add series, in a thread of its own. It outlives this.
  void include(const Counters& worker) { workers_.push_back({&worker, {}}); }
  void sum();

 private:
  struct Source {
    const Counters* counters;
    std::vector<uint32_t> lines;  // of its series, in the page
  };
  struct Line {
    uint64_t base = 0;
    uint64_t sum = 0;
    bool used = false;
  };
  void learn(Source& source);

  Counters& page_;
  std::vector<Source> workers_;
  std::vector<Line> lines_;  // by index in the page
};

}  // namespace fedge::signal
