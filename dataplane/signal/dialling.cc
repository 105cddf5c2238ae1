// Connections to next hops: dialled when a message wants one, endpoint after endpoint.
#include <cerrno>
#include <cstring>

#include "dataplane/signal/worker.h"
#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

// After all endpoints failed, messages for this next hop are refused at once for a while.
constexpr Duration kHoldOff = 200ms;
// A retired connection closes only after it has been quiet for so long.
constexpr Duration kQuiet = 500ms;

}  // namespace

IpAddress Worker::source_for(uint16_t realm, const IpAddress& remote) const {
  const snapshot::Realm& record = generation_->realm_list()[realm];
  IpAddress source;
  for (const snapshot::RealmAddress& a : generation_->realms.items(record.addresses)) {
    if (a.address.address.family != remote.family) continue;
    if (a.address.contains(remote)) return a.address.address;
    if (!source) source = a.address.address;
  }
  return source;
}

Connection* Worker::dial(Trunk& trunk, Instant now) {
  if (now < trunk.down_until || stopping_) return nullptr;
  Connection* connection = table_.add(*this);
  if (connection == nullptr) return nullptr;
  if (!trunk.add(*connection)) {
    table_.remove(*connection);
    return nullptr;
  }
  connection->trunk = &trunk;
  connection->transport = trunk.transport;
  connection->realm = trunk.realm;
  connection->framer = make_framer();
  connection->last_activity = now;
  if (start_attempt(*connection, now)) return connection;
  trunk.down_until = now + kHoldOff;
  trunk.remove(*connection);
  table_.remove(*connection);
  return nullptr;
}

// False when no endpoint is left to try.
bool Worker::start_attempt(Connection& connection, Instant now) {
  Trunk& trunk = *connection.trunk;
  connection.state = ConnectionState::connecting;
  for (; connection.attempt < trunk.endpoints.size(); ++connection.attempt) {
    if (!trunk.listed()) return false;
    const Endpoint& remote =
        trunk.endpoints[(trunk.preferred + connection.attempt) % trunk.endpoints.size()];
    const IpAddress source = source_for(trunk.realm, remote.address);
    if (!source) {
      report_down(trunk, remote, "the realm has no address of this family");
      continue;
    }
    const SocketOptions options{.device = options_.use_devices ? trunk.realm_name : "",
                                .dscp = generation_->realm_list()[trunk.realm].dscp_signalling};
    auto socket = open_connecting_socket(source, remote, options);
    if (!socket || !loop_.watch(socket->get(), EPOLLOUT, connection)) {
      report_down(trunk, remote, socket ? "out of descriptors" : socket.error().what);
      continue;
    }
    connection.socket = std::move(*socket);
    connection.interest = EPOLLOUT;
    connection.remote = remote;
    connection.phase_ends = now + std::chrono::milliseconds(generation_->limits().connect_ms);
    connection.deadline.cancel();
    arm(connection);
    return true;
  }
  return false;
}

void Worker::on_connected(Connection& connection, Instant now) {
  const int error = socket_error(connection.socket.get());
  if (error != 0) {
    return on_attempt_failed(connection, sip::SendFailure::connect_refused, std::strerror(error),
                             now);
  }
  connection.local = local_endpoint(connection.socket.get());
  if (!connection.uses_tls()) {
    on_open(connection, now);
    return update_interest(connection);
  }
  Trunk& trunk = *connection.trunk;
  if (!trunk.listed()) return give_up(connection, sip::SendFailure::closed, now);
  auto stream = pki::TlsStream::make(generation_->contexts[trunk.tls_context], pki::TlsRole::client,
                                     trunk.host, now_wall());
  if (!stream) {
    return on_attempt_failed(connection, sip::SendFailure::handshake_failed, stream.error().text(),
                             now);
  }
  connection.tls = std::move(*stream);
  connection.state = ConnectionState::handshaking;
  connection.tls->start(output_);
  if (output_.send_sunk(connection, now) == Output::Drain::failed) {
    return on_attempt_failed(connection, sip::SendFailure::closed, "the connection broke", now);
  }
  update_interest(connection);
}

void Worker::on_trunk_up(Connection& connection) {
  Trunk& trunk = *connection.trunk;
  trunk.preferred =
      static_cast<uint32_t>((trunk.preferred + connection.attempt) % trunk.endpoints.size());
  trunk.down_until = {};
  statistics_.add(statistics_.dialled_ok);
  if (trunk.reported_down) {
    trunk.reported_down = false;
    log::info("signal", "next hop {} ({} in realm {}) is back", trunk.host,
              connection.remote.text(), trunk.realm_name);
  }
  tokens_.clear(connection);
  output_.schedule(connection);
}

// One line when a next hop fails, one when it is back.
void Worker::report_down(Trunk& trunk, const Endpoint& endpoint, const std::string& text) {
  if (trunk.reported_down) return;
  trunk.reported_down = true;
  log::warning("signal", "next hop {} cannot be reached at {} from realm {}: {}", trunk.host,
               endpoint.text(), trunk.realm_name, text);
}

void Worker::on_attempt_failed(Connection& connection, sip::SendFailure why,
                               const std::string& text, Instant now) {
  // A server that chokes on the session it was offered gets a full handshake before it counts as
  // failed (OpenSSL without a session id context does, for one).
  const bool again = why == sip::SendFailure::handshake_failed && connection.tls &&
                     connection.tls->offered_session();
  if (!again) {
    count_failed_attempt(why);
    report_down(*connection.trunk, connection.remote, text);
    ++connection.attempt;
  }
  loop_.unwatch(connection.socket.get(), connection);
  connection.socket.reset();
  connection.tls.reset();
  output_.forget_ciphertext(connection);
  connection.blocked_since = never;
  if (!start_attempt(connection, now)) give_up(connection, why, now);
}

void Worker::count_failed_attempt(sip::SendFailure why) {
  switch (why) {
    case sip::SendFailure::connect_timed_out:
      statistics_.add(statistics_.dial_timed_out);
      break;
    case sip::SendFailure::handshake_failed:
      statistics_.add(statistics_.dial_handshake_failed);
      break;
    default:
      statistics_.add(statistics_.dial_refused);
  }
}

void Worker::give_up(Connection& connection, sip::SendFailure why, Instant now) {
  Trunk& trunk = *connection.trunk;
  trunk.down_until = now + kHoldOff;
  // Out of the trunk first: the proxy may send to it again from inside.
  trunk.remove(connection);
  while (const sip::SendToken token = tokens_.take(connection)) {
    proxy_.on_send_failed(token, why, now);
  }
  close(connection, CloseReason::connect_failed);
}

void Worker::close_retired(Instant now) {
  for (const auto& trunk : trunks_.all()) {
    if (trunk->listed()) continue;
    for (Connection* connection : trunk->connections) {
      if (connection == nullptr || proxy_.is_awaited(connection->id) ||
          Output::waiting(*connection) > 0 || now - connection->last_activity < kQuiet) {
        continue;
      }
      close(*connection, CloseReason::retired);
    }
  }
  trunks_.drop_unused();
}

}  // namespace fedge::signal
