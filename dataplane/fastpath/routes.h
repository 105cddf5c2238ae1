// The kernel's routes of all realms, as workers read them: immutable, a new one for each change.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "firmware/netlink/routes.h"

namespace fedge::fastpath {

class RouteTable {
 public:
  RouteTable() = default;
  // `epoch`: another one for each table, and when realms are numbered anew.
  RouteTable(uint32_t epoch, std::span<const std::vector<netlink::Route>> realms);

  uint32_t epoch() const { return epoch_; }
  // Which neighbour leads to `address`: a router, or the address itself when it is on the link.
  std::optional<IpAddress> find(uint16_t realm, const IpAddress& address) const;

 private:
  struct Way {
    Prefix to;
    IpAddress via;  // none: on the link
    uint32_t metric = 0;
  };
  uint32_t epoch_ = 0;
  std::vector<std::vector<Way>> realms_;  // the longest prefix first
};

}  // namespace fedge::fastpath
