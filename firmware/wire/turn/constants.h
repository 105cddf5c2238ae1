// Constants of TURN (RFC 8656, 6062): what is not in wire/stun/constants.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fedge::turn {

// RFC 8656 section 12 leaves clients those up to 0x4fff. Clients of RFC 5766, coturn's among them,
// bind any up to 0x7fff, and nothing else on these ports begins so.
inline constexpr uint16_t kFirstChannel = 0x4000;
inline constexpr uint16_t kLastChannel = 0x7fff;
constexpr bool is_channel(uint16_t number) {
  return number >= kFirstChannel && number <= kLastChannel;
}

inline constexpr size_t kChannelHeaderSize = 4;

// REQUESTED-TRANSPORT: IP protocol numbers.
inline constexpr uint8_t kUdp = 17;
inline constexpr uint8_t kTcp = 6;

inline constexpr size_t kReservationTokenSize = 8;

// TLS and TCP (RFC 8656 section 2.1); UDP and TCP: stun::kPort.
inline constexpr uint16_t kTlsPort = 5349;

}  // namespace fedge::turn
