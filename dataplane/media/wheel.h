// Which session is due when: a wheel of lists linked by index. Times are nanoseconds; one is found
// at most one tick late. Rebuilt when a process starts.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/media/huge.h"
#include "dataplane/media/records.h"

namespace fedge::media {

class Wheel {
 public:
  static constexpr int64_t kTick = 250'000'000;
  static constexpr uint32_t kSpokes = 16384;  // 4096 s around; what is due later goes around again

  explicit Wheel(uint32_t capacity);

  // Looks at `item` at that time, instead of any earlier set.
  void set(uint32_t item, int64_t at);
  void remove(uint32_t item);
  // When it will be looked at; 0: it is not in the wheel.
  int64_t when(uint32_t item) const;
  // Takes the next item whose tick is over at `now`; kNone: none. An item whose time is further
  // than one turn comes early: the caller sets it again.
  uint32_t take(int64_t now);

 private:
  struct Link {
    uint32_t next;    // item + 1; 0: the last
    uint32_t before;  // item + 1, or spoke + 1 with kSpoke set; 0: not in the wheel
  };
  static constexpr uint32_t kSpoke = 0x80000000;
  static uint32_t spoke_of(int64_t tick) { return static_cast<uint32_t>(tick) & (kSpokes - 1); }

  std::vector<uint32_t> spokes_;
  HugeArray<Link> links_;
  HugeArray<uint32_t> ticks_;
  int64_t tick_ = 0;  // every spoke before it is done
};

}  // namespace fedge::media
