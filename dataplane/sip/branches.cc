// Requests on their way to a target (RFC 3261 16.6), and to the next one when a target fails
// before any answer (R3; 16.9).
#include <algorithm>
#include <utility>

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
          published->next_hops.key(next_hop),
          {}};
}

Origin Proxy::Core::origin_of(const PeerFacts& peer) const {
  if (peer.kind == PeerKind::inside) return Origin::inside;
  return peer.next_hop == kNoNextHop ? Origin::found_partner
                                     : published->next_hops.origin(peer.next_hop);
}

// T4: what a partner names by Route is what we gave it to name.
void Proxy::Core::sign(PathEnd& end, std::string_view call_id, RouteMacText& room) {
  if (end.next_hop != 0) end.mac = route_mac.write(end.next_hop, call_id, room);
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

// What is tried at once: one target, or all of one priority that neither have been tried nor are
// where the request came from. Returns how many.
size_t Proxy::Core::pick_targets(const ServerTransaction& server, const Direction& direction,
                                 std::span<uint32_t> out) {
  std::array<uint32_t, kMostTries + 1> excluded;
  const auto tried = std::copy_n(server.tried.begin(), server.tries, excluded.begin());
  *tried = server.source_peer;
  const size_t count = server.tries + size_t{1};
  if (direction.route == nullptr || direction.route->forking == snapshot::Forking::one) {
    out[0] = pick(direction, {excluded.data(), count});
    return out[0] == kNoNextHop ? 0 : 1;
  }
  const auto targets = published->routing().items(direction.route->targets);
  return pick_targets_of_priority(targets, published->next_hops, health, {excluded.data(), count},
                                  out);
}

// Targets that may be tried later, besides `count` that are tried now.
size_t Proxy::Core::tries_left(const ServerTransaction& server, const Direction& direction,
                               size_t count) const {
  if (direction.route == nullptr) return 0;
  const size_t most = std::min<size_t>(direction.route->targets.count, kMostTries);
  return most - std::min(most, server.tries + count);
}

// True when a branch is on its way. False when no target is left; server.best says what the others
// amount to.
bool Proxy::Core::send_to_next_targets(ServerTransaction& server, const Outgoing& outgoing,
                                       const Direction& direction, Instant now,
                                       FailedTarget failed) {
  // Not the number of targets: a publish may have put new ones in the place of those tried.
  const size_t most = direction.route == nullptr ? 1 : kMostTries;
  while (server.tries < most) {
    std::array<uint32_t, kMostTries> room;
    const size_t count = pick_targets(server, direction, {room.data(), most - server.tries});
    if (count == 0) return false;
    if (count > server.breadth) {
      // RFC 5393 5.3.3: not enough for all of them at once. What is silent may hold the rest.
      if (count > 1 && !has_live_branch(server)) {
        statistics.count(Refusal::max_breadth);
        note(server, 440);
      }
      return false;
    }
    const Sent result = send_to_all(server, outgoing, direction, {room.data(), count}, failed, now);
    if (result != Sent::failed) return result == Sent::yes;
  }
  return false;
}

// Divides what is left of Max-Breadth, but for one share for each target that may be tried later,
// while these are silent. `yes` when any of them was sent to.
Proxy::Core::Sent Proxy::Core::send_to_all(ServerTransaction& server, const Outgoing& outgoing,
                                           const Direction& direction,
                                           std::span<const uint32_t> next_hops,
                                           FailedTarget& failed, Instant now) {
  const size_t later = tries_left(server, direction, next_hops.size());
  const size_t reserved = std::min<size_t>(later, server.breadth);
  size_t shares = std::max(next_hops.size(), server.breadth - reserved);
  const FailedTarget before = failed;
  Sent all = Sent::failed;
  for (size_t i = 0; i < next_hops.size(); ++i) {
    const uint32_t next_hop = next_hops[i];
    const auto share = static_cast<uint8_t>(shares / (next_hops.size() - i));
    server.tried[server.tries++] = published->next_hops.key(next_hop);
    report_failover(outgoing, direction, before, next_hop);
    switch (send_branch(server, outgoing, next_hop, share, now)) {
      case Sent::yes:
        shares -= share;
        all = Sent::yes;
        break;
      case Sent::no_room:
        note(server, kCongested);
        return all == Sent::yes ? all : Sent::no_room;
      case Sent::refused:
        return all == Sent::yes ? all : Sent::no_room;
      case Sent::full:
        note(server, kCongested);
        failed = {next_hop, HopFailure::congested};
        break;
      case Sent::failed:
        note(server, kUnreachable);
        failed = {next_hop, HopFailure::unreachable};
        health.on_failure(next_hop, failed.why, now, now);
        break;
    }
  }
  return all;
}

Branch Proxy::Core::branch_of(const ClientTransaction& client, const Outgoing& outgoing) const {
  Branch branch{transactions.index_of(client), client.nonce, 0};
  if (outgoing.arrival != nullptr) {
    branch.loop = outgoing.loop;
  } else if (const auto before = parse_branch(outgoing.message.via.branch)) {
    branch.loop = before->loop;
  }
  return branch;
}

Proxy::Core::Sent Proxy::Core::send_branch(ServerTransaction& server, const Outgoing& outgoing,
                                           uint32_t next_hop, uint8_t breadth, Instant now) {
  ClientTransaction* const client = transactions.add_client(server);
  if (client == nullptr) return Sent::no_room;
  Leaving leaving{branch_of(*client, outgoing), breadth};
  const Message& message = outgoing.message;
  const bool is_signed = is_recorded(message.method);
  PathEnd out = path_out(next_hop);
  if (is_signed && server.source_kind == PeerKind::partner) {
    sign(out, message.call_id, forward_room.mac_out);
  }
  Editor editor(message);
  const uint32_t source = published->next_hops.find_key(server.source_peer);
  if (const auto status = anchor_request(outgoing, source, next_hop, editor, leaving.anchor)) {
    transactions.remove(*client);
    note(server, status);
    return Sent::refused;
  }
  if (const uint64_t id = std::exchange(anchor_begun, 0); id != 0) {
    begun_anchors[next_begun++ % begun_anchors.size()] = {id, transactions.token_of(*client)};
  }
  client->origin = published->next_hops.origin(next_hop);
  if (outgoing.arrival != nullptr) {
    edit_trust(editor, message, origin_of(outgoing.arrival->peer), client->origin);
    PathEnd in{&published->identity.side_of(*outgoing.arrival), server.source_peer, {}};
    if (is_signed && published->next_hops.is_partner(next_hop)) {
      sign(in, message.call_id, forward_room.mac_in);
    }
    edit_request(editor, message, *outgoing.routes, *outgoing.arrival, in, out, leaving,
                 forward_room);
  } else {
    edit_repeated(editor, message, out, leaving, forward_room);
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
    forget_anchor(*client);
    transactions.remove(*client);
    return result.outcome == SendOutcome::full ? Sent::full : Sent::failed;
  }
  client->started = now;
  client->may_be_sent = true;
  client->breadth = breadth;
  server.breadth = static_cast<uint8_t>(server.breadth - breadth);
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
  if (!read_sent(client)) return false;
  const auto& routing = published->routing();
  Direction direction;
  direction.route = snapshot::find_route(routing, sent.target.user, sent.target.host);
  if (direction.route == nullptr ||
      permit(routing.root(), server.source_kind, direction.route->kind) != Rule::route) {
    return false;
  }
  const FailedTarget failed{health.find(client.next_hop, client.hop), client.failure};
  if (!send_to_next_targets(server, {sent}, direction, now, failed)) return false;
  if (client.may_be_sent) statistics.count_possible_duplicate();
  return true;
}

// The branch ended without a response; `status` is what it counts as (RFC 3261 16.8, 16.9).
void Proxy::Core::on_branch_failed(ClientTransaction& client, uint16_t status, Failover why,
                                   Instant now) {
  ServerTransaction* const server = transactions.server_of(client);
  if (server != nullptr && server->state == ServerState::proceeding) {
    end_branch(*server, client);
    note(*server, status);
    settle(*server, client, why, now);
  }
  forget_anchor(client);
  transactions.remove(client);
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
