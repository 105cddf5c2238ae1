#include "dataplane/media/turn_tcp.h"

#include "dataplane/media/turn_server.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

using stun::Error;
using stun::Type;

namespace {

// What an answer needs when front says what became of a request.
struct Pending {
  stun::Transaction transaction{};
  ConnectionId connection = 0;
  bool has_fingerprint = false;
  bool signs_sha256 = false;

  Echo write() const {
    Echo echo{};
    std::memcpy(echo.data(), transaction.data(), transaction.size());
    std::memcpy(&echo[16], &connection, sizeof connection);
    echo[24] = static_cast<std::byte>((has_fingerprint ? 1 : 0) | (signs_sha256 ? 2 : 0));
    return echo;
  }
  static Pending read(const Echo& echo) {
    Pending pending;
    std::memcpy(pending.transaction.data(), echo.data(), pending.transaction.size());
    std::memcpy(&pending.connection, &echo[16], sizeof pending.connection);
    pending.has_fingerprint = (echo[24] & std::byte{1}) != std::byte{0};
    pending.signs_sha256 = (echo[24] & std::byte{2}) != std::byte{0};
    return pending;
  }
};

Error error_of(TcpFailure failure) {
  switch (failure) {
    case TcpFailure::known:
      return Error::connection_already_exists;
    case TcpFailure::unknown_peer:
      return Error::bad_request;
    case TcpFailure::refused:
    case TcpFailure::limit:
      break;
  }
  return Error::connection_timeout_or_failure;
}

}  // namespace

TcpListen describe_relay(const Sessions& sessions, uint32_t session, const Plan& plan) {
  const SessionRecord& record = sessions.record(session);
  const SessionDetails& details = sessions.details(session);
  TcpListen what;
  what.allocation = allocation_name(session, record.generation);
  what.user = details.user;
  if (record.kind == SessionKind::ms_turn) what.client = details.connection;
  what.realm = details.relay_realm;
  what.address = details.relay;
  what.public_address = details.relay;
  const int at = plan.find_local(text_of(details.relay_realm), details.relay);
  if (at >= 0) what.public_address = plan.locals()[static_cast<size_t>(at)].public_address;
  what.port = record.relay_port;
  return what;
}

bool TurnServer::name_relays(const Plan& plan) {
  if (tcp_ == nullptr) return true;
  for (uint32_t i = 0; i < sessions_.mark(); ++i) {
    if (!sessions_.in_use(i) || (sessions_.record(i).flags & session_flag::kTcpRelay) == 0)
      continue;
    // Without room for all, none may be taken for over.
    if (!tcp_->name(describe_relay(sessions_, i, plan))) return false;
  }
  return tcp_->unlisten({});
}

// RFC 6062 section 5.2. The answer comes when front knows.
size_t TurnServer::on_connect(Exchange& exchange) {
  const SessionRecord& record = sessions_.record(exchange.session);
  if ((record.flags & session_flag::kTcpRelay) == 0 || tcp_ == nullptr)
    return refuse(exchange, Error::allocation_mismatch);
  const auto value = exchange.message.find_value(Type::xor_peer_address);
  const auto peer =
      value ? stun::read_xor_address(*value, exchange.message.transaction) : std::nullopt;
  if (!peer || peer->port == 0) return refuse(exchange, Error::bad_request);
  if (const auto error = judge_peer(exchange, *peer)) return refuse(exchange, *error);
  TcpConnect what;
  what.allocation = allocation_name(exchange.session, record.generation);
  what.peer_address = Address::of(peer->address);
  what.peer_port = peer->port;
  what.is_inside = exchange.plan.judge_peer(peer->address) == PeerVerdict::our_relay;
  what.echo = Pending{exchange.message.transaction, exchange.request.packet.connection,
                      exchange.message.has(Type::fingerprint), exchange.user.signs_sha256}
                  .write();
  if (!tcp_->connect(what)) return refuse(exchange, Error::connection_timeout_or_failure);
  return drop(exchange, Reason::none);
}

// Section 5.4: on a connection of its own, which front joins with the peer's.
size_t TurnServer::on_connection_bind(Exchange& exchange) {
  const auto value = exchange.message.find_value(Type::connection_id);
  const auto peer = value ? stun::read_number(*value) : std::nullopt;
  if (!peer || exchange.over_udp() || exchange.session != kNone || tcp_ == nullptr)
    return refuse(exchange, Error::bad_request);
  TcpBind what;
  what.connection = exchange.request.packet.connection;
  what.user = exchange.user.hash;
  what.peer = *peer;
  what.echo = Pending{exchange.message.transaction, what.connection,
                      exchange.message.has(Type::fingerprint), exchange.user.signs_sha256}
                  .write();
  stun::Writer writer = begin(exchange, stun::Class::success);
  const bool is_signed = credentials_.sign(writer, exchange.user);
  if (exchange.message.has(Type::fingerprint)) writer.add_fingerprint();
  if (!is_signed || !writer.fits() || !tcp_->bind(what, writer.written()))
    return refuse(exchange, Error::server_error);
  return drop(exchange, Reason::none);
}

