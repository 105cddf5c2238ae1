// What a worker tells the control thread: a queue of fixed size with one writer and one reader.
// Neither waits; what does not fit is for the writer to say again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "firmware/net/address.h"

namespace fedge::fastpath {

struct Report {
  enum class Kind : uint8_t {
    neighbour_wanted,  // `realm`, `address`
    anchor_ended,      // `id`, `call`
    anchor_refused,    // likewise, and `why`
  };
  Kind kind{};
  uint16_t realm = 0;
  IpAddress address;
  uint64_t id = 0;
  uint64_t call = 0;
  std::array<char, 96> why{};  // words that end with a zero
};

class Reports {
 public:
  // `event`: an eventfd that wakes the reader.
  explicit Reports(int event) : event_(event) {}

  // The worker. False: full.
  bool push(const Report& report);
  // There is something elsewhere for the control thread to look at.
  void wake() const;
  // The control thread. False: empty.
  bool pop(Report& report);

 private:
  static constexpr uint32_t kRoom = 1024;
  const int event_;
  std::array<Report, kRoom> reports_;
  alignas(64) std::atomic<uint32_t> head_{0};  // the next to be read
  alignas(64) std::atomic<uint32_t> tail_{0};  // the next to be written
};

}  // namespace fedge::fastpath
