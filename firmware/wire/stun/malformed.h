// Every way in which a STUN message can be wrong has its own reason, so that a counter says what
// a broken or hostile sender does.
#pragma once

#include <cstdint>
#include <string_view>

namespace fedge::stun {

enum class Malformed : uint8_t {
  none,
  header_short,             // less than 20 octets
  first_bits,               // the first two are not zero
  length_multiple,          // the length is not a multiple of four
  length_mismatch,          // the length is not that of the datagram
  magic_cookie,             // not RFC 8489's, and no Binding of RFC 3489 either
  attribute_length,         // a value runs over the end
  attributes_many,          // more than kMostAttributes
  integrity_length,         // MESSAGE-INTEGRITY is not 20 octets
  integrity_sha256_length,  // not 16, 20, 24, 28 or 32 octets
  fingerprint_length,       // not four octets
  fingerprint_not_last,
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::fingerprint_not_last) + 1;

// The label of the counter: "attribute_length".
std::string_view text(Malformed reason);

}  // namespace fedge::stun
