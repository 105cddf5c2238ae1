// What MESSAGE-INTEGRITY and FINGERPRINT are over (RFC 8489 sections 14.5 to 14.7). The HMAC
// itself is the caller's: this folder knows no keys.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "firmware/base/bytes.h"
#include "firmware/wire/stun/message.h"

namespace fedge::stun {

// The octets that a code covers and the code that the message carries. Views into the message;
// parts() also into this object.
struct Covered {
  std::array<std::byte, 4> head{};  // type and length, the length as if the code were the end
  Bytes body;                       // from behind the length to the integrity attribute
  Bytes zeros;                      // padding that only MS-TURN has
  Bytes code;                       // as received; in a message being written: zeros so far

  std::array<Bytes, 3> parts() const { return {Bytes(head), body, zeros}; }
};

// For MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256; nothing when the message has no such
// attribute. The code may be shorter than 32 octets for SHA256: whoever compares decides whether
// the usage allows that (RFC 8489 section 14.6: not unless it says so, and TURN does not).
std::optional<Covered> covered_by(const Message& message, Type integrity);

// The same for a code of `size` octets that begins at `at`. MS-TURN pads what it is over with zeros
// to a multiple of `block` octets, at most kLargestCodeBlock.
inline constexpr size_t kLargestCodeBlock = 64;
Covered cover(Bytes whole, size_t at, size_t size, size_t block = 1);

enum class Fingerprint : uint8_t { absent, right, wrong };
Fingerprint check_fingerprint(const Message& message);

// FINGERPRINT of a message: over `before`, which is everything in front of the attribute, its
// length field already counting the attribute.
uint32_t compute_fingerprint(Bytes before);

}  // namespace fedge::stun
