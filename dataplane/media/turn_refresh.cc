// Refresh (RFC 8656 section 8), and clients that are elsewhere now (RFC 8016).
#include <charconv>

#include "dataplane/media/turn_server.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

using stun::Error;
using stun::Type;

namespace {

// What a MOBILITY-TICKET holds: which session of which worker, and what only its owner was told.
// It is in the record, so a ticket outlives a restart. As text without an end: coturn's clients
// take it for a string, of at most 32.
struct Ticket {
  static constexpr size_t kSize = 32;
  SessionId session;
  uint64_t secret = 0;
  uint8_t worker = 0;

  static std::optional<Ticket> read(Bytes octets) {
    if (octets.size() != kSize) return std::nullopt;
    std::array<uint64_t, 2> words{};
    const char* const text = as_text(octets).data();
    for (size_t i = 0; i < 2; ++i) {
      const char* const end = text + 16 * (i + 1);
      if (std::from_chars(text + 16 * i, end, words[i], 16).ptr != end) return std::nullopt;
    }
    Ticket ticket;
    ticket.worker = words[0] >> 60;
    ticket.session = {static_cast<uint32_t>(words[0] >> 32 & 0xfffffff),
                      static_cast<uint32_t>(words[0])};
    ticket.secret = words[1];
    return ticket;
  }
  std::array<std::byte, kSize> write() const {
    const uint64_t name =
        uint64_t{worker} << 60 | uint64_t{session.index} << 32 | session.generation;
    std::array<std::byte, kSize> out;
    for (size_t i = 0; i < kSize; ++i) {
      const uint64_t word = i < 16 ? name : secret;
      out[i] = static_cast<std::byte>("0123456789abcdef"[word >> (60 - 4 * (i % 16)) & 15]);
    }
    return out;
  }
};

bool are_equal(uint64_t a, uint64_t b) {
  return pki::are_equal_secretly(std::as_bytes(std::span(&a, 1)), std::as_bytes(std::span(&b, 1)));
}

}  // namespace

void TurnServer::add_ticket(stun::Writer& writer, uint32_t session) {
  if ((sessions_.record(session).flags & session_flag::kMobile) == 0) return;
  const Ticket ticket{sessions_.id(session), sessions_.details(session).turn.ticket,
                      sessions_.worker()};
  writer.add(Type::mobility_ticket, ticket.write());
}

size_t TurnServer::on_refresh(Exchange& exchange) {
  const auto ticket = exchange.message.find_value(Type::mobility_ticket);
  if (has_allocation(exchange)) return refresh(exchange);
  if (exchange.session != kNone || !ticket) return refuse(exchange, Error::allocation_mismatch);
  return on_move(exchange, *ticket);
}

// A client at a new address: the ticket says whose allocation it wants, the credentials that it is
// its own.
size_t TurnServer::on_move(Exchange& exchange, Bytes octets) {
  const auto ticket = Ticket::read(octets);
  if (!ticket) return refuse(exchange, Error::bad_request);
  if (is_of_another(exchange, ticket->worker)) return 0;
  if (ticket->worker != sessions_.worker()) return refuse(exchange, Error::bad_request);
  const uint32_t session = sessions_.find(ticket->session);
  if (session == kNone || sessions_.record(session).kind != SessionKind::turn)
    return refuse(exchange, Error::allocation_mismatch);
  const SessionRecord& record = sessions_.record(session);
  TurnDetails& turn = sessions_.details(session).turn;
  if ((record.flags & session_flag::kMobile) == 0)
    return refuse(exchange, Error::mobility_forbidden);
  if (!are_equal(turn.ticket, ticket->secret)) return refuse(exchange, Error::bad_request);
  if (sessions_.details(session).user != exchange.user.hash)
    return refuse(exchange, Error::wrong_credentials);
  if (record.plan != exchange.plan.sequence() && !sessions_.renew(session)) {
    sessions_.end(session, EndCause::publish);
    return refuse(exchange, Error::allocation_mismatch);
  }
  if (!sessions_.move(session, describe_session(SessionKind::turn, exchange.request, exchange.plan,
                                                exchange.user)))
    return refuse(exchange, Error::allocation_mismatch);
  exchange.session = session;
  turn.ticket = draws_.next();
  keep_sender(exchange);
  ++counts_.moves;
  return refresh(exchange);
}

size_t TurnServer::refresh(Exchange& exchange) {
  bool is_malformed = false;
  const uint32_t lifetime_s = lifetime_of(exchange.message, exchange.plan, is_malformed);
  if (is_malformed) return refuse(exchange, Error::bad_request);
  const auto family = exchange.message.find_value(Type::requested_address_family);
  bool is_v4 = false;
  if (family) {
    const auto number = turn::read_address_family(*family);
    if (!number) return refuse(exchange, Error::bad_request);
    is_v4 = turn::is_family(*number, stun::Family::ipv4);
    if ((!is_v4 && !turn::is_family(*number, stun::Family::ipv6)) ||
        !has_family(exchange.session, is_v4))
      return refuse(exchange, Error::peer_address_family_mismatch);
  }
  if (lifetime_s != 0) {
    sessions_.set_expiry(exchange.session, exchange.now + std::chrono::seconds(lifetime_s));
  } else if (family && sessions_.record(exchange.session).second_relay_port != 0) {
    end_family(exchange, is_v4 ? 4 : 6);
  } else {
    sessions_.end(exchange.session, EndCause::client);
    exchange.session = kNone;
  }
  return answer_refresh(exchange, lifetime_s);
}

// Of an allocation with both families one ends (section 8.2).
void TurnServer::end_family(Exchange& exchange, uint8_t family) {
  SessionRecord& record = sessions_.record(exchange.session);
  SessionDetails& details = sessions_.details(exchange.session);
  if (details.relay.is_v4() == (family == 4)) {
    if ((record.flags & session_flag::kHoldsNextPort) != 0)
      sessions_.free_port(sessions_.take_held(exchange.session));
    sessions_.free_port({record.relay, record.relay_port});
    const LocalAddress& left = exchange.plan.locals()[record.second_relay];
    record.relay = record.second_relay;
    record.relay_port = record.second_relay_port;
    details.relay = details.second_relay;
    details.relay_realm = realm_name(exchange.plan.realms()[left.realm].name);
  } else {
    sessions_.free_port({record.second_relay, record.second_relay_port});
  }
  record.second_relay = 0;
  record.second_relay_port = 0;
  details.second_relay = {};
}

size_t TurnServer::answer_refresh(Exchange& exchange, uint32_t lifetime_s) {
  stun::Writer writer = begin(exchange, stun::Class::success);
  writer.add_number(Type::lifetime, lifetime_s);
  if (exchange.session != kNone) add_ticket(writer, exchange.session);
  return succeed(exchange, writer);
}

}  // namespace fedge::media
