#include "firmware/init/neighbours.h"

#include <algorithm>

namespace fedge::init {

WantedNeighbours::Step WantedNeighbours::want(const Key& key, Instant now) {
  const auto known = asked_.find(key);
  if (known != asked_.end() && now - known->second < kAgain) return {};
  if (now - second_ >= 1s) {
    second_ = now;
    in_second_ = 0;
  }
  if (++in_second_ > kMostPerSecond) return {};
  Step step{.look = true, .give_up = {}};
  if (known == asked_.end() && asked_.size() == kMost) {
    const auto oldest =
        std::ranges::min_element(asked_, {}, [](const auto& asked) { return asked.second; });
    step.give_up = oldest->first;
    asked_.erase(oldest);
  }
  asked_[key] = now;
  return step;
}

}  // namespace fedge::init
