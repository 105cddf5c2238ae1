// What is counted about names, in the process's counter page.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/counters.h"
#include "firmware/resolve/resolver.h"

namespace fedge::signal {

// What is known of a name.
enum class NameStanding : uint8_t {
  unknown,  // not asked yet
  found,
  stale,       // found earlier; name servers do not answer now
  unresolved,  // leads nowhere
};
inline constexpr size_t kNameStandings = 4;

class DirectoryStatistics {
 public:
  explicit DirectoryStatistics(Counters& counters);

  void on_name(NameStanding standing, int change);
  void on_refused_target() { counters_.add(refused_); }
  // Takes over what the resolver has counted since the last time.
  void take(const resolve::Counters& now, size_t lookups);
  // A new resolver counts from zero.
  void forget() { taken_ = {}; }

 private:
  struct Taken {
    uint64_t resolve::Counters::* from;
    uint32_t series;
  };
  Counters& counters_;
  std::array<uint32_t, kNameStandings> names_;
  std::array<uint32_t, kNameStandings> in_standing_{};
  uint32_t lookups_;
  uint32_t refused_;
  std::array<Taken, 15> series_;
  resolve::Counters taken_;
};

}  // namespace fedge::signal
