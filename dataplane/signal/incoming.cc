// From sockets to the proxy: reading, decrypting, handing out messages.
#include <algorithm>
#include <cerrno>

#include "dataplane/signal/worker.h"
#include "firmware/base/log.h"
#include "firmware/net/socket.h"
#include "firmware/wire/sip/constants.h"

namespace fedge::signal {

namespace {

// Handshake steps in one round: each costs milliseconds, and messages wait meanwhile.
constexpr uint32_t kHandshakeStepsPerRound = 4;
// Messages before their answers are sent, though the round is not over.
constexpr uint32_t kMessagesPerFlush = 128;
// Reads of one next hop's connection in a round. What it answers belongs to what has begun, and
// must not wait until every connection with new requests has had its turn.
constexpr int kReadsPerRound = 64;

}  // namespace

void Worker::on_connection_ready(Connection& connection, uint32_t events) {
  const Instant now = loop_.now();
  if (connection.state == ConnectionState::connecting) return on_connected(connection, now);
  if ((events & EPOLLOUT) != 0 && !write(connection, now)) return;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  if (connection.state == ConnectionState::handshaking) {
    // The socket stays readable: its turn comes in the next round.
    if (handshake_steps_ == kHandshakeStepsPerRound) return;
    if (!connection.dialled() && !may_shake_hands(connection, now)) {
      if ((events & (EPOLLHUP | EPOLLERR)) != 0) close(connection, CloseReason::reset);
      return;
    }
    ++handshake_steps_;
  }
  const int most = connection.dialled() ? kReadsPerRound : 1;
  for (int i = 0; i < most && read(connection, now); ++i) continue;
}

// Whether there may be more, and it may be read at once.
bool Worker::read(Connection& connection, Instant now) {
  congested_ = nullptr;
  is_full_read_ = false;
  const bool alive =
      connection.uses_tls() ? read_tls(connection, now) : read_plain(connection, now);
  if (alive) {
    if (congested_ != nullptr) hold_back(connection, *congested_, now);
    update_interest(connection);
  }
  congested_ = nullptr;
  const bool has_more = alive && is_full_read_ && connection.held_by == nullptr;
  // It may close the connection: its place and number are then another's, or nobody's.
  const sip::ConnectionId id = connection.id;
  if (unflushed_ >= kMessagesPerFlush) flush_round();
  return has_more && connection.id == id && connection.state == ConnectionState::open;
}

bool Worker::read_plain(Connection& connection, Instant now) {
  MutableBytes room = reader_.room(connection);
  room = room.first(std::min(room.size(), cipher_.size()));
  const ssize_t n = receive(connection.socket.get(), room, waited_);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) {
    close(connection, n == 0 ? CloseReason::peer_closed : CloseReason::reset);
    return false;
  }
  connection.last_activity = now;
  statistics_.add(statistics_.received_octets, static_cast<uint64_t>(n));
  is_full_read_ = static_cast<size_t>(n) == room.size();
  return take(connection, static_cast<size_t>(n), now);
}

bool Worker::read_tls(Connection& connection, Instant now) {
  const ssize_t n = receive(connection.socket.get(), cipher_, waited_);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n > 0) {
    connection.last_activity = now;
    statistics_.add(statistics_.received_octets, static_cast<uint64_t>(n));
    is_full_read_ = static_cast<size_t>(n) == cipher_.size();
    return decrypt(connection, Bytes(cipher_).first(static_cast<size_t>(n)), now);
  }
  if (connection.dialled() && connection.state != ConnectionState::open) {
    on_attempt_failed(connection, sip::SendFailure::handshake_failed,
                      "closed by the peer during the TLS handshake", now);
  } else {
    close(connection, n == 0 ? CloseReason::peer_closed : CloseReason::reset);
  }
  return false;
}

