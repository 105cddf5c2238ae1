#include "dataplane/sip/proxy.h"

#include "dataplane/sip/core.h"

namespace fedge::sip {

namespace {
constexpr size_t kAdded = 4096;  // what forwarding adds to a message at most

HopFailure failure_of(SendFailure why) {
  switch (why) {
    case SendFailure::connect_refused:
      return HopFailure::refused;
    case SendFailure::connect_timed_out:
      return HopFailure::connect_timed_out;
    case SendFailure::handshake_failed:
      return HopFailure::handshake_failed;
    case SendFailure::closed:
      return HopFailure::not_sent;
  }
  return HopFailure::unreachable;
}
}  // namespace

Published::Published(const SnapshotView& snapshot)
    : view(snapshot),
      next_hops(*snapshot.routing, *snapshot.realms),
      identity(snapshot),
      timers(Timers::of(snapshot.signalling->root())) {}

Proxy::Core::Core(const Capacity& capacity, TimerWheel& timer_wheel, Outbound& out,
                  Counters& counters, uint64_t key, uint32_t worker, Bytes route_key)
    : wheel(timer_wheel),
      outbound(out),
      statistics(counters),
      shown_seed(derive_seed(key, "shown")),
      match_seed(derive_seed(key, "matching")),
      route_mac(route_key),
      transactions(capacity.transactions, capacity.max_message, *this, key, worker),
      health(timer_wheel, *this, key, worker),
      overload(timer_wheel, statistics),
      anchor_ports(worker, capacity.workers),
      sdp_anchor(std::make_unique<SdpAnchor>()),
      relay_credentials(derive_seed(key, "xml")),
      room_size(capacity.max_message + kAdded),
      room_memory(new char[room_size]) {}

Proxy::Proxy(const Capacity& capacity, TimerWheel& timers, Outbound& outbound, Counters& counters,
             uint64_t secret, uint32_t worker, Bytes route_key)
    : core_(std::make_unique<Core>(capacity, timers, outbound, counters, secret, worker,
                                   route_key)) {}

Proxy::~Proxy() = default;

// Running transactions hold keys, tokens and connections, never a place in the old snapshot.
void Proxy::use(const SnapshotView& snapshot, Instant now) {
  auto next = std::make_unique<Published>(snapshot);
  const auto interval = std::chrono::milliseconds(snapshot.signalling->root().health_interval_ms);
  core_->health.use(*snapshot.routing, next->next_hops, {interval, next->timers.first_response},
                    now);
  core_->transactions.allow(snapshot.signalling->root().max_transactions);
  core_->overload.use(std::chrono::milliseconds(snapshot.signalling->root().overload_delay_ms));
  if (snapshot.media != nullptr) core_->anchor_ports.use(*snapshot.media, *snapshot.realms);
  core_->relay_credentials.use(snapshot);
  core_->early_query.reset();
  core_->published = std::move(next);
}

void Proxy::on_request_line(const Message& message) {
  if (core_->published == nullptr) return;
  core_->early_query.emplace(core_->published->routing(), message.target.user, message.target.host);
}

void Proxy::on_headers() {
  if (core_->early_query) core_->early_query->advance();
}

void Proxy::on_message(const Arrival& arrival, const Message& message, Instant now) {
  core_->overload.note(arrival.waited, !message.is_request, now);
  if (message.is_request) {
    core_->on_request(arrival, message, now);
  } else {
    core_->on_response(arrival, message, now);
  }
  core_->early_query.reset();
  core_->update_gauges();
}

void Proxy::on_malformed(const Arrival& arrival, const Message& message, Defect defect,
                         Instant now) {
  core_->early_query.reset();
  if (!message.is_request && defect == Defect::too_large) {
    core_->on_oversized_response(arrival, message, now);
    return core_->update_gauges();
  }
  if (!message.is_request || message.method == Method::ack) {
    core_->statistics.count(message.is_request ? Dropped::ack : Dropped::malformed_response);
    return;
  }
  core_->statistics.count_request(message.method);
  core_->refuse(arrival, message, Refusal::malformed, status_for(defect), text_of(defect));
}

void Proxy::on_connection_closed(ConnectionId connection, Instant now) {
  core_->on_connection_closed(connection, now);
  core_->update_gauges();
}

void Proxy::on_send_failed(SendToken token, SendFailure why, Instant now) {
  if (core_->health.on_probe_failed(token, failure_of(why), now)) return;
  ClientTransaction* const client = core_->transactions.find_client(token);
  if (client == nullptr) return;
  core_->note_failure(*client, failure_of(why), now);
  client->may_be_sent = false;
  core_->on_branch_failed(*client, kUnreachable, Failover::send_failed, now);
  core_->update_gauges();
}

void Proxy::on_placed(SendToken token, ConnectionId connection) {
  if (core_->health.on_probe_placed(token, connection)) return;
  ClientTransaction* const client = core_->transactions.find_client(token);
  if (client == nullptr || client->connection != 0) return;
  if (client->state == ClientState::calling || client->state == ClientState::proceeding) {
    core_->transactions.set_connection(*client, connection);
  }
}

void Proxy::on_anchor_ended(uint64_t call) { core_->anchor_ports.release(call); }

void Proxy::on_anchor_refused(uint64_t call, std::string_view why, Instant now) {
  core_->refuse_anchor(call, why, now);
  core_->update_gauges();
}

void Proxy::on_anchor_held(uint64_t id, const Endpoint& caller, const Endpoint& callee) {
  core_->anchor_ports.note_held(id, caller, callee);
}

uint32_t Proxy::key_of_next_hop(uint32_t next_hop) const {
  return core_->published->next_hops.key(next_hop);
}

uint32_t Proxy::find_next_hop(uint32_t key) const {
  return core_->published->next_hops.find_key(key);
}

void Proxy::note_health(uint32_t key, const HopReport& report, Instant now) {
  core_->health.note(report, key, now);
}

uint32_t Proxy::next_hops() const { return core_->health.size(); }
bool Proxy::asks_next_hop(uint32_t next_hop) const { return core_->health.asks(next_hop); }
HopReport Proxy::health_of(uint32_t next_hop) const { return core_->health.report(next_hop); }

bool Proxy::is_awaited(ConnectionId connection) const {
  return core_->transactions.find_on(connection) != nullptr;
}

uint32_t Proxy::server_transactions() const { return core_->transactions.server_count(); }
uint32_t Proxy::client_transactions() const { return core_->transactions.client_count(); }

}  // namespace fedge::sip
