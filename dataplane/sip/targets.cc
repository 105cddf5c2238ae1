#include "dataplane/sip/targets.h"

#include <algorithm>

namespace fedge::sip {

uint32_t pick_target(std::span<const snapshot::Target> targets, const NextHops& next_hops,
                     const Health& health, std::span<const uint32_t> excluded, uint64_t random) {
  const auto is_left = [&](const snapshot::Target& target) {
    return std::ranges::find(excluded, next_hops.key(target.next_hop)) == excluded.end();
  };
  const auto is_up = [&](const snapshot::Target& target) {
    return health.is_up(target.next_hop) && is_left(target);
  };
  // Nobody is refused without a try: what is down may be up again.
  const bool any_up = std::ranges::any_of(targets, is_up);
  const auto eligible = [&](const snapshot::Target& target) {
    return any_up ? is_up(target) : is_left(target);
  };
  // A weight of 0 counts as 1: the target is rarely picked beside others, not never.
  const auto weight = [](const snapshot::Target& target) {
    return std::max<uint64_t>(target.weight, 1);
  };
  const auto first = std::ranges::find_if(targets, eligible);
  if (first == targets.end()) return kNoNextHop;
  const auto last = std::find_if(first, targets.end(), [&](const snapshot::Target& target) {
    return target.priority != first->priority;
  });
  if (last - first == 1) return first->next_hop;
  uint64_t total = 0;
  for (auto t = first; t != last; ++t) total += eligible(*t) ? weight(*t) : 0;
  uint64_t left = random % total;
  for (auto t = first; t != last; ++t) {
    if (!eligible(*t)) continue;
    if (left < weight(*t)) return t->next_hop;
    left -= weight(*t);
  }
  return first->next_hop;
}

}  // namespace fedge::sip
