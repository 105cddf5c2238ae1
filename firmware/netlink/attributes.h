// Addresses in netlink attributes.
#pragma once

#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <cstring>

#include "firmware/net/address.h"

namespace fedge::netlink {

inline uint8_t kernel_family(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

// None when the attribute's size does not fit the family.
inline IpAddress address_of(const nlattr* attribute, uint8_t family) {
  IpAddress out;
  const size_t size = mnl_attr_get_payload_len(attribute);
  if (!(family == AF_INET && size == 4) && !(family == AF_INET6 && size == 16)) return out;
  std::memcpy(out.octets.data(), mnl_attr_get_payload(attribute), size);
  out.family = family == AF_INET ? 4 : 6;
  return out;
}

}  // namespace fedge::netlink
