// What does not come: timers and lost connections (RFC 3261 16.8, 16.9, 17).
#include <algorithm>

#include "dataplane/sip/core.h"

namespace fedge::sip {

void Proxy::Core::wait_for(ClientTransaction& client, Wait wait, Instant now) {
  const Timers& timers = published->timers;
  client.wait = wait;
  const Instant timer_b = client.started + timers.b();
  switch (wait) {
    case Wait::first_response:
      return wheel.set(client, std::min(now + timers.first_response, timer_b));
    case Wait::timer_b:
      return wheel.set(client, timer_b);
    case Wait::timer_c:
      return wheel.set(client, now + timers.c);
    case Wait::cancelled:
      return wheel.set(client, now + timers.cancelled());
    case Wait::timer_m:
      return wheel.set(client, now + timers.m());
  }
}

// Timer H: the ACK has not come; timer L: no 2xx will be repeated any more.
void Proxy::Core::on_server_timer(ServerTransaction& server, Instant) {
  if (server.state == ServerState::proceeding) return send_trying(server);
  if (server.state == ServerState::completed) statistics.count_timeout();
  transactions.remove(server);
  update_gauges();
}

// RFC 4320 4.1: whoever waits for long for the answer to another request than INVITE hears that
// it is being worked on.
void Proxy::Core::send_trying(const ServerTransaction& server) {
  const ClientTransaction* client = transactions.first_branch(server);
  if (client == nullptr || !read_sent(*client)) return;
  if (const auto size = write_answer_to_sent(sent, {100, {}, {}}, shown_seed, room())) {
    send_response(server, 100, {room().data(), *size});
  }
}

void Proxy::Core::on_client_timer(ClientTransaction& client, Instant now) {
  ServerTransaction* const server = transactions.server_of(client);
  const bool is_open = server != nullptr && server->state == ServerState::proceeding;
  switch (client.wait) {
    case Wait::first_response:
      note_failure(client, HopFailure::no_response, now);
      // The silent target keeps its transaction: it may still answer.
      wait_for(client, Wait::timer_b, now);
      if (is_open) settle(*server, client, Failover::no_response, now);
      return update_gauges();
    case Wait::timer_c:
      // RFC 3261 16.8: the next hop answers the CANCEL with 487.
      return cancel_branch(client, now);
    case Wait::timer_b:
    case Wait::cancelled:
      // The caller's own timer ends with ours: too late for another target.
      statistics.count_timeout();
      if (client.state == ClientState::calling) note_failure(client, HopFailure::no_response, now);
      if (is_open) server->single_target = true;
      on_branch_failed(client, 408, Failover::no_response, now);
      return update_gauges();
    case Wait::timer_m:
      transactions.remove(client);
      return update_gauges();
  }
}

// A request without any response is lost with its connection. An INVITE that has had one is not:
// the next hop answers it over a connection of its own (RFC 3261 18.2.2), or timer C ends it.
void Proxy::Core::on_connection_closed(ConnectionId connection, Instant now) {
  health.on_connection_closed(connection, now);
  while (ClientTransaction* const client = transactions.find_on(connection)) {
    transactions.set_connection(*client, 0);
    if (client->state == ClientState::calling) {
      note_failure(*client, HopFailure::connection_lost, now);
      on_branch_failed(*client, kUnreachable, Failover::connection_lost, now);
    }
  }
}

}  // namespace fedge::sip
