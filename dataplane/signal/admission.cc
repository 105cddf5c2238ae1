// Accepted connections: limits, handshakes, and who the peer is.
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "dataplane/signal/worker.h"
#include "firmware/base/log.h"
#include "firmware/snapshot/routes.h"

namespace fedge::signal {

namespace {

// When all handshakes are taken, one whose peer has said nothing for so long makes room.
constexpr Duration kSilence = 1s;
// Names of a certificate that are looked at.
constexpr size_t kMostNames = 64;

bool has_unread(int fd) {
  char octet;
  return ::recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

}  // namespace

void Worker::on_accept(Fd socket, const Endpoint& remote, uint16_t listener) {
  const snapshot::Signalling& limits = generation_->limits();
  const snapshot::Listener& record = generation_->listener_list()[listener];
  // Closed at once, so that the peer learns of it; the limit is counted.
  if (accepted_ >= limits.max_connections) {
    return statistics_.add(statistics_.refused_connections);
  }
  if (sources_.connections(record.realm, remote.address) >= limits.max_connections_per_source ||
      !sources_.add(record.realm, remote.address)) {
    return statistics_.add(statistics_.refused_source);
  }
  Connection* added = table_.add(*this);
  if (added == nullptr || !loop_.watch(socket.get(), EPOLLIN, *added)) {
    sources_.remove(record.realm, remote.address);
    if (added != nullptr) table_.remove(*added);
    return statistics_.add(statistics_.refused_connections);
  }
  Connection& connection = *added;
  connection.interest = EPOLLIN;
  connection.transport = record.transport;
  connection.realm = record.realm;
  connection.listener = listener;
  connection.remote = remote;
  connection.local =
      record.endpoint.address.is_unspecified() ? local_endpoint(socket.get()) : record.endpoint;
  connection.socket = std::move(socket);
  connection.framer = make_framer();
  connection.last_activity = loop_.now();
  ++accepted_;
  statistics_.add(statistics_.accepted);
  if (!connection.uses_tls()) return on_open(connection, loop_.now());
  connection.state = ConnectionState::handshaking;
  connection.phase_ends = loop_.now() + std::chrono::milliseconds(limits.handshake_ms);
  arm(connection);
  count_handshake(1);
}

sip::StreamFramer Worker::make_framer() const {
  sip::StreamLimits limits;
  limits.message = std::min(generation_->limits().max_message, reader_.most_message());
  limits.head = std::min(limits.head, limits.message);
  return sip::StreamFramer(limits);
}

void Worker::count_handshake(int change) {
  handshakes_ += static_cast<uint32_t>(change);
  const bool full = handshakes_ >= generation_->limits().max_handshakes;
  if (full != listeners_.paused()) listeners_.pause(full);
}

void Worker::evict_silent_handshakes(Instant now) {
  const Duration handshake = std::chrono::milliseconds(generation_->limits().handshake_ms);
  const Duration silence = std::min(kSilence, handshake);
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (connection.state != ConnectionState::handshaking || connection.dialled()) continue;
    if (now < connection.last_activity + silence) continue;
    if (!has_unread(connection.socket.get())) close(connection, CloseReason::handshake_timeout);
  }
}

void Worker::on_open(Connection& connection, Instant now) {
  const bool was_handshake = connection.state == ConnectionState::handshaking;
  connection.state = ConnectionState::open;
  connection.phase_ends = never;
  connection.last_activity = now;
  if (was_handshake) {
    statistics_.add(connection.tls->resumed() ? statistics_.handshakes_resumed
                                              : statistics_.handshakes_ok);
    if (!connection.dialled()) count_handshake(-1);
  }
  if (connection.dialled()) on_trunk_up(connection);
  identify(connection);
  announcer_.on_changed(connection);
  // The timer of the handshake may stand until the idle time is over: arm() only shortens.
  connection.deadline.cancel();
  arm(connection);
}

void Worker::on_handshake_failed(Connection& connection, Instant now) {
  statistics_.add(statistics_.handshakes_failed);
  const std::string why = connection.tls->failure();
  if (connection.dialled()) {
    return on_attempt_failed(connection, sip::SendFailure::handshake_failed, why, now);
  }
  if (may_log(now)) {
    log::warning("signal", "TLS handshake with {} in realm {} failed: {}", connection.remote.text(),
                 generation_->realm_name(connection.realm), why);
  }
  close(connection, CloseReason::handshake_failed);
}

// A flood of failures must not become a flood of lines.
bool Worker::may_log(Instant now) {
  if (now - log_window_ >= 1s) {
    log_window_ = now;
    logged_ = 0;
  }
  return logged_++ < 10;
}

void Worker::identify(Connection& connection) {
  connection.peer_known_in = epoch_;
  connection.peer = nullptr;
  connection.alias_refused = false;
  if (connection.state != ConnectionState::open) return;
  if (!connection.uses_tls()) {
    connection.peer = generation_->find_tcp_peer(connection.remote.address, connection.realm);
    return;
  }
  if (!connection.tls->peer_verified()) return;
  std::array<std::string_view, kMostNames> names;
  size_t count = 0;
  for (const std::string& name : connection.tls->peer_names()) {
    if (count == names.size()) break;
    names[count++] = name;
  }
  connection.peer =
      snapshot::find_peer(generation_->routing, std::span(names).first(count), connection.realm);
}

}  // namespace fedge::signal
