// Writes an MS-TURN message, MAGIC-COOKIE first, on the terms of wire/stun/attribute_writer.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firmware/wire/ms_turn/message.h"
#include "firmware/wire/stun/attribute_writer.h"

namespace fedge::ms_turn {

class Writer : public stun::AttributeWriter<Writer, Type, stun::kNoPadding, kHmacBlock> {
 public:
  Writer(MutableBytes buffer, Kind kind, const Transaction& transaction)
      : AttributeWriter(buffer, static_cast<uint16_t>(kind), transaction) {
    add_number(Type::magic_cookie, kMagicCookie);
  }

  Writer& add_error(stun::Error error) { return put_error(error, stun::reason_of(error)); }
  // Without the phrase, where octets are short.
  Writer& add_brief_error(stun::Error error) { return put_error(error, {}); }
  Writer& add_unknown_attributes(std::span<const uint16_t> types) {
    return put_unknown_attributes(types, false);
  }
  Writer& add_sequence_number(const SequenceNumber& number);

  // MESSAGE-INTEGRITY of 20 or 32 octets, the last attribute: says what the code is over;
  // set_code() fills it in. Nothing when it does not fit.
  std::optional<Covered> add_integrity(size_t size) {
    return put_integrity(Type::message_integrity, size);
  }
};

// The answer to a request: responses and errors of Allocate and Set-Active-Destination. A Send
// has none.
std::optional<Kind> response_to(Kind request);
std::optional<Kind> error_to(Kind request);

// Everything in front of the data of a Data indication, to be put before a payload where it lies:
// cookie, REMOTE-ADDRESS, DATA. `out` has data_head_size() octets; false when the message would be
// longer than its length field can say.
inline constexpr size_t kDataHeadSizeIpv4 = kSmallestMessage + 12 + 4;
inline constexpr size_t kDataHeadSizeIpv6 = kSmallestMessage + 24 + 4;
inline size_t data_head_size(const IpAddress& remote) {
  return remote.is_v4() ? kDataHeadSizeIpv4 : kDataHeadSizeIpv6;
}
bool write_data_head(MutableBytes out, const Transaction& transaction, const Endpoint& remote,
                     size_t size);

}  // namespace fedge::ms_turn
