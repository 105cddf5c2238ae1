// Accepted connections: limits, handshakes, and who the peer is.
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "dataplane/signal/crew.h"
#include "firmware/base/log.h"
#include "firmware/snapshot/routes.h"

namespace fedge::signal {

namespace {

// When all handshakes are taken, one whose peer has said nothing for so long makes room; sooner,
// when its source has many and another one wants the first.
constexpr Duration kSilence = 1s;
constexpr Duration kHesitation = 100ms;
// Names of a certificate that are looked at.
constexpr size_t kMostNames = 64;

bool has_unread(int fd) {
  char octet;
  return ::recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

}  // namespace

// Indices of the generation that the visitor came with become indices of the one in use.
void Worker::take_in(Visitor visitor) {
  if (visitor.generation != generation_) catch_up(crew_.latest().number);
  const bool is_older = visitor.generation != generation_;
  Connection* added = stopping_ ? nullptr : table_.add(*this);
  if (added == nullptr || !loop_.watch(visitor.socket.get(), EPOLLIN, *added)) {
    if (added != nullptr) table_.remove(*added);
    return crew_.report_left(visitor.admission);
  }
  Connection& connection = *added;
  const Generation& from = *visitor.generation;
  const Instant now = loop_.now();
  connection.interest = EPOLLIN;
  connection.transport = visitor.transport;
  connection.realm = is_older ? generation_->find_realm_of(from, visitor.realm) : visitor.realm;
  connection.listener =
      is_older ? generation_->find_listener_of(from, visitor.listener) : visitor.listener;
  connection.remote = visitor.remote;
  connection.local = visitor.local;
  connection.admission = visitor.admission;
  connection.socket = std::move(visitor.socket);
  connection.tls = std::move(visitor.tls);
  connection.framer = make_framer();
  connection.last_activity = now;
  ++accepted_;
  // Before anything looks up or announces who it is.
  if (is_older) {
    if (connection.realm == snapshot::kNone16) return close(connection, CloseReason::realm_gone);
    if (!generation_->has_address(connection.realm, connection.local.address)) {
      return close(connection, CloseReason::address_gone);
    }
  }
  if (!visitor.is_open && connection.uses_tls()) {
    connection.state = ConnectionState::handshaking;
    connection.phase_ends = now + std::chrono::milliseconds(generation_->limits().handshake_ms);
    arm(connection);
    handshakes_.add(connection);
  } else {
    on_open(connection, now);
    if (!visitor.is_open && is_elsewhere(connection)) return hand_over(connection, {}, {});
  }
  if (!visitor.is_open) return;
  note_place(connection);
  congested_ = nullptr;
  if (go_on(connection, visitor, now)) {
    if (congested_ != nullptr) hold_back(connection, *congested_, now);
    update_interest(connection);
  }
  congested_ = nullptr;
}

sip::StreamFramer Worker::make_framer() const {
  sip::StreamLimits limits;
  limits.message = reader_.most_message();
  limits.head = std::min(limits.head, limits.message);
  return sip::StreamFramer(limits);
}

// The limit is of all workers; each has its share.
uint32_t Worker::most_handshakes() const {
  return std::max(generation_->limits().max_handshakes / crew_.size(), 1u);
}

void Worker::drop_oldest_silent() {
  Connection* const silent = handshakes_.oldest_silent();
  if (silent != nullptr) close(*silent, CloseReason::handshake_timeout);
}

// Until a connection has said something it takes no place; then it may have to wait for one. A
// newcomer does not wait for peers of a busy source that have fallen silent.
bool Worker::may_shake_hands(Connection& connection, Instant now) {
  if (connection.handshake == HandshakeTurn::working) return true;
  const snapshot::Signalling& limits = generation_->limits();
  const bool is_full = handshakes_.working() >= most_handshakes();
  if (is_full && !has_unread(connection.socket.get())) return true;  // its end: reading finds it
  if (handshakes_.begin(connection, most_handshakes())) {
    connection.phase_ends = now + std::chrono::milliseconds(limits.handshake_ms);
    return true;
  }
  make_place_for(connection, now);
  return connection.handshake == HandshakeTurn::working;
}

void Worker::make_place_for(Connection& connection, Instant now) {
  const bool is_patient = connection.of_busy_source;
  Connection* const idle = is_patient ? nullptr : find_idle_handshake(now);
  if (idle != nullptr) close(*idle, CloseReason::handshake_timeout);
  if (connection.handshake != HandshakeTurn::waiting) return;
  connection.phase_ends = is_patient ? never : now + kHesitation;
  update_interest(connection);
  arm(connection);
}

Connection* Worker::find_idle_handshake(Instant now) {
  for (Connection* c = handshakes_.oldest(); c != nullptr; c = c->handshake_next) {
    if (c->of_busy_source && now >= c->last_activity + kHesitation &&
        !has_unread(c->socket.get())) {
      return c;
    }
  }
  return nullptr;
}

// The places that it leaves are for those that wait.
void Worker::end_handshake(Connection& connection, Instant now) {
  if (connection.handshake == HandshakeTurn::none) return;
  handshakes_.remove(connection);
  const snapshot::Signalling& limits = generation_->limits();
  while (Connection* const next = handshakes_.next(most_handshakes())) {
    next->phase_ends = now + std::chrono::milliseconds(limits.handshake_ms);
    update_interest(*next);
    arm(*next);
  }
}

void Worker::evict_silent_handshakes(Instant now) {
  const Duration handshake = std::chrono::milliseconds(generation_->limits().handshake_ms);
  const Duration silence = std::min(kSilence, handshake);
  Connection* next = nullptr;
  for (Connection* c = handshakes_.oldest(); c != nullptr; c = next) {
    next = c->handshake_next;
    if (now < c->last_activity + silence || has_unread(c->socket.get())) continue;
    close(*c, CloseReason::handshake_timeout);
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
    if (!connection.dialled()) end_handshake(connection, now);
  }
  if (connection.dialled()) on_trunk_up(connection);
  identify(connection);
  if (!is_elsewhere(connection)) announcer_.on_changed(connection);
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