// Made when the first octets arrive: a connection that says nothing costs little.
bool Worker::start_server_tls(Connection& connection) {
  const auto listeners = generation_->listener_list();
  if (connection.listener == snapshot::kNone16 ||
      listeners[connection.listener].tls_context == snapshot::kNone16) {
    return false;
  }
  auto stream =
      pki::TlsStream::make(generation_->contexts[listeners[connection.listener].tls_context],
                           pki::TlsRole::server, {}, now_wall());
  if (!stream) {
    log::error("signal", "TLS: {}", stream.error().text());
    return false;
  }
  connection.tls = std::move(*stream);
  return true;
}

bool Worker::decrypt(Connection& connection, Bytes cipher, Instant now) {
  if (connection.tls == nullptr && !start_server_tls(connection)) {
    close(connection, CloseReason::handshake_failed);
    return false;
  }
  for (;;) {
    const MutableBytes room = reader_.room(connection);
    const auto progress = connection.tls->receive(cipher, room, output_);
    cipher = cipher.subspan(progress.consumed);
    const bool sent = output_.send_sunk(connection, now) != Output::Drain::failed;
    if (connection.state == ConnectionState::handshaking &&
        (!sent || progress.state == pki::TlsState::failed)) {
      on_handshake_failed(connection, now);
      return false;
    }
    if (!sent || progress.state == pki::TlsState::failed) {
      close(connection, CloseReason::reset);
      return false;
    }
    if (connection.state == ConnectionState::handshaking &&
        progress.state != pki::TlsState::handshaking) {
      on_open(connection, now);
      if (is_elsewhere(connection)) {
        hand_over(connection, room.first(progress.produced), cipher);
        return false;
      }
    }
    if (progress.produced > 0 && !take(connection, progress.produced, now)) return false;
    if (progress.state == pki::TlsState::closed) {
      close(connection, CloseReason::peer_closed);
      return false;
    }
    const bool stuck = progress.consumed == 0 && progress.produced == 0;
    if (stuck || (cipher.empty() && progress.produced < room.size())) return true;
  }
}

bool Worker::take(Connection& connection, size_t octets, Instant now) {
  switch (reader_.take(connection, octets, now, *this)) {
    case MessageReader::Verdict::ok:
      if (connection.partial_since != never) arm(connection);
      return true;
    case MessageReader::Verdict::broken:
      if (write(connection, now)) close(connection, CloseReason::malformed);
      return false;
    case MessageReader::Verdict::no_memory:
      close(connection, CloseReason::no_memory);
      return false;
  }
  return false;
}

sip::Arrival Worker::arrival_of(Connection& connection) {
  if (connection.peer_known_in != epoch_) identify(connection);
  sip::Arrival arrival;
  arrival.connection = connection.id;
  arrival.realm = connection.realm;
  arrival.listener = connection.listener;
  arrival.transport = connection.transport;
  arrival.local = connection.local;
  arrival.waited = std::min(waited_, loop_.now() - connection.reading_since);
  arrival.remote = connection.remote;
  if (const snapshot::Peer* peer = connection.peer; peer != nullptr) {
    arrival.peer.kind =
        peer->side == snapshot::PeerSide::inside ? sip::PeerKind::inside : sip::PeerKind::partner;
    arrival.peer.name = generation_->routing.text(peer->name);
    arrival.peer.domain = generation_->routing.text(peer->domain);
    arrival.peer.record = peer;
    arrival.peer.next_hop = peer->next_hop;
  }
  return arrival;
}

void Worker::on_message(Connection& connection, const sip::Message& message) {
  statistics_.add(statistics_.messages);
  ++unflushed_;
  const sip::Arrival arrival = arrival_of(connection);
  if (!alone_ && !message.is_request && pass_on(connection, arrival.peer.kind, message)) return;
  if (message.via.has_alias && message.is_request && !connection.alias_refused) {
    offer_alias(connection);
  }
  proxy_.on_message(arrival, message, loop_.now());
}

void Worker::on_malformed(Connection& connection, const sip::Message& message, sip::Defect defect) {
  ++unflushed_;
  proxy_.on_malformed(arrival_of(connection), message, defect, loop_.now());
}

// RFC 5626 section 4.4.1.
void Worker::on_ping(Connection& connection) {
  statistics_.add(statistics_.pings);
  (void)accept_bytes(connection, sip::kPong);
}

}  // namespace fedge::signal
