// Where ids, orders and choices come from; tests bring their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace fedge::resolve {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual uint32_t next() = 0;
  // Uniform in [0, bound), exactly; `bound` is not 0.
  uint32_t below(uint32_t bound);

  template <class T>
  void shuffle(std::span<T> list) {
    for (size_t i = list.size(); i > 1; --i) {
      std::swap(list[i - 1], list[below(static_cast<uint32_t>(i))]);
    }
  }
};

// The kernel's generator, fetched in pieces: nobody outside can guess an id from earlier ones.
class KernelRandom final : public RandomSource {
 public:
  uint32_t next() override;

 private:
  std::array<uint32_t, 64> words_{};
  size_t used_ = 64;
};

}  // namespace fedge::resolve
