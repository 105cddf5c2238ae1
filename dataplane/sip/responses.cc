// Responses on their way back (RFC 3261 16.7, 17.1, RFC 6026).
#include "dataplane/sip/core.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

// Whether somebody is left to send it to once our own Via is off (RFC 3261 16.7 step 3). What we
// forward carries its sender's Via below ours, so a response without has lost it on the way.
bool names_a_sender(const Message& response) {
  unsigned values = 0;
  for (const Header& header : response.headers()) {
    if (header.id != HeaderId::via) continue;
    std::string_view rest = header.value;
    std::string_view value;
    while (values < 2 && take_value(rest, value)) ++values;
    if (values == 2) return true;
  }
  return false;
}

}  // namespace

void Proxy::Core::on_response(const Message& response, Instant now) {
  const auto branch = parse_branch(response.via.branch);
  ClientTransaction* const client =
      branch ? transactions.find_client(branch->index, branch->nonce) : nullptr;
  // RFC 6026 section 7.2 and 8.9: what belongs to no transaction is not forwarded. The answer to
  // our own CANCEL carries the INVITE's branch and ends here.
  if (client == nullptr || response.method != client->method) {
    if (branch && on_probe_response(*branch, response, now)) return;
    if (client == nullptr) statistics.count(Dropped::stray_response);
    return;
  }
  if (!names_a_sender(response)) return statistics.count(Dropped::malformed_response);
  note_response(*client, response, now);
  if (client->state == ClientState::accepted) return on_success_again(*client, response);
  if (response.status < 200) return on_provisional(*client, response, now);
  on_final(*client, response, now);
}

// One above limits.message_bytes: what it says is lost, and with it the transaction, but not the
// connection. The target has had the request, so no other one gets it. A 2xx to INVITE is not
// acknowledged, so that the callee gives the call up.
void Proxy::Core::on_oversized_response(const Message& response, Instant now) {
  statistics.count(Dropped::oversized_response);
  const auto branch = parse_branch(response.via.branch);
  ClientTransaction* const client =
      branch ? transactions.find_client(branch->index, branch->nonce) : nullptr;
  if (client == nullptr || response.method != client->method || response.status < 200) return;
  if (client->state != ClientState::calling && client->state != ClientState::proceeding) return;
  if (client->method == Method::invite && response.status >= 300) acknowledge(*client, response);
  client->passed_over = true;
  on_branch_failed(*client, 502, Failover::refused, now);
}

void Proxy::Core::on_provisional(ClientTransaction& client, const Message& response, Instant now) {
  client.state = ClientState::proceeding;
  ServerTransaction* const server = transactions.server_of(client);
  const bool is_invite = client.method == Method::invite;
  if (client.cancel_wanted) {
    client.cancel_wanted = false;
    return cancel_branch(client, now);
  }
  if (client.wait == Wait::cancelled) return;
  // A target that was passed over and wakes up: another one has the INVITE now, unless that one
  // has failed meanwhile.
  if (client.passed_over && is_invite) {
    if (server == nullptr || !is_only_branch(*server, client)) return cancel_branch(client, now);
    client.passed_over = false;
  }
  // RFC 3261 16.7 step 2: each one but 100 gives timer C a new start.
  if (is_invite && (response.status > 100 || client.wait != Wait::timer_c)) {
    wait_for(client, Wait::timer_c, now);
  } else if (client.wait == Wait::first_response) {
    wait_for(client, Wait::timer_b, now);
  }
  if (response.status == 100) return;  // hop by hop
  if (server != nullptr && server->state == ServerState::proceeding) {
    forward_response(*server, response);
  }
}

// R3: an answer that says "not here, not now" sends the request to the next target.
bool Proxy::Core::is_worth_another(const ServerTransaction& server, const ClientTransaction& client,
                                   const Message& response) const {
  return (response.status == 503 || response.status == 408) && !client.passed_over &&
         !server.single_target && !server.cancelled;
}

