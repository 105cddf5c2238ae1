// Network interfaces: what is there, and changing it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "firmware/netlink/namespace.h"
#include "firmware/netlink/socket.h"

namespace fedge::netlink {

struct Link {
  uint32_t index = 0;
  std::string name;
  std::string kind;  // "veth", "tun", … as the kernel says; empty for a physical port
  MacAddress mac{};
  uint32_t mtu = 0;
  bool up = false;       // administratively
  bool carrier = false;  // frames can pass
};

struct LinkEvent {
  bool gone = false;
  Link link;
};
// RTM_NEWLINK and RTM_DELLINK; nothing of another type, or damaged.
std::optional<LinkEvent> decode_link(const nlmsghdr& message);

Result<std::vector<Link>> list_links(Socket& socket);
// Nothing when no link has that name.
Result<std::optional<Link>> find_link(Socket& socket, const std::string& name);

// What is set is changed.
struct LinkChange {
  std::optional<MacAddress> mac{};
  std::optional<uint32_t> mtu{};
  std::optional<uint32_t> transmit_queue{};  // frames
  std::optional<bool> up{};
  std::optional<bool> promiscuous{};
};
Status change_link(Socket& socket, const Link& link, const LinkChange& change);
// The link keeps its name, is down and without addresses afterwards.
Status move_link(Socket& socket, const Link& link, const NetworkNamespace& to);
Status remove_link(Socket& socket, const Link& link);

// Checksums, segmentation and receive merging in the device off: what a process reads from the
// port is what was on the wire. Features that a device does not have are passed over.
Status switch_off_offloads(const std::string& interface);

}  // namespace fedge::netlink
