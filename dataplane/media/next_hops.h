// Where packets leave: the edge's view of the kernel's routes and neighbours, as media asks for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>

#include "firmware/net/address.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::media {

// Small numbers that records keep: one for each neighbour that packets go to, good until the
// process ends (a record of an earlier process is asked for anew, see Sessions).
using NextHopIndex = uint32_t;
inline constexpr NextHopIndex kNoNextHop = 0xffffffff;

// A neighbour's MAC as one word, so that any thread reads it without a lock: 0 while it is not
// known and when the number does not hold any more (routes changed).
using MacWord = std::atomic<uint64_t>;
inline uint64_t to_mac_word(const ip::Mac& mac) {
  // By registers: a word put together in memory waits for its parts.
  uint32_t low;
  uint16_t high;
  std::memcpy(&low, mac.data(), sizeof low);
  std::memcpy(&high, &mac[4], sizeof high);
  return uint64_t{1} << 48 | uint64_t{high} << 32 | low;
}

class NextHops {
 public:
  virtual ~NextHops() = default;
  // Any worker, without a lock. Which neighbour leads to `address` in `realm` (by the plan's
  // numbers) by its routes; kNoNextHop without a route. The neighbour need not be reachable yet:
  // asking for it makes the kernel look for it. Never on the path of a packet whose next hop
  // holds.
  virtual NextHopIndex resolve(uint16_t realm, const IpAddress& address) = 0;
  // Its MAC; false while it is not known, and when `next_hop` does not hold any more: resolve()
  // then says anew. On every packet's path.
  bool find_mac(NextHopIndex next_hop, uint64_t& mac_word) const {
    if (next_hop >= macs_.size()) return false;
    mac_word = macs_[next_hop].load(std::memory_order_relaxed);
    return mac_word != 0;
  }

 protected:
  // `macs`, by number, outlive it; numbers behind its end are not known.
  explicit NextHops(std::span<const MacWord> macs) : macs_(macs) {}

 private:
  std::span<const MacWord> macs_;
};

}  // namespace fedge::media
