#include "dataplane/media/ms_turn_server.h"

#include <algorithm>
#include <cstring>

#include "dataplane/media/relay.h"
#include "firmware/wire/stun/attributes.h"

namespace fedge::media {

using ms_turn::Kind;
using ms_turn::Type;
using stun::Error;

namespace {

constexpr uint32_t kNumbersKept = 64;

uint64_t number_at(const std::array<std::byte, 32>& seed, size_t at) {
  uint64_t out;
  std::memcpy(&out, &seed[at], sizeof out);
  return out;
}

}  // namespace

MsTurnServer::MsTurnServer(Sessions& sessions, const Quotas& quotas, TcpRelay* tcp,
                           const Setup& setup)
    : sessions_(sessions),
      quotas_(quotas),
      tcp_(tcp),
      credentials_(std::span(setup.seed).first<pki::Cmac::kKeySize>()),
      draws_(std::span(setup.seed).last<pki::Cmac::kKeySize>()),
      strangers_(number_at(setup.seed, 8) ^ number_at(setup.seed, 24), setup.strangers) {}

size_t MsTurnServer::drop(Exchange& exchange, Reason reason) {
  exchange.request.packet.reason = reason;
  return 0;
}

bool MsTurnServer::has_allocation(const Exchange& exchange) const {
  return exchange.session != kNone &&
         sessions_.record(exchange.session).kind == SessionKind::ms_turn;
}

size_t MsTurnServer::on_stun(Request& request, const Plan& plan, Instant now) {
  Exchange exchange{.request = request, .plan = plan, .now = now, .message = {}, .user = {}};
  if (ms_turn::parse(request.message, exchange.message) != ms_turn::Malformed::none)
    return drop(exchange, Reason::malformed_stun);
  exchange.session = find_live_session(sessions_, request, plan, now);
  switch (exchange.message.kind) {
    case Kind::send_request:
      return on_send(exchange);
    case Kind::allocate_request:
    case Kind::set_active_destination_request:
      return on_request(exchange);
    default:
      return drop(exchange, Reason::malformed_stun);
  }
}

// Datagrams overtake each other, so the last 64 numbers are remembered. Clients may leave the
// attribute out: libnice does in its refreshes.
MsTurnServer::Order MsTurnServer::take_number(Exchange& exchange) {
  const auto value = exchange.message.find_value(Type::ms_sequence_number);
  const auto number = value ? ms_turn::read_sequence_number(*value) : std::nullopt;
  if (!value) return Order::next;
  TurnDetails& turn = sessions_.details(exchange.session).turn;
  const bool is_ours = number && std::memcmp(number->connection.data(), turn.connection_id.data(),
                                             number->connection.size()) == 0;
  if (!is_ours) return Order::replay;
  const auto ahead = static_cast<int32_t>(number->sequence - turn.sequence);
  if (ahead > 0) {
    const auto by = static_cast<uint32_t>(ahead);
    turn.sequences = by < kNumbersKept ? turn.sequences << by | 1 : 1;
    turn.sequence = number->sequence;
    return Order::next;
  }
  const uint32_t behind = turn.sequence - number->sequence;
  if (behind >= kNumbersKept) return Order::replay;
  if ((turn.sequences >> behind & 1) == 0) {
    turn.sequences |= uint64_t{1} << behind;
    return Order::next;
  }
  return turn.last_transaction == exchange.message.transaction ? Order::again : Order::replay;
}

// Why the peer may not be one; Reason::none: it may. A request that names none is malformed.
Reason MsTurnServer::read_peer(const Exchange& exchange, Peer& peer) const {
  const auto value = exchange.message.find_value(Type::destination_address);
  const auto endpoint = value ? stun::read_address(*value) : std::nullopt;
  if (!endpoint || endpoint->port == 0) return Reason::malformed_stun;
  peer = {Address::of(endpoint->address), endpoint->port};
  if (endpoint->address.is_v6() && peer.address.is_v4()) return Reason::peer_denied;
  if (sessions_.details(exchange.session).relay.is_v4() != peer.address.is_v4())
    return Reason::no_route;
  switch (exchange.plan.judge_peer(endpoint->address)) {
    case PeerVerdict::allowed:
      return Reason::none;
    case PeerVerdict::denied:
      return Reason::peer_denied;
    case PeerVerdict::our_relay:
      break;
  }
  // Of ours relay ports only, no listener.
  const int relay = exchange.plan.find_relay(peer.address);
  const bool is_relay =
      relay >= 0 && exchange.plan.locals()[static_cast<size_t>(relay)].has_relay_port(peer.port);
  peer.is_inside = true;
  return is_relay ? Reason::none : Reason::peer_denied;
}

// [MS-TURN] 3.3.5.2: permits the peer, carries data to it, and is never answered.
size_t MsTurnServer::on_send(Exchange& exchange) {
  if (!has_allocation(exchange) ||
      !credentials_.is_of(exchange.message, sessions_.details(exchange.session)))
    return drop(exchange, Reason::unauthenticated);
  if (take_number(exchange) != Order::next) return drop(exchange, Reason::replayed);
  const uint32_t session = exchange.session;
  SessionRecord& record = sessions_.record(session);
  record.client_mac = exchange.request.client_mac;
  std::array<uint16_t, 1> unknown{};
  if (ms_turn::find_not_understood(exchange.message, unknown) != 0)
    return drop(exchange, Reason::malformed_stun);
  Peer peer;
  if (const Reason reason = read_peer(exchange, peer); reason != Reason::none)
    return drop(exchange, reason);
  uint32_t at = sessions_.find_peer(session, peer.address, peer.port, exchange.now);
  if (at == kNone) {
    if (!sessions_.permit(session, peer.address,
                          Instant(Duration(sessions_.details(session).expires))))
      return drop(exchange, Reason::no_permission);
    at = sessions_.find_peer(session, peer.address, peer.port, exchange.now);
  }
  const ms_turn::Attribute* const data = exchange.message.find(Type::data);
  if (data == nullptr) return drop(exchange, Reason::none);
  if (!exchange.over_udp()) return send_by_tcp(exchange, peer, exchange.message.value(*data));
  exchange.request.carried = {at, peer.port, static_cast<uint16_t>(data->at), data->size};
  return 0;
}

size_t MsTurnServer::send_by_tcp(Exchange& exchange, const Peer& peer, Bytes data) {
  TcpSend what;
  what.allocation =
      allocation_name(exchange.session, sessions_.record(exchange.session).generation);
  what.peer_address = peer.address;
  what.peer_port = peer.port;
  what.is_inside = peer.is_inside;
  return drop(exchange, tcp_->send_to(what, data) ? Reason::none : Reason::limited);
}

// Who, then what must be understood, then what.
size_t MsTurnServer::on_request(Exchange& exchange) {
  const Request& request = exchange.request;
  MsTurnCredentials::Sender sender{request.client, request.client_port, nullptr};
  if (exchange.session != kNone) sender.session = &sessions_.details(exchange.session);
  const auto error = credentials_.check(exchange.message, sender, exchange.plan, exchange.now,
                                        time_of_day_.at(exchange.now), exchange.user);
  if (error && *error != Error::wrong_credentials) {
    if (!exchange.over_udp() || strangers_.take(request.client, exchange.now))
      return challenge(exchange, *error);
    ++counts_.limited;
    return drop(exchange, Reason::limited);
  }
  exchange.is_proven = true;
  if (exchange.over_udp() && exchange.message.kind == Kind::allocate_request)
    strangers_.give_back(request.client);
  if (error) return refuse(exchange, *error);
  std::array<uint16_t, 8> unknown{};
  const size_t count = ms_turn::find_not_understood(exchange.message, unknown);
  if (count != 0) return refuse_unknown(exchange, std::span(unknown).first(count));
  const bool is_allocate = exchange.message.kind == Kind::allocate_request;
  if (!has_allocation(exchange)) {
    const bool is_new = is_allocate && exchange.session == kNone;
    return is_new ? on_allocate(exchange) : refuse(exchange, Error::allocation_mismatch);
  }
  const Order order = take_number(exchange);
  if (order == Order::replay) return drop(exchange, Reason::replayed);
  sessions_.record(exchange.session).client_mac = request.client_mac;
  return is_allocate ? on_allocate(exchange) : on_set_active(exchange);
}

// --- Allocate ([MS-TURN] 3.3.5.1) --------------------------------------------------------------

std::optional<uint32_t> MsTurnServer::read_lifetime(const Exchange& exchange) const {
  const snapshot::Media& limits = exchange.plan.limits();
  const auto value = exchange.message.find_value(Type::lifetime);
  if (!value) return clamp_lifetime(limits.lifetime_default_s, limits);
  const auto wanted = stun::read_number(*value);
  return wanted ? std::optional(clamp_lifetime(*wanted, limits)) : std::nullopt;
}

// REQUESTED-ADDRESS-FAMILY: as RFC 8656's, one octet and three reserved. 0: none that we know.
std::optional<uint8_t> MsTurnServer::read_family(const Exchange& exchange) const {
  const auto value = exchange.message.find_value(Type::requested_address_family);
  if (!value) return uint8_t{4};
  if (value->size() != 4) return std::nullopt;
  switch (static_cast<stun::Family>((*value)[0])) {
    case stun::Family::ipv4:
      return uint8_t{4};
    case stun::Family::ipv6:
      return uint8_t{6};
  }
  return uint8_t{0};
}

size_t MsTurnServer::on_allocate(Exchange& exchange) {
  const auto lifetime_s = read_lifetime(exchange);
  const auto family = read_family(exchange);
  if (!lifetime_s || !family) return refuse(exchange, Error::bad_request);
  if (has_allocation(exchange)) return on_refresh(exchange, *lifetime_s);
  // Gives back what is not there (any more).
  if (*lifetime_s == 0) return refuse(exchange, Error::allocation_mismatch);
  if (*family == 0) return refuse(exchange, Error::address_family_not_supported);
  if (exchange.plan.limits().draining != 0) return redirect(exchange);
  if (!exchange.over_udp() && tcp_ == nullptr)
    return refuse(exchange, Error::insufficient_capacity);
  if (const auto error = check_quotas(quotas_, exchange.plan.limits(), exchange.request.client,
                                      exchange.user.hash))
    return refuse(exchange, *error);
  return make_allocation(exchange, *lifetime_s, *family);
}

size_t MsTurnServer::make_allocation(Exchange& exchange, uint32_t lifetime_s, uint8_t family) {
  const auto port = sessions_.take_port(family, PortWish::any);
  if (!port) return refuse(exchange, why_no_port(exchange.plan, family));
  const uint32_t session = sessions_.create(
      describe_session(SessionKind::ms_turn, exchange.request, exchange.plan, exchange.user),
      exchange.now);
  if (session == kNone) {
    sessions_.free_port(*port);
    return refuse(exchange, Error::insufficient_capacity);
  }
  exchange.session = session;
  sessions_.set_relay(session, *port);
  sessions_.record(session).client_mac = exchange.request.client_mac;
  TurnDetails& turn = sessions_.details(session).turn;
  turn.key = exchange.user.key;
  turn.key_size = exchange.user.key_size;
  turn.last_transaction = exchange.message.transaction;
  // libnice reads but one octet of the number: zero is the same to all.
  turn.sequence = 0;
  turn.sequences = 1;
  for (size_t i = 0; i < turn.connection_id.size(); i += sizeof(uint64_t)) {
    const uint64_t draw = draws_.next();
    std::memcpy(&turn.connection_id[i], &draw, sizeof draw);
  }
  sessions_.set_expiry(session, exchange.now + std::chrono::seconds(lifetime_s));
  if (!exchange.over_udp()) {
    sessions_.record(session).flags |= session_flag::kTcpRelay;
    if (!tcp_->listen(describe_relay(sessions_, session, exchange.plan))) {
      sessions_.end(session, EndCause::client);
      exchange.session = kNone;
      return refuse(exchange, Error::insufficient_capacity);
    }
  }
  ++counts_.allocations;
  return answer_allocate(exchange, lifetime_s);
}

// A lost answer is given again: the first Allocate's once more changes nothing but the time.
size_t MsTurnServer::on_refresh(Exchange& exchange, uint32_t lifetime_s) {
  if (lifetime_s == 0) {
    const size_t size = answer_allocate(exchange, 0);
    sessions_.end(exchange.session, EndCause::client);
    return size;
  }
  sessions_.details(exchange.session).turn.last_transaction = exchange.message.transaction;
  set_expiry(exchange.session, exchange.now + std::chrono::seconds(lifetime_s));
  return answer_allocate(exchange, lifetime_s);
}

// Peers last as long as the allocation.
void MsTurnServer::set_expiry(uint32_t session, Instant until) {
  for (uint32_t i = sessions_.record(session).first_peer; i != kNone; i = sessions_.peer(i).next) {
    PeerRecord& peer = sessions_.peer(i);
    peer.permitted_until = to_ns(until);
    if (peer.channel != 0) peer.bound_until = to_ns(until);
  }
  sessions_.set_expiry(session, until);
}

// --- Set Active Destination ([MS-TURN] 3.3.5.3) ------------------------------------------------

bool MsTurnServer::make_active(const Exchange& exchange, const Peer& peer) {
  const uint32_t session = exchange.session;
  const Instant until{Duration(sessions_.details(session).expires)};
  const uint32_t old = sessions_.find_channel(session, Relay::kActiveDestination, exchange.now);
  if (old != kNone) {
    const PeerRecord before = sessions_.peer(old);
    if (before.address == peer.address && before.port == peer.port) return true;
    // It stays a peer. There is room: its own record is free.
    sessions_.remove_peer(session, old);
    (void)sessions_.permit(session, before.address, until);
  }
  return sessions_.bind_channel(session, Relay::kActiveDestination, peer.address, peer.port, until,
                                until) == Sessions::Bind::ok;
}

size_t MsTurnServer::on_set_active(Exchange& exchange) {
  Peer peer;
  switch (read_peer(exchange, peer)) {
    case Reason::none:
      break;
    case Reason::peer_denied:
      return refuse(exchange, Error::forbidden);
    case Reason::no_route:
      return refuse(exchange, Error::address_family_not_supported);
    default:
      return refuse(exchange, Error::bad_request);
  }
  if (!make_active(exchange, peer)) return refuse(exchange, Error::insufficient_capacity);
  sessions_.details(exchange.session).turn.last_transaction = exchange.message.transaction;
  if (!exchange.over_udp()) return set_active_by_tcp(exchange, peer);
  return answer_set_active(exchange);
}

// Front gives the client the answer and what comes from that peer in this order.
size_t MsTurnServer::set_active_by_tcp(Exchange& exchange, const Peer& peer) {
  TcpActive what;
  what.allocation =
      allocation_name(exchange.session, sessions_.record(exchange.session).generation);
  what.peer_address = peer.address;
  what.peer_port = peer.port;
  what.is_inside = peer.is_inside;
  const size_t size = answer_set_active(exchange);
  if (size == 0) return 0;
  if (!tcp_->set_active(what, exchange.request.message.first(size)))
    return refuse(exchange, Error::insufficient_capacity);
  return drop(exchange, Reason::none);
}

}  // namespace fedge::media
