// MS-TURN over TCP ([MS-TURN] 2.1): the hellos of pseudo-TLS, then frames of four octets and what
// they carry. Which dialect a stream or a datagram speaks, by its first octets.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/wire/ms_turn/constants.h"

namespace fedge::ms_turn {

// What stands first in the octets of a stream that were not taken yet.
struct Frame {
  enum class Carries : uint8_t { need_more, control, data, bad };
  Carries carries = Carries::need_more;
  // Octets to take off the stream; for need_more how many there must be before it is worth asking
  // again.
  size_t size = 0;
  Bytes payload;  // control: a message for parse(); data: a piece of the peer's stream
};
// The stream is broken for good at `bad`. Payloads larger than `largest` are bad.
Frame take_frame(Bytes stream, size_t largest);

inline void write_frame_header(std::span<std::byte, kFrameHeaderSize> out, uint8_t type,
                               uint16_t size) {
  out[0] = static_cast<std::byte>(type);
  out[1] = std::byte{0};
  store_be16(&out[2], size);
}

// The answer to a client's hello: ServerHello and ServerHelloDone in one record.
extern const std::array<std::byte, kServerHelloSize> kServerHello;
// A client's hello, for tests and tools.
std::array<std::byte, kClientHelloSize> make_client_hello(std::span<const std::byte, 32> random);

enum class Stream : uint8_t {
  need_more,   // ask again with more octets; never for more than kClientHelloSize
  tls,         // a real ClientHello
  pseudo_tls,  // exactly kClientHelloSize octets to take, kServerHello to answer, then frames
  frames,      // MS-TURN without a hello
  turn,        // RFC 8656: STUN messages and ChannelData
  other,
};
// Port 443 has all of them.
Stream stream_of(Bytes first);

enum class Datagram : uint8_t {
  stun,         // RFC 8489 by its cookie
  channel,      // ChannelData: 0x4000 to 0x7fff
  ms_turn,      // by MAGIC-COOKIE
  classic,      // RFC 3489: the head of a Binding request, no cookie
  multiplexed,  // MS-TURN's 0xff10, not spoken here
  other,
};
// One UDP port has all of them; RTP and DTLS (RFC 7983) are other.
Datagram datagram_of(Bytes datagram);

}  // namespace fedge::ms_turn
