#include "dataplane/signal/ring.h"

#include <cstdlib>
#include <cstring>

namespace fedge::signal {

namespace {

// In front of each record: its length. A record lies in one piece; where the end of the memory is
// too near, this mark sends the reader to the beginning.
constexpr uint64_t kToTheBeginning = ~uint64_t{0};
constexpr size_t kLength = sizeof(uint64_t);

constexpr size_t round_up(size_t n) { return (n + 7) & ~size_t{7}; }

void store_length(std::byte* at, uint64_t length) { std::memcpy(at, &length, sizeof length); }
uint64_t load_length(const std::byte* at) {
  uint64_t length;
  std::memcpy(&length, at, sizeof length);
  return length;
}

}  // namespace

void Ring::Free::operator()(std::byte* memory) const { std::free(memory); }

// Pages are touched as records come to lie in them.
Ring::Ring(size_t capacity)
    : capacity_(capacity), memory_(static_cast<std::byte*>(std::malloc(capacity))) {
  if (memory_ == nullptr) std::abort();  // at start only
}

bool Ring::push(Bytes head, Bytes body, size_t reserve) {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  const size_t length = head.size() + body.size();
  const size_t record = kLength + round_up(length);
  const size_t to_end = capacity_ - (tail & (capacity_ - 1));
  const size_t skipped = record > to_end ? to_end : 0;
  const size_t wanted = skipped + record + reserve;
  if (record > capacity_ / 2 + kLength) return false;
  if (capacity_ - (tail - known_head_) < wanted) {
    known_head_ = head_.load(std::memory_order_acquire);
    if (capacity_ - (tail - known_head_) < wanted) return false;
  }
  if (skipped != 0) store_length(at(tail), kToTheBeginning);
  std::byte* to = at(tail + skipped);
  store_length(to, length);
  std::memcpy(to + kLength, head.data(), head.size());
  if (!body.empty()) std::memcpy(to + kLength + head.size(), body.data(), body.size());
  tail_.store(tail + skipped + record, std::memory_order_release);
  return true;
}

Bytes Ring::front(uint64_t mark) {
  uint64_t head = head_.load(std::memory_order_relaxed);
  if (head == mark) return {};
  if (load_length(at(head)) == kToTheBeginning) {
    head += capacity_ - (head & (capacity_ - 1));
    head_.store(head, std::memory_order_release);
  }
  return {at(head) + kLength, load_length(at(head))};
}

void Ring::pop() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  head_.store(head + kLength + round_up(load_length(at(head))), std::memory_order_release);
}

}  // namespace fedge::signal
