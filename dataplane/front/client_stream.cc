#include "dataplane/front/client_stream.h"

#include <algorithm>

#include "firmware/wire/ms_turn/stream.h"
#include "firmware/wire/turn/channel_data.h"

namespace fedge::front {

namespace {

constexpr size_t kUnlimited = ~size_t{0};

Piece bad() { return {Piece::Kind::bad, 0, {}, false}; }

}  // namespace

Piece ClientStream::take(Bytes octets) {
  if (skip_ != 0) {
    const size_t size = std::min(skip_, octets.size());
    if (size == 0) return {};
    skip_ -= size;
    // Said once, when it ends.
    return {skip_ == 0 ? Piece::Kind::too_long : Piece::Kind::need_more, size, {}, false};
  }
  if (left_ != 0) {
    const size_t size = std::min(left_, octets.size());
    if (size == 0) return {};
    left_ -= size;
    return {Piece::Kind::message, size, octets.first(size), true};
  }
  switch (dialect_) {
    case Dialect::turn:
      return take_turn(octets);
    case Dialect::ms_turn:
      return take_ms_turn(octets);
    case Dialect::unknown:
      break;
  }
  return recognise(octets);
}

Piece ClientStream::recognise(Bytes octets) {
  switch (ms_turn::stream_of(octets)) {
    case ms_turn::Stream::need_more:
      return {};
    case ms_turn::Stream::tls:
      return inside_tls_ ? bad() : Piece{Piece::Kind::tls, 0, {}, false};
    case ms_turn::Stream::pseudo_tls:
      if (inside_tls_) return bad();
      dialect_ = Dialect::ms_turn;
      return {Piece::Kind::hello, ms_turn::kClientHelloSize, {}, false};
    case ms_turn::Stream::frames:
      dialect_ = Dialect::ms_turn;
      return take_ms_turn(octets);
    case ms_turn::Stream::turn:
      // No channel is bound yet; and "GET" would look like one.
      if (octets[0] >= std::byte{turn::kFirstChannel >> 8}) return bad();
      dialect_ = Dialect::turn;
      return take_turn(octets);
    case ms_turn::Stream::other:
      break;
  }
  return bad();
}

Piece ClientStream::take_turn(Bytes octets) {
  const turn::Frame frame = turn::take_frame(octets, kUnlimited);
  switch (frame.kind) {
    case turn::Frame::Kind::bad:
      return bad();
    case turn::Frame::Kind::need_more:
      if (frame.size <= kMostPartial) return {};
      skip_ = frame.size;
      return take(octets);
    case turn::Frame::Kind::stun:
      if (frame.stun.size() > media::kMostFrontMessage) break;
      return {Piece::Kind::message, frame.size, frame.stun, false};
    case turn::Frame::Kind::channel_data: {
      const size_t size = turn::kChannelHeaderSize + frame.channel_data.data.size();
      if (size > media::kMostFrontMessage) break;
      return {Piece::Kind::message, frame.size, octets.first(size), false};
    }
  }
  return {Piece::Kind::too_long, frame.size, {}, false};
}

Piece ClientStream::take_ms_turn(Bytes octets) {
  const ms_turn::Frame frame = ms_turn::take_frame(octets, kUnlimited);
  switch (frame.carries) {
    case ms_turn::Frame::Carries::bad:
      return bad();
    case ms_turn::Frame::Carries::need_more:
      if (octets.size() >= ms_turn::kFrameHeaderSize &&
          octets[0] == std::byte{ms_turn::kDataFrame}) {
        left_ = frame.size - octets.size();
        return {Piece::Kind::message, octets.size(), octets.subspan(ms_turn::kFrameHeaderSize),
                true};
      }
      if (frame.size <= kMostPartial) return {};
      skip_ = frame.size;
      return take(octets);
    case ms_turn::Frame::Carries::data:
      return {Piece::Kind::message, frame.size, frame.payload, true};
    case ms_turn::Frame::Carries::control:
      break;
  }
  if (frame.payload.size() > media::kMostFrontMessage) {
    return {Piece::Kind::too_long, frame.size, {}, false};
  }
  return {Piece::Kind::message, frame.size, frame.payload, false};
}

ClientStream::Framing ClientStream::frame(Bytes message, bool is_data) const {
  Framing framing;
  if (dialect_ == Dialect::ms_turn) {
    ms_turn::write_frame_header(framing.before,
                                is_data ? ms_turn::kDataFrame : ms_turn::kControlFrame,
                                static_cast<uint16_t>(message.size()));
    framing.before_size = ms_turn::kFrameHeaderSize;
  } else {
    // STUN messages are multiples of four already.
    framing.padding = static_cast<uint8_t>(turn::padding_of(message.size()));
  }
  return framing;
}

}  // namespace fedge::front
