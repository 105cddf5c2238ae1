// Which of our relay ports are open for TCP: what every worker asks before it lets a segment in,
// and the owner of the port counts. A few bits of address and port decide: one that is not open may
// look as if it were, and then the kernel refuses it; one that is open never looks closed.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/media/sessions.h"

namespace fedge::fastpath {

class OpenPorts {
 public:
  void add(const media::Address& address, uint16_t port) {
    at(address, port).fetch_add(1, std::memory_order_relaxed);
  }
  // After add().
  void remove(const media::Address& address, uint16_t port) {
    at(address, port).fetch_sub(1, std::memory_order_relaxed);
  }
  bool has(const media::Address& address, uint16_t port) const {
    return counts_[index(address, port)].load(std::memory_order_relaxed) != 0;
  }

 private:
  static size_t index(const media::Address& address, uint16_t port) {
    return media::client_hash(address, port) & 0xffff;
  }
  std::atomic<uint32_t>& at(const media::Address& address, uint16_t port) {
    return counts_[index(address, port)];
  }
  std::vector<std::atomic<uint32_t>> counts_ = std::vector<std::atomic<uint32_t>>(65536);
};

}  // namespace fedge::fastpath
