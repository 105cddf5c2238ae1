// Which neighbours the kernel is asked to keep resolved because media packets go to them: as many
// as its table bears, the one that was asked for longest ago gives way. Decides only; Taps does it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "firmware/base/time.h"
#include "firmware/net/address.h"

namespace fedge::init {

class WantedNeighbours {
 public:
  // The kernel's table holds 1,024 in all, those of signalling among them.
  static constexpr size_t kMost = 512;
  static constexpr Duration kAgain = 5s;  // before the same one is asked of the kernel again
  static constexpr unsigned kMostPerSecond = 200;

  using Key = std::pair<std::string, IpAddress>;  // realm, address
  struct Step {
    bool look = false;           // ask the kernel to look for it
    std::optional<Key> give_up;  // and to forget this one
  };
  Step want(const Key& key, Instant now);

  size_t size() const { return asked_.size(); }

 private:
  std::map<Key, Instant> asked_;  // when last
  Instant second_{};
  unsigned in_second_ = 0;
};

}  // namespace fedge::init
