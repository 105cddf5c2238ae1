// Where packets leave: the edge's view of the kernel's routes and neighbours, as media asks for it.
#pragma once

#include <cstdint>

#include "firmware/net/address.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::media {

// Small numbers that records keep: one for each neighbour that packets go to, good until the
// process ends (a record of an earlier process is asked for anew, see Sessions::adopt).
using NextHopIndex = uint32_t;
inline constexpr NextHopIndex kNoNextHop = 0xffffffff;

class NextHops {
 public:
  virtual ~NextHops() = default;
  // Any worker, without a lock. Which neighbour leads to `address` in `realm` by its routes;
  // kNoNextHop without a route. The neighbour need not be reachable yet: asking for it makes the
  // kernel look for it.
  virtual NextHopIndex resolve(uint16_t realm, const IpAddress& address) = 0;
  // Its MAC; false while it is not known, and when `next_hop` does not hold any more (routes
  // changed): resolve() then says anew.
  virtual bool find_mac(NextHopIndex next_hop, ip::Mac& mac) const = 0;
};

}  // namespace fedge::media
