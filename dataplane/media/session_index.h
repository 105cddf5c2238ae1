// Sessions by a 64-bit key whose every bit is mixed: an open hash of cache lines, seven numbers in
// each, rebuilt from the records when a process starts. The reader compares the record itself: keys
// may collide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/media/huge.h"
#include "dataplane/media/records.h"

namespace fedge::media {

class SessionIndex {
 public:
  static constexpr size_t kWays = 7;
  struct alignas(64) Bucket {
    std::array<uint32_t, kWays> tags{};      // upper half of the key; 0 in `sessions`: none
    std::array<uint32_t, kWays> sessions{};  // index + 1
    uint32_t passed = 0;                     // keys of earlier buckets that lie behind this one
    uint32_t reserved = 0;
  };
  static_assert(sizeof(Bucket) == 64);

  // Room for `capacity` sessions.
  explicit SessionIndex(uint32_t capacity);

  size_t place(uint64_t key) const { return key & mask_; }
  const void* line(uint64_t key) const { return &buckets_[place(key)]; }
  // The first that is_it(session) says yes to; kNone: none. `place` of `key`.
  template <class IsIt>
  uint32_t find(uint64_t key, IsIt&& is_it) const {
    const auto tag = static_cast<uint32_t>(key >> 32);
    for (size_t at = place(key);; at = (at + 1) & mask_) {
      const Bucket& bucket = buckets_[at];
      for (size_t i = 0; i < kWays; ++i) {
        if (bucket.tags[i] == tag && bucket.sessions[i] != 0 && is_it(bucket.sessions[i] - 1)) {
          return bucket.sessions[i] - 1;
        }
      }
      if (bucket.passed == 0) return kNone;
    }
  }
  // The first whose tag fits, in its own bucket: what to prefetch. kNone: none.
  uint32_t guess(uint64_t key) const {
    const auto tag = static_cast<uint32_t>(key >> 32);
    const Bucket& bucket = buckets_[place(key)];
    for (size_t i = 0; i < kWays; ++i) {
      if (bucket.tags[i] == tag && bucket.sessions[i] != 0) return bucket.sessions[i] - 1;
    }
    return kNone;
  }
  void add(uint64_t key, uint32_t session);
  // False: it was not there.
  bool remove(uint64_t key, uint32_t session);

 private:
  uint64_t mask_;
  HugeArray<Bucket> buckets_;
};

}  // namespace fedge::media
