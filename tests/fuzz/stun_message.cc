// Any octets as a STUN message, as ChannelData and as a TURN stream: views stay inside, and what
// was read is the same once it was written again.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "firmware/wire/ms_turn/stream.h"
#include "firmware/wire/stun/attributes.h"
#include "firmware/wire/stun/writer.h"
#include "firmware/wire/turn/attributes.h"
#include "firmware/wire/turn/channel_data.h"

using namespace fedge;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void read_every_way(const stun::Message& message, Bytes value) {
  const auto address = stun::read_address(value);
  const auto hidden = stun::read_xor_address(value, message.transaction);
  require(address.has_value() == hidden.has_value());
  std::array<uint16_t, 8> types{};
  (void)stun::read_unknown_attributes(value, types);
  (void)stun::read_response_port(value);
  (void)stun::read_number(value);
  (void)stun::read_long_number(value);
  if (const auto code = stun::read_error_code(value)) {
    require(code->code >= 300 && code->code <= 699);
    require(lies_in(as_bytes(code->reason), value));
  }
  Bytes rest = value;
  stun::PasswordAlgorithm algorithm;
  while (stun::take_password_algorithm(rest, algorithm)) {
    require(lies_in(algorithm.parameters, value) && lies_in(rest, value));
  }
  (void)stun::read_password_algorithm(value);
  if (const auto features = stun::read_security_features(as_text(value))) {
    std::array<char, stun::kNonceCookieSize> cookie;
    stun::write_nonce_cookie(cookie, *features);
    require(as_text(value).starts_with(std::string_view(cookie.data(), cookie.size())));
  }
  (void)turn::read_channel_number(value);
  (void)turn::read_even_port(value);
  (void)turn::read_transport(value);
  (void)turn::read_address_family(value);
  (void)turn::read_address_error(value);
  (void)turn::read_icmp(value);
}

bool understands_nothing(uint16_t) { return false; }

// What was shown, written anew, reads the same.
void check_again(const stun::Message& message) {
  std::vector<std::byte> out(message.whole.size());
  stun::Writer writer(out, message, message.message_class);
  for (const stun::Attribute& a : message.attributes())
    writer.add(static_cast<stun::Type>(a.type), message.value(a));
  require(writer.fits());
  stun::Message again;
  require(stun::parse(writer.written(), again) == stun::Malformed::none);
  require(again.method == message.method && again.message_class == message.message_class &&
          again.transaction == message.transaction &&
          again.attributes().size() == message.attributes().size());
  for (size_t i = 0; i < again.attributes().size(); ++i)
    require(as_text(again.value(again.attributes()[i])) ==
            as_text(message.value(message.attributes()[i])));
}

void check_message(Bytes bytes) {
  stun::Message message;
  const auto reason = stun::parse(bytes, message);
  require(!stun::text(reason).empty());
  if (reason != stun::Malformed::none) return;
  require(ms_turn::datagram_of(bytes) ==
          (message.is_classic ? ms_turn::datagram_of(bytes) : ms_turn::Datagram::stun));
  for (const stun::Attribute& a : message.attributes()) {
    require(lies_in(message.value(a), bytes));
    read_every_way(message, message.value(a));
  }
  (void)stun::check_fingerprint(message);
  for (const auto type : {stun::Type::message_integrity, stun::Type::message_integrity_sha256}) {
    if (const auto covered = stun::covered_by(message, type))
      require(lies_in(covered->body, bytes) && lies_in(covered->code, bytes));
  }
  std::array<uint16_t, stun::kMostAttributes> types{};
  const size_t unknown = stun::find_not_understood(message, understands_nothing, types);
  require(unknown <= message.attributes().size());
  if (const auto send = turn::read_send_indication(message)) require(lies_in(send->data, bytes));
  check_again(message);
}

void check_stream(Bytes stream) {
  for (;;) {
    const turn::Frame frame = turn::take_frame(stream, 2048);
    if (frame.kind == turn::Frame::Kind::bad) return;
    if (frame.kind == turn::Frame::Kind::need_more) {
      require(frame.size > stream.size());
      return;
    }
    require(frame.size >= turn::kChannelHeaderSize && frame.size <= stream.size());
    require(lies_in(frame.stun, stream) && lies_in(frame.channel_data.data, stream));
    if (frame.kind == turn::Frame::Kind::stun) check_message(frame.stun);
    stream = stream.subspan(frame.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  check_message(bytes);
  check_stream(bytes);
  (void)ms_turn::stream_of(bytes);
  turn::ChannelData channel;
  if (turn::parse_channel_data(bytes, channel) == turn::Unusable::none) {
    require(lies_in(channel.data, bytes) && turn::is_channel(channel.channel));
    require(ms_turn::datagram_of(bytes) == ms_turn::Datagram::channel);
  }
  return 0;
}
