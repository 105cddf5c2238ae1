// Every way in which an MS-TURN message can be wrong, for counters.
#pragma once

#include <cstdint>
#include <string_view>

namespace fedge::ms_turn {

enum class Malformed : uint8_t {
  none,
  header_short,
  kind,              // no message that Kind names
  length_mismatch,   // the length is not that of the datagram or frame
  magic_cookie,      // not the first attribute, or another value
  attribute_header,  // less than four octets are left for one
  attribute_length,  // a value runs over the end
  attributes_many,   // more than kMostAttributes
  integrity_length,  // neither 20 nor 32 octets
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::integrity_length) + 1;

// The label of the counter: "attribute_length".
std::string_view text(Malformed reason);

}  // namespace fedge::ms_turn
