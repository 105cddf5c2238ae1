// Allocate (RFC 8656 section 7.2): checks in the RFC's order, ports, the session.
#include "dataplane/media/turn_server.h"
#include "dataplane/media/turn_tcp.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

using stun::Error;
using stun::Type;

namespace {

constexpr Duration kReservation = 30s;  // RFC 8656 section 7.2

// What coturn and its clients call it, after the draft before RFC 8656. Nobody else has the number.
constexpr auto kDraftAdditionalFamily = static_cast<Type>(0x8032);

std::optional<Bytes> find_additional_family(const stun::Message& message) {
  const auto value = message.find_value(Type::additional_address_family);
  return value ? value : message.find_value(kDraftAdditionalFamily);
}

std::optional<uint8_t> family_of(Bytes value) {
  const auto family = turn::read_address_family(value);
  if (!family) return std::nullopt;
  if (turn::is_family(*family, stun::Family::ipv4)) return 4;
  if (turn::is_family(*family, stun::Family::ipv6)) return 6;
  return 0;
}

stun::Family to_wire(uint8_t family) {
  return family == 4 ? stun::Family::ipv4 : stun::Family::ipv6;
}

}  // namespace

uint32_t TurnServer::lifetime_of(const stun::Message& message, const Plan& plan,
                                 bool& is_malformed) const {
  const auto value = message.find_value(Type::lifetime);
  const auto wanted =
      value ? stun::read_number(*value) : std::optional(plan.limits().lifetime_default_s);
  is_malformed = !wanted;
  return clamp_lifetime(wanted.value_or(0), plan.limits());
}

std::optional<Error> TurnServer::read_families(const stun::Message& message, Wishes& wishes) const {
  const auto one = message.find_value(Type::requested_address_family);
  const auto both = find_additional_family(message);
  if (one && both) return Error::bad_request;
  if (one) {
    const auto family = family_of(*one);
    if (!family) return Error::bad_request;
    if (*family == 0) return Error::address_family_not_supported;
    wishes.family = *family;
  }
  if (both) {
    // IPv4 comes of itself: only IPv6 can be the additional one (section 18.11).
    if (family_of(*both) != 6) return Error::bad_request;
    wishes.second_family = 6;
  }
  return std::nullopt;
}

std::optional<Error> TurnServer::read_ports(const stun::Message& message, Wishes& wishes) const {
  const auto even = message.find_value(Type::even_port);
  const auto token = message.find_value(Type::reservation_token);
  if (token) {
    const auto number = turn::read_token(*token);
    if (!number || *number == 0 || even || message.has(Type::requested_address_family) ||
        find_additional_family(message))
      return Error::bad_request;
    wishes.reservation = *number;
  }
  if (even) {
    const auto reserves = turn::read_even_port(*even);
    if (!reserves || (*reserves && wishes.second_family != 0)) return Error::bad_request;
    wishes.port = *reserves ? PortWish::even_and_next : PortWish::even;
  }
  return std::nullopt;
}

std::optional<Error> TurnServer::read_wishes(Exchange& exchange, Wishes& wishes) const {
  const stun::Message& message = exchange.message;
  const auto value = message.find_value(Type::requested_transport);
  const auto transport = value ? turn::read_transport(*value) : std::nullopt;
  if (!transport) return Error::bad_request;
  wishes.is_tcp = *transport == turn::kTcp;
  if (wishes.is_tcp) {
    if (tcp_ == nullptr) return Error::unsupported_transport;
    // RFC 6062 section 5.1: only over TCP, and nothing that is of datagrams.
    if (exchange.over_udp() || message.has(Type::even_port) || message.has(Type::dont_fragment) ||
        message.has(Type::reservation_token))
      return Error::bad_request;
  } else if (*transport != turn::kUdp) {
    return Error::unsupported_transport;
  }
  bool is_malformed = false;
  wishes.lifetime_s = lifetime_of(message, exchange.plan, is_malformed);
  if (is_malformed) return Error::bad_request;
  // Zero is no lifetime to begin with (section 7.2): the default.
  if (wishes.lifetime_s == 0) wishes.lifetime_s = exchange.plan.limits().lifetime_default_s;
  const auto ticket = message.find_value(Type::mobility_ticket);
  if (ticket && !ticket->empty()) return Error::bad_request;  // RFC 8016 section 3.1
  wishes.is_mobile = ticket.has_value();
  if (const auto error = read_families(message, wishes)) return error;
  if (wishes.is_tcp) wishes.second_family = 0;
  return read_ports(message, wishes);
}

// Whoever guesses a token must not get what another user holds.
std::optional<Error> TurnServer::take_reserved(const Exchange& exchange, const Wishes& wishes,
                                               Ports& ports) {
  const uint32_t holder = sessions_.find_reservation(wishes.reservation);
  if (holder == kNone || sessions_.details(holder).turn.held_until <= to_ns(exchange.now) ||
      sessions_.details(holder).user != exchange.user.hash)
    return Error::insufficient_capacity;
  ports.first = sessions_.take_held(holder);
  return std::nullopt;
}

