// The tables, as the steps that made them. A step that has been released is never changed.
#pragma once

#include <span>

namespace fedge::store {

// Step n brings user_version from n to n+1.
std::span<const char* const> migrations();

}  // namespace fedge::store
