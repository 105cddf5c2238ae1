#include "firmware/wire/xml/heap.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace fedge::xml {

void* Heap::allocate(size_t size) {
  const size_t left = memory_.size() - used_;
  if (left < sizeof(Piece) || size > left - sizeof(Piece)) return nullptr;
  // Both are multiples of the alignment, so rounding up does not lead over the end.
  const size_t rounded = (size + kAlignment - 1) & ~(kAlignment - 1);
  auto* piece = new (&memory_[used_]) Piece{rounded};
  used_ += sizeof(Piece) + rounded;
  return piece + 1;
}

bool Heap::is_last(const Piece* piece) const {
  return reinterpret_cast<const std::byte*>(piece + 1) + piece->size == memory_.data() + used_;
}

void* Heap::resize(void* old, size_t size) {
  if (old == nullptr) return allocate(size);
  Piece* piece = static_cast<Piece*>(old) - 1;
  if (size <= piece->size) return old;
  if (is_last(piece)) {
    const size_t used = used_;
    used_ = static_cast<size_t>(reinterpret_cast<std::byte*>(piece) - memory_.data());
    // In the same place: the octets stay, only the size is written again.
    if (allocate(size) != nullptr) return old;
    used_ = used;
    return nullptr;
  }
  void* larger = allocate(size);
  if (larger != nullptr) std::memcpy(larger, old, piece->size);
  return larger;
}

void Heap::release(void* old) {
  if (old == nullptr) return;
  const Piece* piece = static_cast<const Piece*>(old) - 1;
  if (is_last(piece))
    used_ = static_cast<size_t>(reinterpret_cast<const std::byte*>(piece) - memory_.data());
}

}  // namespace fedge::xml
