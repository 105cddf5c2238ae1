// Connections to next hops: dialled when a message wants one, address after address.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/signal/worker.h"
#include "firmware/base/log.h"
#include "firmware/net/socket.h"

namespace fedge::signal {

namespace {

// After all endpoints failed, messages for this next hop are refused at once for a while.
constexpr Duration kHoldOff = 200ms;
// A retired or retiring connection closes only after it has been quiet for so long.
constexpr Duration kQuiet = 500ms;

Instant later(Instant from, uint32_t ms) { return from + std::chrono::milliseconds(ms); }

std::string at(const Endpoint& endpoint) { return "at " + endpoint.text() + ": "; }

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

// The trunk of a next hop; that it is wanted is told when its name is to be looked up.
Trunk& Worker::trunk_of(uint32_t next_hop) {
  Trunk& trunk = trunks_.find(next_hop);
  if (trunk.is_resolving() && !trunk.is_wanted) want(trunk);
  return trunk;
}

void Worker::want(Trunk& trunk) {
  if (options_.directory == nullptr) return;
  trunk.is_wanted = true;
  const auto found = options_.directory->want(options_.number, trunk.name);
  if (found == nullptr || trunk.found != nullptr) return;
  trunk.found = found;
  trunk.targets = found->targets;
}

void Worker::on_found(const std::shared_ptr<const Found>& found) {
  const Instant now = loop_.now();
  for (Trunk* trunk : trunks_.find_named(found->name)) {
    trunk->found = found;
    trunk->targets = found->targets;
    for (Connection* connection : std::array(trunk->connections)) {
      if (connection == nullptr) continue;
      if (!connection->dialled()) {
        check_alias(*connection);
      } else if (connection->state != ConnectionState::resolving) {
        // One to an address that is not named any more carries on what is on its way.
        connection->retiring = !trunk->has_target(connection->remote);
      } else if (trunk->listed()) {
        connection->dialling->targets = trunk->order(random_, now);
        if (!start_attempt(*connection, now)) {
          report_down(*trunk, found->why);
          give_up(*connection, sip::SendFailure::connect_refused, now);
        }
      }
    }
  }
}

// As the connection in use does, else as the first attempt would.
bool Worker::reaches_over_v6(uint32_t next_hop) {
  const Trunk& trunk = trunk_of(next_hop);
  const Connection* const connection = trunk.choose();
  if (connection != nullptr && connection->has_socket()) return connection->remote.address.is_v6();
  if (trunk.targets.empty()) return !trunk.name.use_v4;
  const uint16_t best = std::ranges::min(trunk.targets, {}, &resolve::Target::priority).priority;
  return std::ranges::any_of(trunk.targets, [&](const resolve::Target& t) {
    return t.priority == best && t.endpoint.address.is_v6();
  });
}

Connection* Worker::dial(Trunk& trunk, Instant now) {
  if (now < trunk.down_until || stopping_) return nullptr;
  if (trunk.targets.empty() && !trunk.is_resolving()) return nullptr;  // its name leads nowhere
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
  connection->dialling = std::make_unique<Dialling>();
  if (trunk.is_resolving()) {
    connection->state = ConnectionState::resolving;
    connection->phase_ends = later(now, generation_->limits().connect_ms);
    arm(*connection);
    return connection;
  }
  connection->dialling->targets = trunk.order(random_, now);
  if (start_attempt(*connection, now)) return connection;
  trunk.down_until = now + kHoldOff;
  trunk.remove(*connection);
  table_.remove(*connection);
  return nullptr;
}

// False when no address is left to try.
bool Worker::start_attempt(Connection& connection, Instant now) {
  Trunk& trunk = *connection.trunk;
  connection.state = ConnectionState::connecting;
  for (Dialling& way = *connection.dialling; way.at < way.targets.size(); ++way.at) {
    if (!trunk.listed()) return false;
    const Endpoint& remote = way.targets[way.at].endpoint;
    const IpAddress source = source_for(trunk.realm, remote.address);
    if (!source) {
      report_down(trunk, at(remote) + "the realm has no address of this family");
      continue;
    }
    const SocketOptions options{.device = options_.use_devices ? trunk.realm_name : "",
                                .dscp = generation_->realm_list()[trunk.realm].dscp_signalling};
    auto socket = open_connecting_socket(source, remote, options);
    if (!socket || !loop_.watch(socket->get(), EPOLLOUT, connection)) {
      report_down(trunk, at(remote) + (socket ? "out of descriptors" : socket.error().what));
      continue;
    }
    connection.socket = std::move(*socket);
    connection.interest = EPOLLOUT;
    connection.remote = remote;
    connection.phase_ends = later(now, generation_->limits().connect_ms);
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
                                     connection.dialling->host(), now_wall());
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
  connection.dialling.reset();
  trunk.welcome(connection.remote);
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
void Worker::report_down(Trunk& trunk, const std::string& text) {
  if (trunk.reported_down) return;
  trunk.reported_down = true;
  log::warning("signal", "next hop {} cannot be reached from realm {}: {}", trunk.host,
               trunk.realm_name, text);
}

void Worker::on_attempt_failed(Connection& connection, sip::SendFailure why,
                               const std::string& text, Instant now) {
  // A server that chokes on the session it was offered gets a full handshake before it counts as
  // failed (OpenSSL without a session id context does, for one).
  const bool again = why == sip::SendFailure::handshake_failed && connection.tls &&
                     connection.tls->offered_session();
  if (!again) {
    count_failed_attempt(why);
    report_down(*connection.trunk, at(connection.remote) + text);
    connection.trunk->avoid(connection.remote,
                            later(now, generation_->limits().health_interval_ms));
    ++connection.dialling->at;
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
    report_failed(token, why, now);
  }
  close(connection, CloseReason::connect_failed);
}

void Worker::close_retired(Instant now) {
  for (const auto& trunk : trunks_.all()) {
    for (Connection* connection : trunk->connections) {
      if (connection == nullptr || !connection->dialled()) continue;
      if (trunk->listed() && !connection->retiring) continue;
      if (Output::waiting(*connection) > 0 || now - connection->last_activity < kQuiet ||
          is_awaited(*connection)) {
        continue;
      }
      close(*connection, CloseReason::retired);
    }
  }
  trunks_.drop_unused();
}

}  // namespace fedge::signal
