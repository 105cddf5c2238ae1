// What users and the box have sent of what they may, over all workers. Leaky buckets by time: each
// octet is due a while behind the last one. Bounded memory: users are kept by hash in two rows, the
// one that is less far ahead holds; nobody gets less than is his, but for who collides in both. Any
// thread, without a lock: two workers that count at the same instant may count one packet.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dataplane/media/huge.h"

namespace fedge::media {

class Bandwidth {
 public:
  // So much may be sent at once beyond the bandwidth, in nanoseconds of it.
  static constexpr int64_t kBurst = 500'000'000;

  // Nanoseconds for 256 octets; 0: no limit.
  static constexpr int64_t pace(int64_t kbps) { return kbps == 0 ? 0 : 256 * 8 * 1'000'000 / kbps; }
  static constexpr int64_t time_of(size_t octets, int64_t pace) {
    return pace * static_cast<int64_t>(octets) >> 8;
  }

  Bandwidth() : users_(size_t{kRows} * kDirections * kCells) {}

  // `user`: bits of the hash of its name; `direction`: 0 or 1.
  bool user_has_room(uint32_t user, size_t direction, int64_t now) const {
    int64_t due = load(cell(0, user, direction));
    due = std::min(due, load(cell(1, user, direction)));
    return due <= now + kBurst;
  }
  void charge_user(uint32_t user, size_t direction, int64_t time, int64_t now) {
    for (uint32_t row = 0; row < kRows; ++row) {
      std::atomic<int64_t>& due = users_[cell(row, user, direction)];
      due.store(std::max(due.load(std::memory_order_relaxed), now) + time,
                std::memory_order_relaxed);
    }
  }
  // Of the box: workers take it by more than a packet, so that they seldom meet.
  bool take_total(size_t direction, int64_t time, int64_t now) {
    std::atomic<int64_t>& due = total_[direction].due;
    int64_t was = due.load(std::memory_order_relaxed);
    do {
      if (was > now + kBurst) return false;
    } while (!due.compare_exchange_weak(was, std::max(was, now) + time, std::memory_order_relaxed));
    return true;
  }

 private:
  static constexpr uint32_t kRows = 2;
  static constexpr size_t kDirections = 2;
  static constexpr uint32_t kCells = 1 << 17;
  struct alignas(64) Total {
    std::atomic<int64_t> due{0};
  };
  int64_t load(size_t at) const { return users_[at].load(std::memory_order_relaxed); }
  // Both directions of a user in one line.
  static size_t cell(uint32_t row, uint32_t user, size_t direction) {
    const uint64_t mixed =
        (user + uint64_t{row}) * (row == 0 ? 0x9e3779b97f4a7c15u : 0xd6e8feb86659fd93u);
    return (row * size_t{kCells} + (mixed >> 47)) * kDirections + direction;
  }

  HugeArray<std::atomic<int64_t>> users_;
  std::array<Total, kDirections> total_;
};

}  // namespace fedge::media
