// Neighbours: which MAC address an IP address on a link has.
#pragma once

#include <optional>
#include <vector>

#include "firmware/netlink/links.h"

namespace fedge::netlink {

struct Neighbour {
  uint32_t link = 0;
  IpAddress address;
  std::optional<MacAddress> mac;  // known only once resolved
  uint16_t state = 0;             // NUD_… bits
  // The MAC may be used: the state is one of permanent, noarp, reachable, probe, stale, delay.
  bool usable() const;
};

struct NeighbourEvent {
  bool gone = false;
  Neighbour neighbour;
};
// RTM_NEWNEIGH and RTM_DELNEIGH of IPv4 and IPv6 (no bridge or proxy entries); nothing for
// everything else.
std::optional<NeighbourEvent> decode_neighbour(const nlmsghdr& message);

// Those of one link; of all links when `link` is null.
Result<std::vector<Neighbour>> list_neighbours(Socket& socket, const Link* link);
// A fixed entry, never resolved.
Status set_permanent_neighbour(Socket& socket, const Link& link, const IpAddress& address,
                               const MacAddress& mac);
// The kernel resolves it now and keeps it resolved as long as it exists (NTF_EXT_MANAGED).
Status set_managed_neighbour(Socket& socket, const Link& link, const IpAddress& address);
// The kernel resolves it now, as if it had a packet for it, and forgets it when it likes.
Status probe_neighbour(Socket& socket, const Link& link, const IpAddress& address);
// Removing what is not there is no error.
Status remove_neighbour(Socket& socket, const Link& link, const IpAddress& address);

}  // namespace fedge::netlink
