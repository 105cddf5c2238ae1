#include "dataplane/sip/targets.h"

#include <algorithm>

namespace fedge::sip {

namespace {

using snapshot::Target;

// Which targets may be tried: those that are up, and when there is none of them, those that are
// not. Nobody is refused without a try: what is down may be up again.
class Eligible {
 public:
  Eligible(std::span<const Target> targets, const NextHops& next_hops, const Health& health,
           std::span<const uint32_t> excluded)
      : next_hops_(next_hops), health_(health), excluded_(excluded) {
    any_up_ = std::ranges::any_of(targets, [this](const Target& t) { return is_up(t); });
  }
  bool operator()(const Target& target) const { return any_up_ ? is_up(target) : is_left(target); }

 private:
  bool is_left(const Target& target) const {
    return std::ranges::find(excluded_, next_hops_.key(target.next_hop)) == excluded_.end();
  }
  bool is_up(const Target& target) const {
    return health_.is_up(target.next_hop) && is_left(target);
  }

  const NextHops& next_hops_;
  const Health& health_;
  std::span<const uint32_t> excluded_;
  bool any_up_;
};

// Targets of one priority, the first of which is eligible; empty when none is.
std::span<const Target> best_priority(std::span<const Target> targets, const Eligible& eligible) {
  const auto first = std::ranges::find_if(targets, eligible);
  const auto last = std::find_if(first, targets.end(), [&](const Target& target) {
    return target.priority != first->priority;
  });
  return {first, last};
}

}  // namespace

uint32_t pick_target(std::span<const Target> targets, const NextHops& next_hops,
                     const Health& health, std::span<const uint32_t> excluded, uint64_t random) {
  const Eligible eligible(targets, next_hops, health, excluded);
  const auto best = best_priority(targets, eligible);
  if (best.empty()) return kNoNextHop;
  if (best.size() == 1) return best[0].next_hop;
  // A weight of 0 counts as 1: the target is rarely picked beside others, not never.
  const auto weight = [](const Target& target) { return std::max<uint64_t>(target.weight, 1); };
  uint64_t total = 0;
  for (const Target& t : best) total += eligible(t) ? weight(t) : 0;
  uint64_t left = random % total;
  for (const Target& t : best) {
    if (!eligible(t)) continue;
    if (left < weight(t)) return t.next_hop;
    left -= weight(t);
  }
  return best[0].next_hop;
}

size_t pick_targets_of_priority(std::span<const Target> targets, const NextHops& next_hops,
                                const Health& health, std::span<const uint32_t> excluded,
                                std::span<uint32_t> out) {
  const Eligible eligible(targets, next_hops, health, excluded);
  size_t picked = 0;
  for (const Target& target : best_priority(targets, eligible)) {
    const auto end = out.begin() + static_cast<ptrdiff_t>(picked);
    if (picked == out.size() || !eligible(target)) continue;
    if (std::find(out.begin(), end, target.next_hop) == end) out[picked++] = target.next_hop;
  }
  return picked;
}

}  // namespace fedge::sip
