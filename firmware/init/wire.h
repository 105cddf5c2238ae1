// NAME-wire: the namespace of the kernel-backed ports. No addresses, no IPv6, no answers: what
// arrives there is the fast path's alone.
#pragma once

#include <string>
#include <vector>

#include "board/hal.h"
#include "firmware/netlink/links.h"

namespace fedge::init {

struct WirePort {
  board::Port port;
  netlink::MacAddress mac{};
};

class Wire {
 public:
  // Makes or finds the namespace and moves the ports in from the calling thread's. Ports that a
  // former run left inside and that are not of this configuration go back.
  static Result<Wire> open(const std::string& instance, const std::vector<board::Port>& ports);
  // The ports go back to where they came from and the namespace goes.
  void close();

  const netlink::NetworkNamespace& space() const { return space_; }
  // The port that topologies call `device`; null when the board has none of that name.
  const WirePort* find(std::string_view device) const;
  // Frames of `mtu` octets of IP, tagged or not, pass the port. Never lowers it.
  Status raise_mtu(const WirePort& port, uint32_t mtu) const;

 private:
  Status take_port(const board::Port& port);
  Status release_others(const std::vector<board::Port>& keep) const;

  std::string name_;
  netlink::NetworkNamespace home_;
  netlink::NetworkNamespace space_;
  std::vector<WirePort> ports_;
};

}  // namespace fedge::init
