// Requests on their way to a target (RFC 3261 16.6), and to the next one when a target fails
// before any answer (R3; 16.9).
#include <algorithm>

#include "dataplane/sip/core.h"
#include "dataplane/sip/targets.h"
#include "firmware/snapshot/routes.h"

namespace fedge::sip {

PathEnd Proxy::Core::path_out(uint32_t next_hop) const {
  const auto& routing = published->routing();
  const snapshot::NextHop& hop = routing.items(routing.root().next_hops)[next_hop];
  const auto endpoints = routing.items(hop.endpoints);
  const bool is_v6 =
      endpoints.empty() ? outbound.reaches_over_v6(next_hop) : endpoints[0].address.is_v6();
  return {&published->identity.side_of(hop.realm, hop.transport, is_v6),
          published->next_hops.key(next_hop)};
}

uint32_t Proxy::Core::key_of_peer(const PeerFacts& peer) const {
  return published->next_hops.key(peer.next_hop);
}

uint32_t Proxy::Core::pick(const Direction& direction, std::span<const uint32_t> excluded) {
  const NextHops& hops = published->next_hops;
  if (direction.route != nullptr) {
    const auto targets = published->routing().items(direction.route->targets);
    return pick_target(targets, hops, health, excluded, transactions.random());
  }
  const bool is_out = std::ranges::find(excluded, hops.key(direction.next_hop)) != excluded.end();
  return is_out ? kNoNextHop : direction.next_hop;
}

// Neither where the request has been nor where it came from.
uint32_t Proxy::Core::pick(const ServerTransaction& server, const Direction& direction) {
  std::array<uint32_t, kMostTries + 1> excluded;
  const auto end = std::copy_n(server.tried.begin(), server.tries, excluded.begin());
  *end = server.source_peer;
  return pick(direction, {excluded.data(), server.tries + size_t{1}});
}

// True when a branch is on its way. False when no target is left: server.failure says why.
bool Proxy::Core::send_to_next_target(ServerTransaction& server, const Outgoing& outgoing,
                                      const Direction& direction, Instant now,
                                      FailedTarget failed) {
  while (server.tries < kMostTries) {
    const uint32_t next_hop = pick(server, direction);
    if (next_hop == kNoNextHop) return false;
    server.tried[server.tries++] = published->next_hops.key(next_hop);
    report_failover(outgoing, direction, failed, next_hop);
    switch (send_branch(server, outgoing, next_hop, now)) {
      case Sent::yes:
        return true;
      case Sent::no_room:
        server.failure = 503;
        return false;
      case Sent::full:
        if (server.failure == 0) server.failure = 503;
        failed = {next_hop, HopFailure::congested};
        break;
      case Sent::failed:
        if (server.failure == 0 || server.failure == 503) server.failure = 500;
        failed = {next_hop, HopFailure::unreachable};
        health.on_failure(next_hop, failed.why, now, now);
        break;
    }
  }
  return false;
}

Branch Proxy::Core::branch_of(const ClientTransaction& client, const Outgoing& outgoing) const {
  Branch branch{transactions.index_of(client), client.nonce, 0};
  if (outgoing.arrival != nullptr) {
    branch.loop = loop_hash(outgoing.message, secret);
  } else if (const auto before = parse_branch(outgoing.message.via.branch)) {
    branch.loop = before->loop;
  }
  return branch;
}

Proxy::Core::Sent Proxy::Core::send_branch(ServerTransaction& server, const Outgoing& outgoing,
                                           uint32_t next_hop, Instant now) {
  ClientTransaction* const client = transactions.add_client(server);
  if (client == nullptr) return Sent::no_room;
  const Branch branch = branch_of(*client, outgoing);
  const PathEnd out = path_out(next_hop);
  Editor editor(outgoing.message);
  if (outgoing.arrival != nullptr) {
    const PathEnd in{&published->identity.side_of(*outgoing.arrival), server.source_peer};
    edit_request(editor, outgoing.message, *outgoing.routes, *outgoing.arrival, in, out, branch,
                 forward_room);
  } else {
    edit_repeated(editor, outgoing.message, out, branch, forward_room);
  }
  const auto block = transactions.take_block(editor.size());
  const auto size = block.empty() ? std::nullopt : editor.write(block);
  client->block = block.data();
  if (!size) {
    transactions.remove(*client);
    return Sent::no_room;
  }
  client->block_size = static_cast<uint32_t>(*size);
  client->next_hop = out.next_hop;
  client->hop = next_hop;
  const auto result =
      outbound.send_to_next_hop(next_hop, {block.data(), *size}, transactions.token_of(*client));
  if (result.outcome == SendOutcome::full || result.outcome == SendOutcome::gone) {
    transactions.remove(*client);
    return result.outcome == SendOutcome::full ? Sent::full : Sent::failed;
  }
  client->started = now;
  client->may_be_sent = true;
  transactions.set_connection(*client, result.connection);
  wait_for(*client, server.single_target ? Wait::timer_b : Wait::first_response, now);
  return Sent::yes;
}

// Reads the copy of what was sent into `sent`.
bool Proxy::Core::read_sent(const ClientTransaction& client) {
  return client.block != nullptr && parse({client.block, client.block_size}, sent) == Defect::none;
}

// Routes afresh, by the snapshot in use: a next hop that a publish has retired gets nothing. The
// copy in client.block is read while the new branch is written.
bool Proxy::Core::try_another(ServerTransaction& server, ClientTransaction& client, Instant now) {
  if (server.single_target || server.cancelled || !read_sent(client)) return false;
  const auto& routing = published->routing();
  Direction direction;
  direction.route = snapshot::find_route(routing, sent.target.user, sent.target.host);
  if (direction.route == nullptr ||
      permit(routing.root(), server.source_kind, direction.route->kind) != Rule::route) {
    return false;
  }
  const FailedTarget failed{health.find(client.next_hop, client.hop), client.failure};
  if (!send_to_next_target(server, {sent, nullptr, nullptr}, direction, now, failed)) return false;
  if (client.may_be_sent) statistics.count_possible_duplicate();
  return true;
}

// The branch ended without a final response that could be forwarded; `status` is what it counts
// as (RFC 3261 16.8, 16.9).
void Proxy::Core::on_branch_failed(ClientTransaction& client, uint16_t status, Failover why,
                                   Instant now) {
  ServerTransaction* const server = transactions.server_of(client);
  if (server == nullptr || server->state != ServerState::proceeding) {
    return transactions.remove(client);
  }
  client.state = ClientState::completed;
  server->failure = status == 503 ? 500 : status;
  if (!client.passed_over && try_another(*server, client, now)) {
    statistics.count(why);
    return transactions.remove(client);
  }
  if (is_only_branch(*server, client)) {
    if (read_sent(client)) {
      answer_failure(*server, {sent, nullptr, nullptr}, now);
    } else {
      transactions.remove(*server);
    }
  }
  transactions.remove(client);
}

bool Proxy::Core::is_only_branch(const ServerTransaction& server,
                                 const ClientTransaction& client) const {
  return transactions.first_branch(server) == &client &&
         transactions.next_branch(client) == nullptr;
}

// No target is left and none has answered. RFC 4320: nobody is told of a timeout but those who
// sent an INVITE.
void Proxy::Core::answer_failure(ServerTransaction& server, const Outgoing& outgoing, Instant now) {
  Answer answer{server.failure, {}, {}};
  const HeaderText retry[] = {{"Retry-After", kRetryAfter}};
  if (server.cancelled) {
    answer.status = 487;
  } else if (server.failure == 408) {
    if (server.method != Method::invite) {
      statistics.count(Dropped::late_timeout);
      return transactions.remove(server);
    }
  } else if (server.failure == 502) {
    answer.reason = "Response of the next hop is larger than the limit";
  } else if (server.failure == 503) {
    answer.reason = "Busy, try again later";
    answer.headers = retry;
  } else {
    answer.status = 500;
    answer.reason = "No next hop could be reached";
  }
  const auto size =
      outgoing.arrival != nullptr
          ? write_answer(outgoing.message, outgoing.arrival->remote, answer, secret, room())
          : write_answer_to_sent(outgoing.message, answer, secret, room());
  if (size) send_response(server, answer.status, {room().data(), *size});
  finish(server, answer.status, now);
}

// On the connection the request went out on, or another one to the same next hop.
void Proxy::Core::send_on_branch(ClientTransaction& client, std::string_view bytes) {
  if (client.connection != 0 && outbound.send(client.connection, bytes) == SendOutcome::sent) {
    return;
  }
  const uint32_t next_hop = published->next_hops.find_key(client.next_hop);
  if (next_hop != kNoNextHop) outbound.send_to_next_hop(next_hop, bytes, 0);
}

// RFC 3261 9.1: not before the next hop has shown that it has the INVITE.
void Proxy::Core::cancel_branch(ClientTransaction& client, Instant now) {
  if (client.method != Method::invite || client.wait == Wait::cancelled) return;
  if (client.state == ClientState::calling) {
    client.cancel_wanted = true;
    return;
  }
  if (client.state != ClientState::proceeding) return;
  wait_for(client, Wait::cancelled, now);
  if (!read_sent(client)) return;
  if (const auto size = write_cancel(sent, room())) {
    send_on_branch(client, {room().data(), *size});
  }
}

}  // namespace fedge::sip
