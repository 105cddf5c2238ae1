// Time as every core takes it: an instant handed in by the edge, never read inside.
#pragma once

#include <chrono>

namespace fedge {

using Duration = std::chrono::nanoseconds;
// Monotonic; tests make their own from Instant{} + n.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;
// Wall-clock seconds since 1970, for certificates, audit and logs only.
using WallTime = std::chrono::sys_seconds;

inline constexpr Instant never = Instant::max();

using namespace std::chrono_literals;

// Only the IO edge calls these.
inline Instant now_monotonic() { return std::chrono::steady_clock::now(); }
inline WallTime now_wall() {
  return std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace fedge
