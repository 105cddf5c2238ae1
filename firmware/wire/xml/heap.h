// The memory that one run of the parser may use: handed out from front to back, taken back all at
// once. So a document costs a bounded amount of memory, and none of the process's heap.
#pragma once

#include <array>
#include <cstddef>

namespace fedge::xml {

class Heap {
 public:
  // Null when there is not enough left.
  void* allocate(size_t size);
  // As realloc(): null, and `old` as it was, when there is not enough left.
  void* resize(void* old, size_t size);
  // Only what was handed out last is free again at once.
  void release(void* old);
  void clear() { used_ = 0; }
  size_t used() const { return used_; }

 private:
  static constexpr size_t kAlignment = 16;
  // What stands in front of each piece.
  struct alignas(kAlignment) Piece {
    size_t size;  // octets behind it, rounded up
  };
  bool is_last(const Piece* piece) const;

  alignas(kAlignment) std::array<std::byte, size_t{384} * 1024> memory_;
  size_t used_ = 0;
};

}  // namespace fedge::xml
