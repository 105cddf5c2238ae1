// Constants of MS-TURN, the dialect of Lync and Skype for Business clients ([MS-TURN]): TURN
// draft 08 of 2005 on STUN draft 02 and RFC 3489's header. NONCE and REALM have each other's
// numbers of RFC 8489.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/wire/stun/attribute_list.h"

namespace fedge::ms_turn {

using stun::kAttributeHeaderSize;
using stun::kHeaderSize;
inline constexpr uint32_t kMagicCookie = 0x72c64bc6;  // the value of the first attribute
// That attribute begins each message: it needs these octets.
inline constexpr size_t kSmallestMessage = kHeaderSize + kAttributeHeaderSize + 4;
inline constexpr size_t kHmacBlock = 64;  // what a code is over is zero-padded to a multiple
inline constexpr size_t kHmacSha1Size = 20;
inline constexpr size_t kHmacSha256Size = 32;  // clients of version 3 and later
inline constexpr size_t kConnectionIdSize = 20;
inline constexpr size_t kLongestRealm = 128;

// [MS-TURN] 2.2.1: these and no others.
enum class Kind : uint16_t {
  allocate_request = 0x0003,
  allocate_response = 0x0103,
  allocate_error = 0x0113,
  send_request = 0x0004,  // never answered
  data_indication = 0x0115,
  set_active_destination_request = 0x0006,
  set_active_destination_response = 0x0106,
  set_active_destination_error = 0x0116,
};

enum class Type : uint16_t {
  // Must be understood: any other below 0x8000 is a 420.
  mapped_address = 0x0001,  // the relayed address
  username = 0x0006,
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000a,
  lifetime = 0x000d,
  alternate_server = 0x000e,
  magic_cookie = 0x000f,
  bandwidth = 0x0010,
  destination_address = 0x0011,
  remote_address = 0x0012,
  data = 0x0013,
  nonce = 0x0014,
  realm = 0x0015,
  requested_address_family = 0x0017,
  // May be ignored.
  ms_version = 0x8008,
  xor_mapped_address = 0x8020,  // the reflexive address
  ms_sequence_number = 0x8050,
  candidate_identifier = 0x8054,
  ms_service_quality = 0x8055,
  implementation_version = 0x8070,
  ms_alternate_mapped_address = 0x8090,  // the IPv6 relayed address beside an IPv4 one
};

// MS-VERSION, of clients and servers.
inline constexpr uint32_t kVersionIce2 = 2;
inline constexpr uint32_t kVersionSha256 = 3;
inline constexpr uint32_t kVersionIpv6 = 4;
inline constexpr uint32_t kVersionMultiplexedUdp = 5;

// Over TCP each message and each piece of data has four octets in front ([MS-TURN] 2.1).
inline constexpr size_t kFrameHeaderSize = 4;
inline constexpr uint8_t kControlFrame = 2;
inline constexpr uint8_t kDataFrame = 3;

// Multiplexed TURN of version 5 and later ([MS-TURN] 2.2.3): not spoken here, but recognized.
inline constexpr uint16_t kMultiplexedChannel = 0xff10;

// Pseudo-TLS ([MS-TURN] 2.1): one record each way, then plain frames. Only the 32 octets of
// "random" are free in the client's.
inline constexpr size_t kClientHelloSize = 50;
inline constexpr size_t kServerHelloSize = 83;
inline constexpr uint8_t kTlsHandshake = 0x16;

}  // namespace fedge::ms_turn
