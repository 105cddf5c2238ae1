// Records from one thread to another, in order, without locks: a ring of octets with one producer
// and one consumer. Waking the consumer is somebody else's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "firmware/base/bytes.h"

namespace fedge::signal {

class Ring {
 public:
  // `capacity`: octets, a power of two. The longest record is half of it.
  explicit Ring(size_t capacity);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // The producer's: appends one record, made of two parts in a row. False, and nothing is
  // appended, when less than `reserve` octets would be left free.
  bool push(Bytes head, Bytes body, size_t reserve = 0);

  // The consumer's: what lies in the ring now, as a mark for front().
  uint64_t mark() const { return tail_.load(std::memory_order_acquire); }
  // The oldest record before `mark`, empty when there is none; valid until pop(). Aligned to 8.
  Bytes front(uint64_t mark);
  void pop();

 private:
  std::byte* at(uint64_t position) const { return memory_.get() + (position & (capacity_ - 1)); }

  struct Free {
    void operator()(std::byte* memory) const;
  };
  size_t capacity_;
  std::unique_ptr<std::byte, Free> memory_;
  // Positions count octets ever written and read.
  alignas(64) std::atomic<uint64_t> tail_ = 0;
  uint64_t known_head_ = 0;  // the producer's last look at head_
  alignas(64) std::atomic<uint64_t> head_ = 0;
};

}  // namespace fedge::signal
