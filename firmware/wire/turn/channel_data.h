// ChannelData (RFC 8656 section 12), in datagrams and, beside STUN messages, in a stream
// (sections 2.1 and 12.5). Views only.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/wire/turn/constants.h"

namespace fedge::turn {

struct ChannelData {
  uint16_t channel = 0;
  Bytes data;
};

enum class Unusable : uint8_t {
  none,
  header_short,  // less than four octets
  channel,       // 0x8000 and above, or below 0x4000: another protocol
  length,        // more data claimed than the datagram has
};

// Reads a datagram, with or without padding. With anything but none nothing is answered
// (section 12.6).
Unusable parse_channel_data(Bytes datagram, ChannelData& out);

// The four octets in front of the data. In a stream the data is padded to a multiple of four.
inline void write_channel_header(std::span<std::byte, kChannelHeaderSize> out, uint16_t channel,
                                 uint16_t size) {
  store_be16(out.data(), channel);
  store_be16(&out[2], size);
}
constexpr size_t padding_of(size_t size) { return (4 - size % 4) % 4; }

// What stands first in the octets of a stream that were not taken yet.
struct Frame {
  enum class Kind : uint8_t { need_more, stun, channel_data, bad };
  Kind kind = Kind::need_more;
  // Octets to take off the stream, padding included; for need_more how many there must be
  // before it is worth asking again.
  size_t size = 0;
  Bytes stun;  // a whole message for stun::parse()
  ChannelData channel_data;
};
// The stream is broken for good at `bad`: close it. Messages larger than `largest` are bad.
Frame take_frame(Bytes stream, size_t largest);

}  // namespace fedge::turn
