// How many sessions a user, a source address and the box have, over all workers. Bounded memory:
// counts are kept by hash in two rows, the smaller one holds; it is never too small, and too large
// only when two others collide with it. Any thread, without a lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/media/address.h"
#include "dataplane/media/bandwidth.h"
#include "dataplane/media/strays.h"

namespace fedge::media {

// Sources are counted by address; of IPv6 by /64.
uint64_t source_hash(const Address& client);

class Quotas {
 public:
  // `seed`: random, so that nobody chooses with whom to collide.
  explicit Quotas(uint64_t seed);

  // A session began or ended.
  void add(uint64_t user, uint64_t source);
  void remove(uint64_t user, uint64_t source);
  uint32_t of_user(uint64_t user) const { return count(0, user); }
  uint32_t of_source(uint64_t source) const { return count(1, source); }
  uint32_t total() const { return total_.load(std::memory_order_relaxed); }
  // What else all workers share.
  Bandwidth& bandwidth() { return bandwidth_; }
  Strays& strays() { return strays_; }

 private:
  static constexpr uint32_t kCells = 1 << 18;
  using Row = std::array<std::atomic<uint32_t>, kCells>;
  uint32_t count(int kind, uint64_t key) const;
  void change(int kind, uint64_t key, uint32_t by);
  uint32_t cell(int row, uint64_t key) const;

  uint64_t seed_;
  std::atomic<uint32_t> total_{0};
  Bandwidth bandwidth_;
  Strays strays_;
  std::unique_ptr<std::array<Row, 4>> rows_;  // two of users, two of sources
};

}  // namespace fedge::media
