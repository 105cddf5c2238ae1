// The worker's connections: made in blocks that are never given back, named by ids that are never
// used twice, by no worker.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "dataplane/signal/connection.h"

namespace fedge::signal {

// The worker whose connection it is or was.
inline constexpr uint32_t kConnectionWorkerShift = 60;
inline uint32_t worker_of(sip::ConnectionId id) {
  return static_cast<uint32_t>(id >> kConnectionWorkerShift);
}

class ConnectionTable {
 public:
  explicit ConnectionTable(uint32_t worker = 0)
      : worker_bits_(uint64_t{worker} << kConnectionWorkerShift) {}

  // An unused connection with a fresh id; null when 2^24 are in use.
  Connection* add(ConnectionEvents& events);
  // The caller has closed, unwatched and emptied it.
  void remove(Connection& connection);
  // Null when there is none of that id any more.
  Connection* find(sip::ConnectionId id);

  uint32_t size() const { return size_; }
  // Slots ever used; at() may be an unused connection.
  uint32_t slots() const { return static_cast<uint32_t>(blocks_.size() * kBlock); }
  Connection& at(uint32_t slot) { return (*blocks_[slot / kBlock])[slot % kBlock]; }

 private:
  static constexpr uint32_t kBlock = 64;
  static constexpr uint32_t kSlotBits = 24;

  std::vector<std::unique_ptr<std::array<Connection, kBlock>>> blocks_;
  std::vector<uint32_t> free_;
  uint64_t worker_bits_;
  uint64_t serial_ = 0;
  uint32_t size_ = 0;
};

}  // namespace fedge::signal
