// Clients whose session is another worker's than their address says: they have moved (RFC 8016), or
// got a port that was held for them there. The worker that gets their packets and has no session of
// theirs looks here, and hands them over. Of all workers; any thread, without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/media/huge.h"

namespace fedge::media {

class Strays {
 public:
  static constexpr uint8_t kNobody = 0xff;

  Strays() : lines_(kLines) {}

  // `key`: Sessions::index_key(). The same may be there several times, each is removed by itself.
  // False: there is no room for one with this key.
  bool add(uint64_t key, uint8_t worker);
  void remove(uint64_t key, uint8_t worker);
  // kNobody: none. A key that only looks the same is possible, and harmless: whoever gets the
  // packets of a client that it does not know serves it.
  uint8_t find(uint64_t key) const;

 private:
  static constexpr size_t kLines = 1 << 13;
  static constexpr uint64_t kOwnerBits = 0xff;
  struct alignas(64) Line {
    std::array<std::atomic<uint64_t>, 8> words;  // key, with the worker + 1 below; 0: free
  };
  // Either of two lines.
  static std::array<size_t, 2> lines_of(uint64_t key) {
    return {key >> 51, key >> 38 & (kLines - 1)};
  }

  HugeArray<Line> lines_;
};

}  // namespace fedge::media
