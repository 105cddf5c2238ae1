// Where a partner's edge is, by its SIP domain (RFC 3263 section 4; the federation's own SRV name).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/resolve/resolver.h"

namespace fedge::resolve {

struct DiscoveryRules {
  std::vector<IpAddress> own;  // ours: a partner's name may not lead back to us
  bool use_v4 = true;          // families that the realm has
  bool use_v6 = true;
  bool inside_only = false;      // SRV targets must lie inside the domain (T3 microsoft-edge)
  bool without_srv = true;       // no SRV record: the domain itself, at default_port
  uint16_t default_port = 5061;  // RFC 3261 section 19.1.2
  size_t most_targets = 16;
};

struct Target {
  Endpoint endpoint;
  std::string host;  // the SRV record's target, or the domain
  uint16_t priority = 0;
  uint16_t weight = 0;
};

// Named, but not to be tried.
struct Refused : Target {
  std::string_view why;  // "a loopback address"
};

enum class PartnerState : uint8_t {
  pending,      // `awaits` names what is missing; ask again when one of them settles
  found,        // at least one target
  absent,       // the domain says nothing about federation
  not_offered,  // SRV with the target ".": it says that it does not federate (RFC 2782)
  forbidden,    // everything it names is refused
  failed,       // name servers did not answer
};

struct Partner {
  PartnerState state = PartnerState::failed;
  bool by_srv = false;
  bool is_stale = false;         // something in it is expired and cannot be renewed
  std::vector<Target> targets;   // in the order in which to try them, drawn anew each time
  std::vector<Refused> refused;  // for explain and for the log
  std::vector<dns::Question> awaits;
  Instant ask_again = never;  // when something in it may have changed; `awaits` tell by themselves
};

// Answers at once from what is cached and asks for what is not. Pending while a host of better
// priority than the best target is not known; what is missing besides is not waited for.
Partner find_partner(Resolver& resolver, RandomSource& random, const DiscoveryRules& rules,
                     std::string_view domain, Instant now);
// The same for a host whose name is known: A and AAAA at rules.default_port. `not_offered` is
// never said.
Partner find_host(Resolver& resolver, RandomSource& random, const DiscoveryRules& rules,
                  std::string_view host, Instant now);
// Draws the order of what was found anew, for another attempt.
std::vector<Target> order_targets(std::span<const Target> targets, RandomSource& random);

}  // namespace fedge::resolve
