// Routes of the main table.
#pragma once

#include <optional>
#include <vector>

#include "firmware/netlink/links.h"

namespace fedge::netlink {

struct Route {
  uint32_t link = 0;
  Prefix to;      // host bits zero; 0.0.0.0/0 and ::/0 are the defaults
  IpAddress via;  // none: on the link itself
  uint32_t metric = 0;
  uint8_t protocol = 0;  // RTPROT_…: who made it; ours are RTPROT_STATIC

  friend bool operator==(const Route&, const Route&) = default;
};

struct RouteEvent {
  bool gone = false;
  Route route;
};
// RTM_NEWROUTE and RTM_DELROUTE of unicast routes with one next hop in the main table; nothing
// for everything else.
std::optional<RouteEvent> decode_route(const nlmsghdr& message);

// With zero host bits, as the kernel keeps a destination.
Prefix masked(Prefix prefix);

// Those of one link; of all links when `link` is null.
Result<std::vector<Route>> list_routes(Socket& socket, const Link* link);
// Replaces a route with the same destination and metric.
Status add_route(Socket& socket, const Route& route);
// Removing what is not there is no error.
Status remove_route(Socket& socket, const Route& route);

}  // namespace fedge::netlink