uint32_t TurnServer::find_tcp(uint64_t allocation) const {
  const uint32_t session =
      sessions_.find({static_cast<uint32_t>(allocation), static_cast<uint32_t>(allocation >> 32)});
  if (session == kNone || sessions_.record(session).kind == SessionKind::anchor) return kNone;
  return (sessions_.record(session).flags & session_flag::kTcpRelay) != 0 ? session : kNone;
}

void TurnServer::answer_connect(uint32_t session, const Echo& echo, std::optional<Error> error,
                                PeerId peer) {
  const Pending pending = Pending::read(echo);
  const SessionDetails& details = sessions_.details(session);
  stun::Writer writer(scratch_, stun::Method::connect,
                      error ? stun::Class::error : stun::Class::success, pending.transaction);
  if (error) {
    writer.add_error(*error);
  } else {
    writer.add_number(Type::connection_id, peer);
  }
  TurnUser user;
  user.key = details.turn.key;
  user.key_size = details.turn.key_size;
  user.signs_sha256 = pending.signs_sha256;
  if (!credentials_.sign(writer, user)) return;
  if (pending.has_fingerprint) writer.add_fingerprint();
  (void)tcp_->send(details.connection, writer.written());
}

void TurnServer::on_tcp_connected(const TcpConnected& event) {
  const uint32_t session = find_tcp(event.allocation);
  if (session == kNone) {
    (void)tcp_->drop({event.peer});
    return;
  }
  answer_connect(session, event.echo, std::nullopt, event.peer);
}

void TurnServer::on_tcp_failed(const TcpFailed& event) {
  const TcpFailure failure = is_valid(event.failure) ? event.failure : TcpFailure::refused;
  if (event.allocation != 0) {
    const uint32_t session = find_tcp(event.allocation);
    if (session != kNone) answer_connect(session, event.echo, error_of(failure), 0);
    return;
  }
  // Of a ConnectionBind: nobody remembers with which key, so it is not signed.
  const Pending pending = Pending::read(event.echo);
  stun::Writer writer(scratch_, stun::Method::connection_bind, stun::Class::error,
                      pending.transaction);
  writer.add_error(error_of(failure));
  if (pending.has_fingerprint) writer.add_fingerprint();
  (void)tcp_->send(pending.connection, writer.written());
}

// RFC 6062 section 5.3: a peer that is permitted; others are closed without a word.
void TurnServer::on_tcp_incoming(const TcpIncoming& event, const Plan& plan, Instant now) {
  const uint32_t session = find_tcp(event.allocation);
  if (session == kNone ||
      sessions_.find_peer(session, event.peer_address, event.peer_port, now) == kNone ||
      plan.judge_peer(event.peer_address.ip()) == PeerVerdict::denied) {
    (void)tcp_->drop({event.peer});
    return;
  }
  if (sessions_.record(session).kind == SessionKind::ms_turn) {
    (void)tcp_->accept({event.peer});
    return;
  }
  std::array<std::byte, stun::kTransactionIdSize> id{};
  const std::array<uint64_t, 2> random{draws_.next(), draws_.next()};
  std::memcpy(id.data(), random.data(), id.size());
  stun::Writer writer(scratch_, stun::Method::connection_attempt, stun::Class::indication,
                      stun::make_transaction(id));
  writer.add_number(Type::connection_id, event.peer)
      .add_xor_address(Type::xor_peer_address, {event.peer_address.ip(), event.peer_port});
  (void)tcp_->send(sessions_.details(session).connection, writer.written());
}

// What an earlier plan permitted.
void TurnServer::on_tcp_there(const TcpThere& event, const Plan& plan) {
  const uint32_t session = find_tcp(event.allocation);
  if (session != kNone && sessions_.record(session).plan != plan.sequence() &&
      !sessions_.renew(session)) {
    sessions_.end(session, EndCause::publish);
  } else if (session == kNone || plan.judge_peer(event.peer_address.ip()) == PeerVerdict::denied) {
    (void)tcp_->drop({event.peer});
  }
}

void TurnServer::on_tcp_closed(const TcpClosed& event) {
  const uint32_t session = find_tcp(event.allocation);
  if (session == kNone) return;
  auto& traffic = sessions_.record(session).traffic;
  traffic[0].bytes += event.from_client;
  traffic[1].bytes += event.to_client;
}

// Without a connection there is no five-tuple; a client that may move can come back by its ticket.
void TurnServer::on_connection_closed(ConnectionId connection) {
  const uint32_t session = sessions_.find_connection(connection);
  if (session == kNone || (sessions_.record(session).flags & session_flag::kMobile) != 0) return;
  sessions_.end(session, EndCause::client);
}

void TurnServer::on_end(SessionId id, const SessionRecord& record, const SessionDetails&,
                        EndCause) {
  if (tcp_ != nullptr && (record.flags & session_flag::kTcpRelay) != 0)
    (void)tcp_->unlisten({allocation_name(id.index, id.generation)});
}

}  // namespace fedge::media
