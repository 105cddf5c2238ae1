#include "firmware/wire/turn/channel_data.h"

#include "firmware/wire/stun/message.h"

namespace fedge::turn {

Unusable parse_channel_data(Bytes datagram, ChannelData& out) {
  if (datagram.size() < kChannelHeaderSize) return Unusable::header_short;
  const uint16_t channel = load_be16(datagram.data());
  if (!is_channel(channel)) return Unusable::channel;
  const size_t size = load_be16(&datagram[2]);
  if (size > datagram.size() - kChannelHeaderSize) return Unusable::length;
  out = {channel, datagram.subspan(kChannelHeaderSize, size)};
  return Unusable::none;
}

static Frame bad() { return {Frame::Kind::bad, 0, {}, {}}; }
static Frame need(size_t size) { return {Frame::Kind::need_more, size, {}, {}}; }

static Frame take_channel_data(Bytes stream, size_t largest) {
  const size_t size = load_be16(&stream[2]);
  const size_t framed = kChannelHeaderSize + size + padding_of(size);
  if (framed > largest) return bad();
  if (stream.size() < framed) return need(framed);
  Frame frame{Frame::Kind::channel_data, framed, {}, {}};
  if (parse_channel_data(stream.first(framed), frame.channel_data) != Unusable::none) return bad();
  return frame;
}

Frame take_frame(Bytes stream, size_t largest) {
  if (stream.size() < kChannelHeaderSize) return need(kChannelHeaderSize);
  const uint16_t first = load_be16(stream.data());
  if (is_channel(first)) return take_channel_data(stream, largest);
  if (first >= kFirstChannel) return bad();
  // A stream has no checksum and no end of a datagram to find the way back by: the cookie must be
  // there, and no classic client ever spoke over one.
  if (stream.size() < stun::kHeaderSize) return need(stun::kHeaderSize);
  const size_t size = stun::kHeaderSize + load_be16(&stream[2]);
  if (!stun::looks_like_stun(stream) || size > largest) return bad();
  if (stream.size() < size) return need(size);
  return {Frame::Kind::stun, size, stream.first(size), {}};
}

}  // namespace fedge::turn
