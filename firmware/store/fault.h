// Where a test may stop the program: between two steps of anything that must be whole after a
// crash. Nothing is set in production.
#pragma once

#include <functional>
#include <string_view>

namespace fedge::store {

// Called with the name of the step that has just been done. A test ends the process inside.
using Fault = std::function<void(std::string_view step)>;

inline void pass(const Fault& fault, std::string_view step) {
  if (fault) fault(step);
}

}  // namespace fedge::store
