// The strict check in front of cJSON, which is lenient in places and cannot hold some valid
// texts. Internal to firmware/base/json.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/json.h"

namespace fedge::json {

// A stretch of the text that cJSON must see in another form.
struct Replacement {
  size_t at = 0;
  size_t size = 0;
  std::string with;
};

// Checks all of `text`. The replacements, in order of `at`: \u0000 becomes the octets C0 80 (they
// cannot occur in valid UTF-8; cJSON ends a string at NUL), and numbers longer than cJSON's 63
// octets become their shortest equal.
Result<std::vector<Replacement>> scan(std::string_view text, const Limits& limits);

// Length of the valid UTF-8 sequence (RFC 3629) at the front of `text`; 0 when it is not valid.
size_t utf8_sequence(std::string_view text);
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace fedge::json
