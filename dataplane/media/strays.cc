#include "dataplane/media/strays.h"

namespace fedge::media {

namespace {

uint64_t word_of(uint64_t key, uint8_t worker) { return (key & ~uint64_t{0xff}) | (worker + 1u); }

}  // namespace

bool Strays::add(uint64_t key, uint8_t worker) {
  for (const size_t line : lines_of(key)) {
    for (auto& word : lines_[line].words) {
      uint64_t free = 0;
      if (word.load(std::memory_order_relaxed) == 0 &&
          word.compare_exchange_strong(free, word_of(key, worker), std::memory_order_release,
                                       std::memory_order_relaxed)) {
        return true;
      }
    }
  }
  return false;
}

void Strays::remove(uint64_t key, uint8_t worker) {
  for (const size_t line : lines_of(key)) {
    for (auto& word : lines_[line].words) {
      uint64_t there = word_of(key, worker);
      if (word.load(std::memory_order_relaxed) == there &&
          word.compare_exchange_strong(there, 0, std::memory_order_relaxed)) {
        return;
      }
    }
  }
}

uint8_t Strays::find(uint64_t key) const {
  for (const size_t line : lines_of(key)) {
    for (const auto& word : lines_[line].words) {
      const uint64_t there = word.load(std::memory_order_acquire);
      if ((there ^ key) <= kOwnerBits && (there & kOwnerBits) != 0) {
        return static_cast<uint8_t>((there & kOwnerBits) - 1);
      }
    }
  }
  return kNobody;
}

}  // namespace fedge::media
