// Addresses of interfaces.
#pragma once

#include <optional>
#include <vector>

#include "firmware/netlink/links.h"

namespace fedge::netlink {

struct Address {
  uint32_t link = 0;
  Prefix prefix;      // the address with its subnet's length
  uint8_t scope = 0;  // RT_SCOPE_…: link-local ones are the kernel's own
};

// RTM_NEWADDR only.
std::optional<Address> decode_address(const nlmsghdr& message);
Result<std::vector<Address>> list_addresses(Socket& socket, const Link& link);

// No duplicate address detection: the address works at once. `metric` is that of the subnet's
// route: two links may share a subnet. Adding what is there is no error.
Status add_address(Socket& socket, const Link& link, const Prefix& address, uint32_t metric);
// Removing what is not there is no error.
Status remove_address(Socket& socket, const Link& link, const Prefix& address);

}  // namespace fedge::netlink
