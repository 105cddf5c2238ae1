// 802.1Q tags, put in and taken out in place.
#pragma once

#include <cstring>

#include "firmware/base/bytes.h"
#include "firmware/wire/ip/constants.h"

namespace fedge::fastpath {

// `frame` begins with a tagged Ethernet header. The frame begins kVlanSize octets later then.
inline void remove_tag(std::byte* frame) {
  std::memmove(frame + ip::kVlanSize, frame, 2 * ip::kMacSize);
}

// `frame` begins with kVlanSize unused octets, then an untagged Ethernet header.
inline void insert_tag(std::byte* frame, uint16_t vlan) {
  std::memmove(frame, frame + ip::kVlanSize, 2 * ip::kMacSize);
  store_be16(frame + 2 * ip::kMacSize, ip::kEtherTypeVlan);
  store_be16(frame + 2 * ip::kMacSize + 2, vlan);
}

}  // namespace fedge::fastpath
