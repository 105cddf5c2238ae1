// One STUN message as views into its octets (RFC 8489 section 5), with or without RFC 3489's
// missing cookie. Parsing copies and allocates nothing; integrity is in integrity.h.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/wire/stun/attribute_list.h"
#include "firmware/wire/stun/constants.h"
#include "firmware/wire/stun/malformed.h"

namespace fedge::stun {

inline constexpr size_t kMostAttributes = 64;

// Left out of attributes() is what an agent must ignore: all behind MESSAGE-INTEGRITY but
// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, all behind MESSAGE-INTEGRITY-SHA256 but FINGERPRINT
// (RFC 8489 sections 14.5 and 14.6).
class Message : public AttributeList<Type, kMostAttributes> {
 public:
  Class message_class = Class::request;
  uint16_t method = 0;      // may be none that Method names
  bool is_classic = false;  // RFC 3489: no cookie

  bool is(Method m, Class c) const {
    return method == static_cast<uint16_t>(m) && message_class == c;
  }

 private:
  friend Malformed parse(Bytes bytes, Message& message);
  Malformed read_header(Bytes bytes);
  Malformed add(const Attribute& a);

  bool has_integrity_ = false;
  bool has_integrity_sha256_ = false;
};

// Reads a whole datagram, or a message that a framer cut out of a stream. With anything but
// Malformed::none the message is not to be used, and nobody is to be answered.
Malformed parse(Bytes bytes, Message& message);

// By the first eight octets alone: two zero bits, the cookie, a length that is a multiple of
// four. For telling STUN from other protocols (RFC 8489 section 6.3, RFC 7983).
bool looks_like_stun(Bytes bytes);

inline size_t find_not_understood(const Message& message, bool (*understands)(uint16_t type),
                                  std::span<uint16_t> out) {
  return find_not_understood(message.attributes(), understands, out);
}

// The message type field (RFC 8489 section 5, figure 3).
constexpr uint16_t encode_type(uint16_t method, Class message_class) {
  const auto c = static_cast<uint16_t>(message_class);
  return static_cast<uint16_t>((method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2 |
                               (c & 1) << 4 | (c & 2) << 7);
}

}  // namespace fedge::stun