std::optional<Error> TurnServer::take_ports(const Exchange& exchange, const Wishes& wishes,
                                            Ports& ports) {
  if (wishes.reservation != 0) return take_reserved(exchange, wishes, ports);
  const Plan& plan = exchange.plan;
  auto first = sessions_.take_port(wishes.family, wishes.port);
  if (wishes.second_family == 0) {
    if (!first) return why_no_port(plan, wishes.family);
    ports.first = *first;
    return std::nullopt;
  }
  // One of two is a success that says why the other is missing (section 7.2).
  auto second = sessions_.take_port(wishes.second_family, wishes.port);
  if (!first && !second) return why_no_port(plan, wishes.family);
  if (!first) std::swap(first, second);
  ports.first = *first;
  ports.second = second;
  return std::nullopt;
}

void TurnServer::free_ports(const Wishes& wishes, const Ports& ports) {
  sessions_.free_port(ports.first);
  if (ports.second) sessions_.free_port(*ports.second);
  if (wishes.port == PortWish::even_and_next)
    sessions_.free_port({ports.first.local, static_cast<uint16_t>(ports.first.port + 1)});
}

uint32_t TurnServer::make_session(Exchange& exchange, const Wishes& wishes, const Ports& ports) {
  const uint32_t session = sessions_.create(
      describe_session(SessionKind::turn, exchange.request, exchange.plan, exchange.user),
      exchange.now);
  if (session == kNone) return kNone;
  sessions_.set_relay(session, ports.first);
  if (ports.second) sessions_.set_relay(session, *ports.second);
  SessionRecord& record = sessions_.record(session);
  record.client_mac = exchange.request.client_mac;
  TurnDetails& turn = sessions_.details(session).turn;
  turn.key = exchange.user.key;
  turn.key_size = exchange.user.key_size;
  turn.is_sha256 = exchange.user.signs_sha256 ? 1 : 0;
  turn.last_transaction = exchange.message.transaction;
  if (wishes.is_tcp) record.flags |= session_flag::kTcpRelay;
  if (wishes.is_mobile) {
    record.flags |= session_flag::kMobile;
    turn.ticket = draws_.next();
  }
  if (wishes.port == PortWish::even_and_next)
    sessions_.hold_next_port(session, sessions_.new_reservation(session),
                             exchange.now + kReservation);
  sessions_.set_expiry(session, exchange.now + std::chrono::seconds(wishes.lifetime_s));
  exchange.session = session;
  return session;
}

size_t TurnServer::on_allocate(Exchange& exchange) {
  if (exchange.session != kNone) {
    // The answer got lost: the same again (section 7.2).
    const bool is_again =
        sessions_.record(exchange.session).kind == SessionKind::turn &&
        sessions_.details(exchange.session).turn.last_transaction == exchange.message.transaction;
    if (!is_again) return refuse(exchange, Error::allocation_mismatch);
    return answer_allocate(exchange);
  }
  Wishes wishes;
  if (const auto error = read_wishes(exchange, wishes)) return refuse(exchange, *error);
  if (wishes.reservation != 0 &&
      is_of_another(exchange, Sessions::worker_of_reservation(wishes.reservation)))
    return 0;
  if (exchange.plan.limits().draining != 0) return redirect(exchange);
  if (const auto error = check_quotas(quotas_, exchange.plan.limits(), exchange.request.client,
                                      exchange.user.hash))
    return refuse(exchange, *error);
  Ports ports;
  if (const auto error = take_ports(exchange, wishes, ports)) return refuse(exchange, *error);
  if (make_session(exchange, wishes, ports) == kNone) {
    free_ports(wishes, ports);
    return refuse(exchange, Error::insufficient_capacity);
  }
  if (wishes.is_tcp && !tcp_->listen(describe_relay(sessions_, exchange.session, exchange.plan))) {
    sessions_.end(exchange.session, EndCause::client);
    exchange.session = kNone;
    return refuse(exchange, Error::insufficient_capacity);
  }
  ++counts_.allocations;
  return answer_allocate(exchange);
}

size_t TurnServer::answer_allocate(Exchange& exchange) {
  const SessionRecord& record = sessions_.record(exchange.session);
  const TurnDetails& turn = sessions_.details(exchange.session).turn;
  stun::Writer writer = begin(exchange, stun::Class::success);
  const auto add_relayed = [&](uint16_t local, uint16_t port) {
    const Address& address = exchange.plan.locals()[local].public_address;
    writer.add_xor_address(Type::xor_relayed_address, {address.ip(), port});
    return address.is_v4() ? uint8_t{4} : uint8_t{6};
  };
  const uint8_t family = add_relayed(record.relay, record.relay_port);
  const uint8_t other = family == 4 ? 6 : 4;
  if (record.second_relay_port != 0) {
    add_relayed(record.second_relay, record.second_relay_port);
  } else if (find_additional_family(exchange.message)) {
    turn::add_address_error(writer, to_wire(other), why_no_port(exchange.plan, other));
  }
  add_mapped(writer, exchange);
  writer.add_number(Type::lifetime,
                    seconds_left(sessions_.details(exchange.session), exchange.now));
  if ((record.flags & session_flag::kHoldsNextPort) != 0)
    writer.add_long_number(Type::reservation_token, turn.reservation);
  add_ticket(writer, exchange.session);
  return succeed(exchange, writer);
}

}  // namespace fedge::media
