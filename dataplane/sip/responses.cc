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

// Everybody behind the next hop reads our branch in the Via, and could answer in its place. A
// system that we know is believed on any connection (RFC 3261 18.2.2 lets it make another one).
bool may_answer(const Arrival& arrival, const ClientTransaction& client) {
  return arrival.peer.kind != PeerKind::stranger || arrival.connection == client.connection;
}

}  // namespace

void Proxy::Core::on_response(const Arrival& arrival, const Message& response, Instant now) {
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
  if (!may_answer(arrival, *client)) return statistics.count(Dropped::stray_response);
  if (!names_a_sender(response)) return statistics.count(Dropped::malformed_response);
  note_response(*client, response, now);
  if (client->state == ClientState::accepted) return on_success_again(*client, response);
  if (response.status < 200) return on_provisional(*client, response, now);
  on_final(*client, response, now);
}

// One above limits.message_bytes: what it says is lost, and with it the transaction, but not the
// connection. The target has had the request, so no other one gets it. A 2xx to INVITE is not
// acknowledged, so that the callee gives the call up. A provisional one goes no further, and still
// says that somebody is there.
void Proxy::Core::on_oversized_response(const Arrival& arrival, const Message& response,
                                        Instant now) {
  statistics.count(Dropped::oversized_response);
  const auto branch = parse_branch(response.via.branch);
  ClientTransaction* const client =
      branch ? transactions.find_client(branch->index, branch->nonce) : nullptr;
  if (client == nullptr || response.method != client->method) return;
  if (!may_answer(arrival, *client)) return;
  if (client->state != ClientState::calling && client->state != ClientState::proceeding) return;
  note_response(*client, response, now);
  if (response.status < 200) return on_provisional(*client, response, now);
  if (client->method == Method::invite && response.status >= 300) acknowledge(*client, response);
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
    if (server == nullptr || is_superseded(*server, client)) return cancel_branch(client, now);
    client.passed_over = false;
  }
  // RFC 3261 16.7 step 2: each one but 100 gives timer C a new start.
  if (is_invite && (response.status > 100 || client.wait != Wait::timer_c)) {
    wait_for(client, Wait::timer_c, now);
  } else if (client.wait == Wait::first_response) {
    wait_for(client, Wait::timer_b, now);
  }
  // Of an oversized one there is the head alone.
  if (response.content_length > response.body.size()) return;
  // 100 goes no further; neither does any other, but to INVITE (RFC 4320 4.1).
  if (response.status == 100 || !is_invite) return;
  if (server != nullptr && server->state == ServerState::proceeding) {
    forward_response(*server, client, response);
  }
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
  if (is_invite && !is_success) forget_anchor(client);
  if (!is_invite || !is_success) return transactions.remove(client);
  transactions.accept(client);
  wait_for(client, Wait::timer_m, now);
}

void Proxy::Core::on_final_for(ServerTransaction& server, ClientTransaction& client,
                               const Message& response, Instant now) {
  end_branch(server, client);
  if (response.status < 300) {
    // 16.7 step 5: the first 2xx at once, each further one to INVITE as well.
    if (server.state == ServerState::completed) return statistics.count(Dropped::stray_response);
    forward_response(server, client, response);
    if (server.state == ServerState::proceeding) finish(server, response.status, now);
    return;
  }
  if (server.state != ServerState::proceeding) return statistics.count(Dropped::stray_response);
  client.may_be_sent = false;  // it was, but nothing came of it
  // Nobody has asked for it but us, when the target woke up too late: it counts as silent.
  const bool is_echo = client.passed_over && client.wait == Wait::cancelled;
  if (is_echo && response.status == 487 && !server.cancelled) {
    note(server, 408);
  } else {
    hold(server, client, response);
  }
  if (response.status >= 600) call_off(server, now);  // 16.7 step 5
  settle(server, client, Failover::refused, now);
}

// A 2xx repeated, since its ACK has not got through yet (RFC 6026 section 7.2).
void Proxy::Core::on_success_again(ClientTransaction& client, const Message& response) {
  const ServerTransaction* const server = transactions.server_of(client);
  if (server == nullptr || server->state != ServerState::accepted || response.status >= 300 ||
      response.status < 200) {
    return statistics.count(Dropped::stray_response);
  }
  forward_response(*server, client, response);
}

// RFC 3261 17.1.1.3.
void Proxy::Core::acknowledge(ClientTransaction& client, const Message& response) {
  if (!read_sent(client)) return;
  if (const auto size = write_ack(sent, response, room())) {
    send_on_branch(client, {room().data(), *size});
  }
}

void Proxy::Core::forward_response(const ServerTransaction& server, const ClientTransaction& client,
                                   const Message& response) {
  Editor editor(response);
  edit_response(editor, response);
  edit_trust(editor, response, client.origin, server.origin);
  anchor_response(server, client, response, editor);
  const auto size = editor.write(room());
  if (!size) return statistics.count(Dropped::response);
  send_response(server, response.status, {room().data(), *size});
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

}  // namespace fedge::sip
