#include "firmware/resolve/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace fedge::resolve {

uint32_t RandomSource::below(uint32_t bound) {
  // Values at the top that would favour the small ones are drawn again.
  const uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
  for (;;) {
    const uint32_t value = next();
    if (value < limit) return value % bound;
  }
}

uint32_t KernelRandom::next() {
  if (used_ == words_.size()) {
    // Up to 256 octets come whole and uninterrupted (getrandom(2)).
    if (::getrandom(words_.data(), sizeof words_, 0) != sizeof words_) std::abort();
    used_ = 0;
  }
  return std::exchange(words_[used_++], 0);
}

}  // namespace fedge::resolve
