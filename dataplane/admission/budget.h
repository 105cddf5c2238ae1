// So many at once, and so many a second after that.
#pragma once

#include <algorithm>

#include "firmware/base/time.h"

namespace fedge::admission {

// What one realm's strangers may ask for our addresses. Each question that is answered takes a
// place in the kernel's neighbour table: 1,024 per family for all realms, from which it takes
// nothing younger than five seconds. Two realms at their limit leave room for the peers there.
struct StrangersBudget {
  static constexpr unsigned kAtOnce = 128;
  static constexpr Duration kEach = 20ms;
};

template <class Limits>
class Budget {
 public:
  // False: nothing is left now.
  bool take(Instant now) {
    // Kept as the time at which all that was taken will have come back.
    const Instant full = std::max(full_, now);
    if (full - now > (Limits::kAtOnce - 1) * Limits::kEach) return false;
    full_ = full + Limits::kEach;
    return true;
  }

 private:
  Instant full_{};
};

}  // namespace fedge::admission