void Proxy::Core::on_final(ClientTransaction& client, const Message& response, Instant now) {
  const bool is_invite = client.method == Method::invite;
  const bool is_success = response.status < 300;
  client.state = ClientState::completed;
  if (is_invite && !is_success) acknowledge(client, response);
  if (ServerTransaction* const server = transactions.server_of(client)) {
    on_final_for(*server, client, response, now);
  } else {
    statistics.count(Dropped::stray_response);
  }
  // Timers D and K are zero: Completed is left at once.
  if (!is_invite || !is_success) return transactions.remove(client);
  transactions.accept(client);
  wait_for(client, Wait::timer_m, now);
}

void Proxy::Core::on_final_for(ServerTransaction& server, ClientTransaction& client,
                               const Message& response, Instant now) {
  const bool is_success = response.status < 300;
  if (server.state == ServerState::accepted && is_success) {
    return forward_response(server, response);  // each 2xx to INVITE, 16.7 step 5
  }
  const bool is_only =
      transactions.first_branch(server) == &client && transactions.next_branch(client) == nullptr;
  if (server.state != ServerState::proceeding || (client.passed_over && !is_success && !is_only)) {
    return statistics.count(Dropped::stray_response);
  }
  if (is_worth_another(server, client, response)) {
    client.may_be_sent = false;  // it was, but nothing came of it
    if (try_another(server, client, now)) return statistics.count(Failover::refused);
  }
  if (response.status == 408 && server.method != Method::invite) {
    statistics.count(Dropped::late_timeout);  // RFC 4320 4.1
  } else {
    forward_response(server, response);
  }
  finish(server, response.status, now);
}

// A 2xx repeated, since its ACK has not got through yet (RFC 6026 section 7.2).
void Proxy::Core::on_success_again(ClientTransaction& client, const Message& response) {
  const ServerTransaction* const server = transactions.server_of(client);
  if (server == nullptr || server->state != ServerState::accepted || response.status >= 300 ||
      response.status < 200) {
    return statistics.count(Dropped::stray_response);
  }
  forward_response(*server, response);
}

// RFC 3261 17.1.1.3.
void Proxy::Core::acknowledge(ClientTransaction& client, const Message& response) {
  if (!read_sent(client)) return;
  if (const auto size = write_ack(sent, response, room())) {
    send_on_branch(client, {room().data(), *size});
  }
}

void Proxy::Core::forward_response(const ServerTransaction& server, const Message& response) {
  Editor editor(response);
  edit_response(editor, response);
  uint16_t status = response.status;
  if (status == 503) {
    // RFC 3261 16.7 step 6: it speaks of the next hop; our caller would take it for us.
    status = 500;
    editor.replace_text(response.start_line, "SIP/2.0 500 Next hop is unavailable\r\n");
  }
  const auto size = editor.write(room());
  if (!size) return statistics.count(Dropped::response);
  send_response(server, status, {room().data(), *size});
}

// On the connection the request came on; when that is gone, on another one to the same system.
void Proxy::Core::send_response(const ServerTransaction& server, uint16_t status,
                                std::string_view bytes) {
  statistics.count_response(status);
  SendOutcome outcome = outbound.send(server.source, bytes);
  if (outcome == SendOutcome::gone) {
    const uint32_t next_hop = published->next_hops.find_key(server.source_peer);
    if (next_hop != kNoNextHop) outcome = outbound.send_to_next_hop(next_hop, bytes, 0).outcome;
  }
  if (outcome == SendOutcome::full || outcome == SendOutcome::gone) {
    statistics.count(Dropped::response);
  }
}

// The final response is out: what still rings elsewhere is called off (16.7 step 10).
void Proxy::Core::finish(ServerTransaction& server, uint16_t status, Instant now) {
  ClientTransaction* next = nullptr;
  for (ClientTransaction* c = transactions.first_branch(server); c != nullptr; c = next) {
    next = transactions.next_branch(*c);
    if (c->state != ClientState::calling && c->state != ClientState::proceeding) continue;
    if (server.method == Method::invite) {
      cancel_branch(*c, now);
    } else {
      transactions.remove(*c);
    }
  }
  if (server.method != Method::invite) return transactions.remove(server);  // timer J is zero
  const Timers& timers = published->timers;
  if (status < 300) {
    transactions.accept(server);
    wheel.set(server, now + timers.l());
  } else {
    server.state = ServerState::completed;
    wheel.set(server, now + timers.h());
  }
}

}  // namespace fedge::sip
