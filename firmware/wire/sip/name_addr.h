// name-addr and addr-spec with their header parameters: From, To, Contact, Route, Record-Route
// and their like (RFC 3261 20.10 and 25.1).
#pragma once

#include <string_view>

namespace fedge::sip {

struct NameAddr {
  std::string_view display_name;  // as written, quotes included
  std::string_view uri;           // without <>
  std::string_view parameters;    // header parameters from the first ';' on, else empty
  std::string_view tag;           // empty when absent
  bool in_brackets = false;
};

// One value, as take_value() gives it. False for an unbalanced quote or bracket, white space
// inside <>, a comma or other separator in a display name without quotes, broken parameters.
// The URI is checked for its outer form only: parse_uri() reads it.
bool parse_name_addr(std::string_view value, NameAddr& out);

}  // namespace fedge::sip
