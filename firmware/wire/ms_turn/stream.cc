#include "firmware/wire/ms_turn/stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "firmware/wire/ms_turn/message.h"
#include "firmware/wire/stun/message.h"
#include "firmware/wire/turn/constants.h"

namespace fedge::ms_turn {

namespace {

constexpr size_t kRandomAt = 11;
constexpr size_t kRandomSize = 32;

constexpr std::array<uint8_t, 11> kClientHead{
    0x16, 3, 1, 0,    0x2d,  // a handshake record of TLS 1.0
    1,    0, 0, 0x29,        // ClientHello
    3,    1,                 // TLS 1.0
};
constexpr std::array<uint8_t, 7> kClientTail{
    0,              // no session id
    0, 2, 0, 0x18,  // one suite, which no client that means TLS offers alone
    1, 0,           // no compression
};
static_assert(kClientHead.size() + kRandomSize + kClientTail.size() == kClientHelloSize);

consteval std::array<std::byte, kServerHelloSize> make_server_hello() {
  constexpr std::array<uint8_t, 11> kHead{
      0x16, 3, 1, 0,    0x4e,  // one record for both messages
      2,    0, 0, 0x46,        // ServerHello
      3,    1,
  };
  constexpr std::array<uint8_t, 7> kTail{
      0,    0x18, 0,     // suite, compression
      0x0e, 0,    0, 0,  // ServerHelloDone
  };
  constexpr size_t kSessionIdAt = kRandomAt + kRandomSize;
  std::array<std::byte, kServerHelloSize> hello{};  // clients expect random and id to be zeros
  for (size_t i = 0; i < kHead.size(); ++i) hello[i] = static_cast<std::byte>(kHead[i]);
  hello[kSessionIdAt] = std::byte{32};
  for (size_t i = 0; i < kTail.size(); ++i)
    hello[kSessionIdAt + 33 + i] = static_cast<std::byte>(kTail[i]);
  return hello;
}

// Equal as far as both are there.
bool agrees(Bytes bytes, size_t at, std::span<const uint8_t> expected) {
  if (bytes.size() <= at) return true;
  const size_t size = std::min(expected.size(), bytes.size() - at);
  return std::memcmp(&bytes[at], expected.data(), size) == 0;
}

}  // namespace

constexpr std::array<std::byte, kServerHelloSize> kServerHello = make_server_hello();

std::array<std::byte, kClientHelloSize> make_client_hello(std::span<const std::byte, 32> random) {
  std::array<std::byte, kClientHelloSize> hello;
  std::memcpy(hello.data(), kClientHead.data(), kClientHead.size());
  std::memcpy(&hello[kRandomAt], random.data(), kRandomSize);
  std::memcpy(&hello[kRandomAt + kRandomSize], kClientTail.data(), kClientTail.size());
  return hello;
}

Frame take_frame(Bytes stream, size_t largest) {
  if (stream.size() < kFrameHeaderSize) return {Frame::Carries::need_more, kFrameHeaderSize, {}};
  const auto type = std::to_integer<uint8_t>(stream[0]);
  const size_t size = load_be16(&stream[2]);
  const bool is_known = type == kControlFrame || type == kDataFrame;
  if (!is_known || stream[1] != std::byte{0} || size > largest) return {Frame::Carries::bad, 0, {}};
  const size_t framed = kFrameHeaderSize + size;
  if (stream.size() < framed) return {Frame::Carries::need_more, framed, {}};
  return {type == kControlFrame ? Frame::Carries::control : Frame::Carries::data, framed,
          stream.subspan(kFrameHeaderSize, size)};
}

Stream stream_of(Bytes first) {
  if (first.empty()) return Stream::need_more;
  const auto octet = std::to_integer<uint8_t>(first[0]);
  if (octet == kTlsHandshake) {
    const bool may_be_pseudo =
        agrees(first, 0, kClientHead) && agrees(first, kRandomAt + kRandomSize, kClientTail);
    if (!may_be_pseudo) return Stream::tls;
    return first.size() < kClientHelloSize ? Stream::need_more : Stream::pseudo_tls;
  }
  if (octet == kControlFrame || octet == kDataFrame) {
    // STUN has no method whose first octet is 2 or 3 and that opens a stream.
    if (first.size() < 2) return Stream::need_more;
    return first[1] == std::byte{0} ? Stream::frames : Stream::other;
  }
  if (octet < kControlFrame || octet >> 4 == turn::kFirstChannel >> 12) return Stream::turn;
  return Stream::other;
}

Datagram datagram_of(Bytes datagram) {
  if (datagram.size() < turn::kChannelHeaderSize) return Datagram::other;
  const uint16_t first = load_be16(datagram.data());
  if (turn::is_channel(first)) return Datagram::channel;
  if (first == kMultiplexedChannel) return Datagram::multiplexed;
  if (stun::looks_like_stun(datagram)) return Datagram::stun;
  if (looks_like_ms_turn(datagram)) return Datagram::ms_turn;
  const uint16_t binding =
      stun::encode_type(static_cast<uint16_t>(stun::Method::binding), stun::Class::request);
  const bool is_classic = first == binding && datagram.size() >= stun::kHeaderSize &&
                          load_be16(&datagram[2]) == datagram.size() - stun::kHeaderSize;
  return is_classic ? Datagram::classic : Datagram::other;
}

}  // namespace fedge::ms_turn
