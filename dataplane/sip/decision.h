// Where a request may go, as a pure function of the snapshot, of who sent it and of its
// addresses. The proxy calls it for every request outside a dialog, `fedge-signal --explain` for
// a question of the operator: the same code gives the same answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/sip/arrival.h"
#include "firmware/snapshot/reader.h"
#include "firmware/snapshot/routes.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// Which rule ended the decision.
enum class Rule : uint8_t {
  route,            // forward to the targets of the route
  negotiate,        // 405: NEGOTIATE would start compression
  stranger,         // 403
  federation_off,   // 403
  partner_domain,   // 403: From is not of the partner's domain
  not_ours,         // 403: a partner asks for a domain that is not ours
  no_route,         // 404
  came_from_there,  // 482: the only target is the system it came from
};
inline constexpr size_t kRules = 8;

struct Address {
  std::string_view user;
  std::string_view host;
};

struct Decision {
  Rule rule = Rule::no_route;
  uint16_t status = 404;                   // 0 when forwarded
  const snapshot::Route* route = nullptr;  // the matching route, also when refused after it
  bool forward() const { return rule == Rule::route; }
};

// `from`: of the From header; `target`: of the request URI, or the query of it, begun before.
// Never allocates; any case.
Decision decide(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
                Method method, const Address& from, snapshot::RouteQuery& target);
Decision decide(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
                Method method, const Address& from, const Address& target);

// The parts of decide(), for requests inside a dialog and for the next target of a route after
// a publish. admit(): whether this peer may send this at all. permit(): whether a request of such
// a peer may take such a route.
Rule admit(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
           Method method, const Address& from);
Rule permit(const snapshot::Routing& routing, PeerKind peer, snapshot::RouteKind route);
// Whether `next_hop` is where the peer's own requests come from.
bool is_origin(const PeerFacts& peer, uint32_t next_hop);

// 0 for Rule::route.
uint16_t status_of(Rule rule);
// Reason phrase of a refusal: "No partner entry for this certificate". `name_of` is the short
// form for counters and JSON: "no_route".
std::string_view text_of(Rule rule);
std::string_view name_of(Rule rule);

}  // namespace fedge::sip
