// Equal-sized buffers out of one reservation of address space. Memory becomes resident when a
// buffer is first used; what was given back last is taken first. One thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/base/bytes.h"

namespace fedge::signal {

// A run of octets [begin, end) in a fixed space. `next` is its holder's.
struct Buffer {
  Buffer* next;
  uint32_t begin;
  uint32_t end;
  uint32_t capacity;

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  Bytes filled() { return {data() + begin, end - begin}; }
  MutableBytes room() { return {data() + end, capacity - end}; }
};

class BufferPool {
 public:
  // `capacity`: octets of one buffer, at least; `count`: buffers at most. Fewer when the address
  // space is not to be had, none at worst.
  BufferPool(uint32_t capacity, uint32_t count);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // From now on at most so many, of those there are.
  void allow(uint32_t count) { allowed_ = count < count_ ? count : count_; }
  // An empty buffer, null when all are in use.
  Buffer* take();
  void give(Buffer* buffer);

  uint32_t capacity() const { return capacity_; }
  uint32_t available() const { return in_use_ < allowed_ ? allowed_ - in_use_ : 0; }
  uint32_t in_use() const { return in_use_; }

 private:
  std::byte* memory_ = nullptr;
  size_t stride_ = 0;
  uint32_t capacity_ = 0;
  uint32_t count_ = 0;
  uint32_t allowed_ = 0;
  uint32_t in_use_ = 0;
  uint32_t fresh_ = 0;  // buffers from here on were never used
  Buffer* free_ = nullptr;
};

}  // namespace fedge::signal
