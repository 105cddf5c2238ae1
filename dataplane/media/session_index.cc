#include "dataplane/media/session_index.h"

#include <algorithm>
#include <bit>

namespace fedge::media {

// Half full at most, so that nearly every key lies in its own bucket.
SessionIndex::SessionIndex(uint32_t capacity)
    : mask_(std::bit_ceil(size_t{capacity} * 2 / kWays + 1) - 1), buckets_(mask_ + 1) {}

void SessionIndex::add(uint64_t key, uint32_t session) {
  for (size_t at = place(key);; at = (at + 1) & mask_) {
    Bucket& bucket = buckets_[at];
    const auto free = std::ranges::find(bucket.sessions, 0u);
    if (free != bucket.sessions.end()) {
      bucket.tags[static_cast<size_t>(free - bucket.sessions.begin())] =
          static_cast<uint32_t>(key >> 32);
      *free = session + 1;
      return;
    }
    ++bucket.passed;
  }
}

bool SessionIndex::remove(uint64_t key, uint32_t session) {
  size_t at = place(key);
  for (;; at = (at + 1) & mask_) {
    Bucket& bucket = buckets_[at];
    const auto found = std::ranges::find(bucket.sessions, session + 1);
    if (found != bucket.sessions.end()) {
      *found = 0;
      break;
    }
    if (bucket.passed == 0) return false;
  }
  for (size_t passed = place(key); passed != at; passed = (passed + 1) & mask_) {
    --buckets_[passed].passed;
  }
  return true;
}

}  // namespace fedge::media
