// Which target of a route is tried next (R2, R3): the lowest priority that still has one, and
// within it by weight.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/sip/health.h"
#include "dataplane/sip/next_hops.h"

namespace fedge::sip {

// `excluded` are keys of next hops already tried, or not to be tried. kNoNextHop when none is
// left. One that is down is picked only when all that are left are down.
uint32_t pick_target(std::span<const snapshot::Target> targets, const NextHops& next_hops,
                     const Health& health, std::span<const uint32_t> excluded, uint64_t random);

// All of the lowest priority that still has one, as many as `out` takes. Returns how many.
size_t pick_targets_of_priority(std::span<const snapshot::Target> targets,
                                const NextHops& next_hops, const Health& health,
                                std::span<const uint32_t> excluded, std::span<uint32_t> out);

}  // namespace fedge::sip
