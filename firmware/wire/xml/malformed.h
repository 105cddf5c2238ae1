// Every way in which a document can be refused, for counters.
#pragma once

#include <cstdint>
#include <string_view>

namespace fedge::xml {

enum class Malformed : uint8_t {
  none,
  too_large,        // more than kLargest octets
  encoding,         // a NUL: UTF-16, or no text at all
  syntax,           // not well-formed
  name_space,       // a prefix that is not declared, or a reserved one
  document_type,    // a DOCTYPE: none of our documents has one, and with it come entities
  name_long,        // a namespace or a name of more than kLongestName octets
  depth,            // more than kDeepest elements inside each other
  elements_many,    // more than kMostElements
  attributes_many,  // more than kMostAttributes in the document
  memory,           // what the parser may use is used up
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::memory) + 1;

// The label of the counter: "document_type".
std::string_view text(Malformed reason);

}  // namespace fedge::xml
