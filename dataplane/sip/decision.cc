#include "dataplane/sip/decision.h"

#include <algorithm>

#include "firmware/net/dns_name.h"

namespace fedge::sip {

namespace {

Decision refuse(Rule rule, const snapshot::Route* route = nullptr) {
  return {rule, status_of(rule), route};
}

// A hosting provider's edge speaks for several domains.
bool speaks_for(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
                std::string_view domain) {
  if (equal_names(domain, peer.domain)) return true;
  return peer.record != nullptr && snapshot::serves_domain(routing, *peer.record, domain);
}

Rule admit_peer(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
                const Address& from) {
  switch (peer.kind) {
    case PeerKind::stranger:
      return Rule::stranger;
    case PeerKind::partner:
      if (routing.root().federation == 0) return Rule::federation_off;
      if (!speaks_for(routing, peer, from.host)) return Rule::partner_domain;
      return Rule::route;
    case PeerKind::inside:
      return Rule::route;
  }
  return Rule::stranger;
}

}  // namespace

Rule admit(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
           Method method, const Address& from) {
  if (method == Method::negotiate) return Rule::negotiate;
  return admit_peer(routing, peer, from);
}

Rule permit(const snapshot::Routing& routing, PeerKind peer, snapshot::RouteKind route) {
  if (route != snapshot::RouteKind::partner) return Rule::route;
  if (peer != PeerKind::inside) return Rule::not_ours;
  return routing.federation == 0 ? Rule::federation_off : Rule::route;
}

bool is_origin(const PeerFacts& peer, uint32_t next_hop) {
  return peer.next_hop != kNoNextHop && peer.next_hop == next_hop;
}

Decision decide(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
                Method method, const Address& from, const Address& target) {
  snapshot::RouteQuery query(routing, target.user, target.host);
  return decide(routing, peer, method, from, query);
}

Decision decide(const snapshot::Section<snapshot::Routing>& routing, const PeerFacts& peer,
                Method method, const Address& from, snapshot::RouteQuery& target) {
  if (const Rule rule = admit(routing, peer, method, from); rule != Rule::route) {
    return refuse(rule);
  }
  const snapshot::Route* const route = target.find();
  if (route == nullptr) {
    return refuse(peer.kind == PeerKind::partner ? Rule::not_ours : Rule::no_route);
  }
  if (const Rule rule = permit(routing.root(), peer.kind, route->kind); rule != Rule::route) {
    return refuse(rule, route);
  }
  const auto targets = routing.items(route->targets);
  if (std::ranges::all_of(targets, [&](const auto& t) { return is_origin(peer, t.next_hop); })) {
    return refuse(Rule::came_from_there, route);
  }
  return {Rule::route, 0, route};
}

uint16_t status_of(Rule rule) {
  switch (rule) {
    case Rule::route:
      return 0;
    case Rule::negotiate:
      return 405;
    case Rule::stranger:
    case Rule::federation_off:
    case Rule::partner_domain:
    case Rule::not_ours:
      return 403;
    case Rule::no_route:
      return 404;
    case Rule::came_from_there:
      return 482;
  }
  return 500;
}

std::string_view text_of(Rule rule) {
  switch (rule) {
    case Rule::route:
      return "Forwarded";
    case Rule::negotiate:
      return "Compression Is Not Offered";
    case Rule::stranger:
      return "No partner entry for this certificate";
    case Rule::federation_off:
      return "Federation is switched off";
    case Rule::partner_domain:
      return "From is not of the domain of this partner";
    case Rule::not_ours:
      return "Domain is not served here";
    case Rule::no_route:
      return "No route to this domain";
    case Rule::came_from_there:
      return "Only route leads back to the sender";
  }
  return "Unknown";
}

std::string_view name_of(Rule rule) {
  switch (rule) {
    case Rule::route:
      return "route";
    case Rule::negotiate:
      return "negotiate";
    case Rule::stranger:
      return "stranger";
    case Rule::federation_off:
      return "federation_off";
    case Rule::partner_domain:
      return "partner_domain";
    case Rule::not_ours:
      return "not_ours";
    case Rule::no_route:
      return "no_route";
    case Rule::came_from_there:
      return "came_from_there";
  }
  return "unknown";
}

}  // namespace fedge::sip
