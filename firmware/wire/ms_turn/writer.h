// Writes an MS-TURN message into a buffer that the caller owns: MAGIC-COOKIE first, no padding.
// Once something did not fit, nothing more is written and size() says nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/net/address.h"
#include "firmware/wire/ms_turn/message.h"

namespace fedge::ms_turn {

class Writer {
 public:
  Writer(MutableBytes buffer, Kind kind, const Transaction& transaction);

  Writer& add(Type type, Bytes value);
  Writer& add_text(Type type, std::string_view text) { return add(type, as_bytes(text)); }
  Writer& add_number(Type type, uint32_t value);
  Writer& add_address(Type type, const Endpoint& endpoint);
  // XOR-MAPPED-ADDRESS: hidden behind the transaction id from its first octet on.
  Writer& add_xor_address(Type type, const Endpoint& endpoint);
  Writer& add_error(stun::Error error);
  Writer& add_unknown_attributes(std::span<const uint16_t> types);
  Writer& add_sequence_number(const SequenceNumber& number);

  // MESSAGE-INTEGRITY of 20 or 32 octets, the last attribute: says what the code is over;
  // set_code() fills it in. Nothing when it does not fit.
  std::optional<Covered> add_integrity(size_t size);
  void set_code(Bytes code);

  bool fits() const { return !overflowed_; }
  std::optional<size_t> size() const {
    return fits() ? std::optional<size_t>(used_) : std::nullopt;
  }
  Bytes written() const { return buffer_.first(used_); }

 private:
  MutableBytes make_room(Type type, size_t size);

  MutableBytes buffer_;
  size_t used_ = 0;
  size_t code_at_ = 0;
  bool overflowed_ = false;
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
