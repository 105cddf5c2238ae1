// One thing that is wrong with a topology document.
#pragma once

#include <string>
#include <vector>

#include "firmware/base/result.h"

namespace fedge::topology {

struct Finding {
  std::string path;     // JSON Pointer into the document, "" for the whole
  std::string found;    // "the number 70000"
  std::string allowed;  // "a whole number from 1 to 65535"; may be empty
  std::string remedy;   // what to do; may be empty

  Error error() const;
  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;

// Documents with more wrong than this report the first ones and how many more there are.
inline constexpr size_t kMostFindings = 1000;

}  // namespace fedge::topology
