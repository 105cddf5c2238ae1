// Requests from the moment they arrive to the choice of where they go (RFC 3261 16.3 to 16.5),
// and the two methods that belong to another request: CANCEL (16.10) and ACK (17.2.1).
#include <algorithm>
#include <array>

#include "dataplane/sip/core.h"
#include "dataplane/sip/hash.h"
#include "dataplane/sip/matching.h"

namespace fedge::sip {

namespace {

// Via, two Record-Routes, Max-Forwards, Max-Breadth, Route.
constexpr size_t kMostAddedHeaders = 6;

// RFC 5393 5.3.3: what is missing counts as the most that we take from anybody.
uint8_t breadth_of(const Message& request) {
  if (request.max_breadth < 0) return kMaxBreadth;
  return static_cast<uint8_t>(std::min(request.max_breadth, kMaxBreadth));
}

Address address_of(std::string_view text) {
  Uri uri;
  if (!parse_uri(text, uri)) return {};
  return {uri.user, uri.host};
}

}  // namespace

void Proxy::Core::on_request(const Arrival& arrival, const Message& request, Instant now) {
  statistics.count_request(request.method);
  if (early_query) early_query->advance();
  const TransactionKey key = key_of(request, request.via, arrival.peer, match_seed);
  ServerTransaction* const server = transactions.find_server(key);
  if (request.method == Method::ack) return on_ack(arrival, request, server);
  if (request.method == Method::cancel) return on_cancel(arrival, request, server, now);
  if (server != nullptr) return on_repetition(*server, arrival, request);
  on_new_request(arrival, request, key, now);
}

void Proxy::Core::on_new_request(const Arrival& arrival, const Message& request,
                                 const TransactionKey& key, Instant now) {
  // Before anything is found out that a refusal does not need. A stranger is refused anyhow.
  if (request.to_tag.empty() && arrival.peer.kind != PeerKind::stranger &&
      !overload.admits(arrival.waited, key_of_peer(arrival.peer))) {
    statistics.count_overload_refused();
    return refuse_for_now(arrival, request, "Overloaded");
  }
  // Before Max-Forwards: a peer that offers compression must hear that there is none.
  if (request.method == Method::negotiate) return refuse(arrival, request, Rule::negotiate);
  const uint64_t loop = loop_hash(request, shown_seed);
  if (!validate(arrival, request, loop)) return;
  if (early_query) early_query->advance();
  if (is_for_credentials(arrival, request)) return answer_credentials(arrival, request);
  RouteSet routes;
  if (read_route_set(request, arrival, published->identity, routes) != RouteDefect::none) {
    return refuse(arrival, request, Refusal::route, 400, "Route is malformed");
  }
  Direction direction;
  const Rule rule = choose(arrival, request, routes, direction);
  const Uri& uri = routes.request_uri;
  if (request.method == Method::options && rule != Rule::stranger && !routes.has_next &&
      uri.user.empty() && published->identity.is_ours(uri.host, uri.port)) {
    return answer_options(arrival, request);
  }
  if (rule != Rule::route) return refuse(arrival, request, rule);
  ServerTransaction* const server = transactions.add_server(key);
  if (server == nullptr) {
    statistics.count(Refusal::full);
    return refuse_for_now(arrival, request, "Too many transactions");
  }
  server->source = arrival.connection;
  server->source_kind = arrival.peer.kind;
  server->origin = origin_of(arrival.peer);
  server->source_peer = key_of_peer(arrival.peer);
  start(*server, {request, &routes, &arrival, loop}, direction, now);
}

void Proxy::Core::start(ServerTransaction& server, const Outgoing& outgoing,
                        const Direction& direction, Instant now) {
  statistics.count(Rule::route);
  server.method = outgoing.message.method;
  server.breadth = breadth_of(outgoing.message);
  server.single_target = direction.route == nullptr;
  if (server.method == Method::invite) {
    // RFC 3261 17.2.1: at once, since nobody knows how long the next hop takes.
    answer(*outgoing.arrival, outgoing.message, {100, {}, {}});
  } else {
    wheel.set(server, now + published->timers.trying());
  }
  if (!send_to_next_targets(server, outgoing, direction, now)) answer_best(server, outgoing, now);
}

// Nobody repeats a request over TCP and TLS but after a reconnect: it is answered by what the
// first one is answered by, on the connection that is there now. INVITE hears again that we are
// at it, or what it was refused with (RFC 3261 17.2.1).
void Proxy::Core::on_repetition(ServerTransaction& server, const Arrival& arrival,
                                const Message& request) {
  statistics.count_repetition();
  server.source = arrival.connection;
  if (request.method == Method::invite && server.state == ServerState::proceeding) {
    answer(arrival, request, {100, {}, {}});
  } else if (server.state == ServerState::completed && server.held != nullptr) {
    outbound.send(arrival.connection, {server.held, server.held_size});
  }
}

// RFC 3261 16.3, in its order; syntax, version and scheme were checked by parse().
bool Proxy::Core::validate(const Arrival& arrival, const Message& request, uint64_t loop) {
  if (request.target.host.empty() && request.find(HeaderId::route) == nullptr) {
    refuse(arrival, request, Refusal::malformed, 416, "Request-URI names no host to route by");
    return false;
  }
  // Room for the headers that forwarding adds.
  if (request.header_count + kMostAddedHeaders > kMostHeaders) {
    refuse(arrival, request, Refusal::malformed, 513, text_of(Defect::too_many_headers));
    return false;
  }
  if (request.max_forwards == 0) {
    refuse(arrival, request, Refusal::max_forwards, 483, {});
    return false;
  }
  if (request.max_breadth == 0) {
    refuse(arrival, request, Refusal::max_breadth, 440, {});
    return false;
  }
  if (has_looped(request, loop)) {
    refuse(arrival, request, Refusal::loop, 482, {});
    return false;
  }
  if (const Header* required = request.find(HeaderId::proxy_require)) {
    const HeaderText headers[] = {{"Unsupported", required->value}};
    refuse(arrival, request, Refusal::proxy_require, 420, {}, headers);
    return false;
  }
  return true;
}

// RFC 3261 16.5. Inside a dialog the Route set, or what our Record-Route remembers, names the
// next hop; otherwise the Request-URI is looked up. A partner's Route before there is a dialog
// chooses nothing: it would take its request round the look-up, to any of our systems. It does not
// leave either, since whoever comes next would follow it there.
Rule Proxy::Core::choose(const Arrival& arrival, const Message& request, RouteSet& routes,
                         Direction& out) {
  const auto& routing = published->routing();
  const bool is_partner = arrival.peer.kind == PeerKind::partner;
  const Address from = is_partner ? address_of(request.from.uri) : Address{};
  const bool may_route = !is_partner || !request.to_tag.empty();
  if (may_route && (routes.own != 0 || routes.has_next)) {
    const Rule rule = admit(routing, arrival.peer, request.method, from);
    if (rule != Rule::route) return rule;
    out.next_hop = find_dialog_hop(arrival, request, routes);
    if (out.next_hop != kNoNextHop) return Rule::route;
  }
  routes.is_void = is_partner && !routes.last_value.empty();
  // A strict router's Request-URI is not the one that was asked for.
  if (!early_query || routes.uri_from_route) {
    early_query.emplace(routing, routes.request_uri.user, routes.request_uri.host);
  }
  const Decision decision = decide(routing, arrival.peer, request.method, from, *early_query);
  out.route = decision.route;
  return decision.rule;
}

// A partner goes where our Record-Route says, and when we have written that for it (T4); our own
// systems may also name one another.
uint32_t Proxy::Core::find_dialog_hop(const Arrival& arrival, const Message& request,
                                      const RouteSet& routes) {
  const NextHops& hops = published->next_hops;
  const auto is_allowed = [&](uint32_t hop) {
    if (hop == kNoNextHop || is_origin(arrival.peer, hop)) return false;
    const auto kind =
        hops.is_partner(hop) ? snapshot::RouteKind::partner : snapshot::RouteKind::presence_domain;
    return permit(published->routing().root(), arrival.peer.kind, kind) == Rule::route;
  };
  const uint32_t recorded = hops.find_key(routes.key);
  if (arrival.peer.kind != PeerKind::inside) {
    if (!is_allowed(recorded)) return kNoNextHop;
    return route_mac.verify(routes.key, request.call_id, routes.mac) ? recorded : kNoNextHop;
  }
  const Uri& uri = routes.has_next ? routes.next : routes.request_uri;
  const uint32_t named = hops.find_host(uri.host, uri.port, recorded);
  if (is_allowed(named)) return named;
  return is_allowed(recorded) ? recorded : kNoNextHop;
}

void Proxy::Core::answer(const Arrival& arrival, const Message& request, const Answer& answer) {
  const auto size = write_answer(request, arrival.remote, answer, shown_seed, room());
  if (!size) return statistics.count(Dropped::response);
  statistics.count_response(answer.status);
  if (outbound.send(arrival.connection, {room().data(), *size}) != SendOutcome::sent) {
    statistics.count(Dropped::response);
  }
}

void Proxy::Core::refuse(const Arrival& arrival, const Message& request, Refusal why,
                         uint16_t status, std::string_view reason,
                         std::span<const HeaderText> headers) {
  statistics.count(why);
  answer(arrival, request, {status, reason, headers});
}

void Proxy::Core::refuse(const Arrival& arrival, const Message& request, Rule rule) {
  statistics.count(rule);
  std::array<HeaderText, 2> headers;
  size_t count = 0;
  if (rule == Rule::negotiate) headers[count++] = {"Allow", kAllow};
  DiagnosisText diagnosis;
  if (is_trusted(origin_of(arrival.peer))) {
    const auto what = rule == Rule::no_route ? Diagnosis::no_route : Diagnosis::not_allowed;
    headers[count++] = {
        name_of(HeaderId::ms_diagnostics),
        write_diagnosis(what, published->identity.fqdn(), text_of(rule), diagnosis)};
  }
  answer(arrival, request, {status_of(rule), text_of(rule), {headers.data(), count}});
}

void Proxy::Core::refuse_for_now(const Arrival& arrival, const Message& request,
                                 std::string_view reason) {
  std::array<char, 4> seconds;
  const HeaderText headers[] = {{"Retry-After", write_retry_after(request, shown_seed, seconds)}};
  answer(arrival, request, {503, reason, headers});
}

// RFC 3261 11.2: what we are asked ourselves.
void Proxy::Core::answer_options(const Arrival& arrival, const Message& request) {
  const std::array<HeaderText, 4> headers = {
      {{"Allow", kAllow}, {"Accept", "*/*"}, {"Supported", "path"}, {"Server", kServer}}};
  answer(arrival, request, {200, {}, headers});
}

// M3: on a listener of the A/V authentication service whatever the Request-URI is (pools know it
// by names of their own), elsewhere what is addressed to us.
bool Proxy::Core::is_for_credentials(const Arrival& arrival, const Message& request) const {
  const auto listeners =
      published->view.listeners->items(published->view.listeners->root().listeners);
  const bool is_service = arrival.listener < listeners.size() &&
                          listeners[arrival.listener].service == snapshot::Service::mras;
  if (is_service && request.method != Method::options) return true;
  return is_credentials_request(request) &&
         published->identity.is_ours(request.target.host, request.target.port);
}

void Proxy::Core::answer_credentials(const Arrival& arrival, const Message& request) {
  if (!is_credentials_request(request)) {
    // [MS-AVEDGEA] 3.1.5.1.
    const bool is_service = request.method == Method::service;
    const HeaderText headers[] = {is_service ? HeaderText{"Accept", mras::kContentType}
                                             : HeaderText{"Allow", "SERVICE, OPTIONS"}};
    return refuse(arrival, request, Refusal::not_for_credentials, is_service ? 415 : 405, {},
                  headers);
  }
  const snapshot::Peer* const peer = arrival.peer.record;
  const bool allowed =
      arrival.peer.kind == PeerKind::inside && peer != nullptr && peer->media_edge != 0;
  const auto reply =
      relay_credentials.answer(request, allowed, outbound.wall_seconds(), transactions.random());
  statistics.count(reply.outcome);
  const HeaderText headers[] = {{"Content-Type", mras::kContentType}, {"Server", kServer}};
  if (reply.body.empty()) return answer(arrival, request, {reply.status, {}, {}});
  const auto room = relay_credentials.response_room();
  const Answer whole{reply.status, {}, headers, reply.body};
  const auto size = write_answer(request, arrival.remote, whole, shown_seed, room);
  if (!size) return statistics.count(Dropped::response);
  statistics.count_response(whole.status);
  if (outbound.send(arrival.connection, {room.data(), *size}) != SendOutcome::sent) {
    statistics.count(Dropped::response);
  }
}

// RFC 3261 16.10. An INVITE that we do not know has ended, or was lost with a restart: whoever
// cancels is told so, because an answer to a CANCEL forwarded blindly could not find its way.
void Proxy::Core::on_cancel(const Arrival& arrival, const Message& request,
                            ServerTransaction* server, Instant now) {
  if (server == nullptr || server->method != Method::invite) {
    return refuse(arrival, request, Refusal::no_such_transaction, 481, {});
  }
  answer(arrival, request, {200, {}, {}});
  if (server->state != ServerState::proceeding || server->cancelled) return;
  server->cancelled = true;
  call_off(*server, now);
}

// ACK of a refusal ends here, also of one that left no state behind; ACK of a 2xx travels on
// (RFC 3261 17.2.1, 8.2.7, 13.2.2.4).
void Proxy::Core::on_ack(const Arrival& arrival, const Message& request,
                         ServerTransaction* server) {
  if (server == nullptr && is_for_our_answer(request, shown_seed)) return;
  if (server == nullptr || server->state == ServerState::accepted) {
    return forward_ack(arrival, request);
  }
  // Timer I is zero: Confirmed is left at once.
  if (server->state == ServerState::completed) transactions.remove(*server);
}

// Never answered, never repeated by us: no transaction, a branch that follows from the request
// (RFC 3261 16.11).
void Proxy::Core::forward_ack(const Arrival& arrival, const Message& request) {
  const uint64_t loop = loop_hash(request, shown_seed);
  RouteSet routes;
  Direction direction;
  if (request.max_forwards == 0 || request.max_breadth == 0 || has_looped(request, loop) ||
      read_route_set(request, arrival, published->identity, routes) != RouteDefect::none ||
      choose(arrival, request, routes, direction) != Rule::route) {
    return statistics.count(Dropped::ack);
  }
  const uint32_t source = key_of_peer(arrival.peer);
  const uint32_t next_hop = pick(direction, {&source, 1});
  if (next_hop == kNoNextHop) return statistics.count(Dropped::ack);
  const Branch branch{kStateless, hash_of(request.via.value, shown_seed), loop};
  Editor editor(request);
  const PathEnd in{&published->identity.side_of(arrival), source, {}};
  Leaving leaving{branch, breadth_of(request)};
  if (anchor_request({request, &routes, &arrival, loop}, arrival.peer.next_hop, next_hop, editor,
                     leaving.anchor) != 0) {
    return statistics.count(Dropped::ack);
  }
  edit_trust(editor, request, origin_of(arrival.peer), published->next_hops.origin(next_hop));
  edit_request(editor, request, routes, arrival, in, path_out(next_hop), leaving, forward_room);
  const auto size = editor.write(room());
  if (!size) return statistics.count(Dropped::ack);
  const auto sent_to = outbound.send_to_next_hop(next_hop, {room().data(), *size}, 0);
  if (sent_to.outcome == SendOutcome::full || sent_to.outcome == SendOutcome::gone) {
    statistics.count(Dropped::ack);
  }
}

}  // namespace fedge::sip
