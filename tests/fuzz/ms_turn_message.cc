// Any octets as an MS-TURN message and as its stream: views stay inside, and what was read is the
// same once it was written again.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "firmware/wire/ms_turn/stream.h"
#include "firmware/wire/ms_turn/writer.h"
#include "firmware/wire/stun/attributes.h"

using namespace fedge;
using namespace fedge::ms_turn;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// What was shown, written anew, reads the same; the first attribute is the writer's own.
void check_again(const Message& message) {
  std::vector<std::byte> out(message.whole.size());
  Writer writer(out, message.kind, message.transaction);
  for (const Attribute& a : message.attributes().subspan(1))
    writer.add(static_cast<Type>(a.type), message.value(a));
  require(writer.fits());
  Message again;
  require(parse(writer.written(), again) == Malformed::none);
  require(again.attributes().size() == message.attributes().size());
  for (size_t i = 0; i < again.attributes().size(); ++i)
    require(as_text(again.value(again.attributes()[i])) ==
            as_text(message.value(message.attributes()[i])));
}

void check_message(Bytes bytes) {
  Message message;
  const Malformed reason = parse(bytes, message);
  require(!text(reason).empty());
  if (reason != Malformed::none) return;
  require(message.attributes().front().type == static_cast<uint16_t>(Type::magic_cookie));
  for (const Attribute& a : message.attributes()) {
    const Bytes value = message.value(a);
    require(lies_in(value, bytes));
    if (const auto number = read_sequence_number(value)) {
      std::array<std::byte, 64> room;
      Writer writer(room, Kind::send_request, message.transaction);
      require(writer.add_sequence_number(*number).fits());
    }
    (void)stun::read_xor_address(value, message.transaction);
  }
  if (const auto covered = covered_by_integrity(message)) {
    size_t size = 0;
    for (const Bytes part : covered->parts()) size += part.size();
    require(size % kHmacBlock == 0 && lies_in(covered->body, bytes));
  }
  std::array<uint16_t, kMostAttributes> types{};
  require(find_not_understood(message, types) < message.attributes().size());
  check_again(message);
}

void check_stream(Bytes stream) {
  for (;;) {
    const Frame frame = take_frame(stream, 2048);
    if (frame.carries == Frame::Carries::bad) return;
    if (frame.carries == Frame::Carries::need_more) {
      require(frame.size > stream.size());
      return;
    }
    require(frame.size == kFrameHeaderSize + frame.payload.size());
    require(frame.size <= stream.size() && lies_in(frame.payload, stream));
    if (frame.carries == Frame::Carries::control) check_message(frame.payload);
    stream = stream.subspan(frame.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  check_message(bytes);
  check_stream(bytes);
  const Stream whole = stream_of(bytes);
  // What some octets decided, more of them do not change.
  for (size_t part = 0; part < size && part < kClientHelloSize + 1; ++part) {
    const Stream early = stream_of(bytes.first(part));
    require(early == Stream::need_more || early == whole);
  }
  require(whole != Stream::need_more || size < kClientHelloSize);
  if (datagram_of(bytes) == Datagram::ms_turn) require(looks_like_ms_turn(bytes));
  return 0;
}
