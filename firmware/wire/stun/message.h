// One STUN message as views into its octets (RFC 8489 section 5), with or without RFC 3489's
// missing cookie. Parsing copies and allocates nothing; integrity is in integrity.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/wire/stun/constants.h"
#include "firmware/wire/stun/malformed.h"

namespace fedge::stun {

// The 16 octets behind the length: the cookie and the transaction id, or RFC 3489's whole id.
using Transaction = std::array<std::byte, 16>;

// As it stands: `type` may be none that Type names, the value's length none that the type has.
struct Attribute {
  uint16_t type;
  uint16_t size;  // of the value, without padding
  uint32_t at;    // offset of the value in the message
};
inline constexpr size_t kMostAttributes = 64;

class Message {
 public:
  Class message_class = Class::request;
  uint16_t method = 0;      // may be none that Method names
  bool is_classic = false;  // RFC 3489: no cookie
  Transaction transaction{};
  Bytes whole;

  bool is(Method m, Class c) const {
    return method == static_cast<uint16_t>(m) && message_class == c;
  }
  // In the order of the message. Left out is what an agent must ignore: all behind
  // MESSAGE-INTEGRITY but MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, all behind
  // MESSAGE-INTEGRITY-SHA256 but FINGERPRINT (RFC 8489 sections 14.5 and 14.6).
  std::span<const Attribute> attributes() const { return {store_.data(), count_}; }
  Bytes value(const Attribute& a) const { return whole.subspan(a.at, a.size); }
  // The first of that type (RFC 8489 section 14), null when there is none.
  const Attribute* find(Type type) const;
  bool has(Type type) const { return find(type) != nullptr; }
  // Its value; nullopt when there is none.
  std::optional<Bytes> find_value(Type type) const;

 private:
  friend Malformed parse(Bytes bytes, Message& message);
  Malformed read_header(Bytes bytes);
  Malformed add(uint16_t type, uint16_t size, uint32_t at);

  std::array<Attribute, kMostAttributes> store_;  // [0, count_) is set
  size_t count_ = 0;
  bool has_integrity_ = false;
  bool has_integrity_sha256_ = false;
};

// Reads a whole datagram, or a message that a framer cut out of a stream. With anything but
// Malformed::none the message is not to be used, and nobody is to be answered.
Malformed parse(Bytes bytes, Message& message);

// By the first eight octets alone: two zero bits, the cookie, a length that is a multiple of
// four. For telling STUN from other protocols (RFC 8489 section 6.3, RFC 7983).
bool looks_like_stun(Bytes bytes);

// The types that must be understood and are not, in the message's order and each once: of
// UNKNOWN-ATTRIBUTES in a 420 (RFC 8489 section 6.3.1). Returns how many of `out` were set; what
// does not fit is left out.
size_t find_not_understood(const Message& message, bool (*understands)(uint16_t type),
                           std::span<uint16_t> out);

// The message type field (RFC 8489 section 5, figure 3).
constexpr uint16_t encode_type(uint16_t method, Class message_class) {
  const auto c = static_cast<uint16_t>(message_class);
  return static_cast<uint16_t>((method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2 |
                               (c & 1) << 4 | (c & 2) << 7);
}

}  // namespace fedge::stun
