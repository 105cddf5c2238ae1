// Media of calls (M4): ports for those that are anchored, and their SDP on its way through.
#include <algorithm>
#include <utility>

#include "dataplane/sip/core.h"

namespace fedge::sip {

namespace {

const snapshot::NextHop* find_hop(const snapshot::Section<snapshot::Routing>& routing,
                                  uint32_t next_hop) {
  const auto hops = routing.items(routing.root().next_hops);
  return next_hop < hops.size() ? &hops[next_hop] : nullptr;
}

bool is_anchored(const snapshot::NextHop* hop) {
  return hop != nullptr && hop->media == snapshot::MediaHandling::anchor;
}

// An offer may yet be refused, and then all stays as it was; its answer repeats each port 0 (RFC
// 3264 section 8.2).
bool closes_streams(const Message& message) {
  return !message.is_request || message.method == Method::ack || message.method == Method::prack;
}

}  // namespace

// The family that signalling has on that side, or the other one where the pool has only that.
AnchorPorts::Side Proxy::Core::anchor_side(uint16_t realm, bool is_v6) const {
  return {realm, anchor_ports.serves(realm, is_v6) ? is_v6 : !is_v6};
}

AnchorPorts::Side Proxy::Core::callee_side(uint32_t next_hop) const {
  const snapshot::NextHop& hop = *find_hop(published->routing(), next_hop);
  const auto endpoints = published->routing().items(hop.endpoints);
  return anchor_side(hop.realm, endpoints.empty() ? outbound.reaches_over_v6(next_hop)
                                                  : endpoints[0].address.is_v6());
}

// The INVITE that may become a call: both sides get their ports before anything is sent.
std::optional<AnchorRef> Proxy::Core::begin_anchor(const Outgoing& outgoing, uint32_t next_hop) {
  const Message& invite = outgoing.message;
  const size_t lines = SdpAnchor::count_streams(invite, sdp_anchor->room());
  // Without an offer yet nobody knows; and a call may be given video later.
  const auto streams = static_cast<uint32_t>(std::clamp<size_t>(lines, 2, kMostStreams));
  const Arrival& arrival = *outgoing.arrival;
  auto anchor = anchor_ports.take(anchor_side(arrival.realm, arrival.local.address.is_v6()),
                                  callee_side(next_hop), streams, transactions.random());
  if (!anchor) return std::nullopt;
  anchor->caller_tag = hash_of_tag(invite.from_tag);
  // The fast path has it from now on: what comes to nothing ends there by silence at the latest.
  if (tell_anchor(*anchor, invite.call_id, true, {}, nullptr)) return anchor;
  anchor_ports.release(anchor->id);
  return std::nullopt;
}

uint16_t Proxy::Core::anchor_request(const Outgoing& outgoing, uint32_t source, uint32_t next_hop,
                                     Editor& editor, std::string_view& record) {
  if (anchor_ports.empty()) return 0;
  const Message& request = outgoing.message;
  const bool is_repeated = outgoing.arrival == nullptr;
  const bool is_new = request.method == Method::invite && request.to_tag.empty();
  std::optional<AnchorRef> anchor;
  if (is_repeated) {
    anchor = find_anchor(request, HeaderId::record_route, route_mac);
    // Only the callee's side can differ, and what the caller said is known.
    if (anchor && is_new && !anchor_ports.move_callee(*anchor, callee_side(next_hop))) return 503;
  } else if (!is_new) {
    anchor = find_anchor(request, HeaderId::route, route_mac);
    if (anchor && request.method == Method::bye) {
      end_anchor(anchor->id);
      return 0;
    }
  } else if (is_anchored(find_hop(published->routing(), source)) ||
             is_anchored(find_hop(published->routing(), next_hop))) {
    anchor = begin_anchor(outgoing, next_hop);
    if (!anchor) {
      statistics.count(Refusal::no_media_ports);
      return 503;
    }
  }
  if (!anchor) return 0;
  anchor_begun = is_new ? anchor->id : 0;
  record = write_anchor(*anchor, request.call_id, route_mac, forward_room.anchor);
  const bool from_caller = hash_of_tag(request.from_tag) == anchor->caller_tag;
  if (rewrite_sdp(request, *anchor, from_caller, is_repeated ? kNoNextHop : source, next_hop,
                  editor)) {
    return 0;
  }
  anchor_begun = 0;
  if (is_new) end_anchor(anchor->id);
  statistics.count(Refusal::media_description);
  return 488;
}

// The caller's SDP of a request that has been sent before is ours already: it tells nothing of the
// caller (`sender` is nobody then).
bool Proxy::Core::rewrite_sdp(const Message& message, const AnchorRef& anchor, bool from_caller,
                              uint32_t sender, uint32_t reader, Editor& editor) {
  const AnchorEnd& end = anchor.ends[from_caller ? 1 : 0];
  const RelayAddress* const address = anchor_ports.find(end.address);
  if (address == nullptr) return true;  // a publish took the pool away
  size_t at = 0;
  std::string_view part;
  if (!take_sdp(message, at, part)) return true;
  const auto claim = anchor_ports.claim(anchor);
  if (claim == AnchorPorts::Claim::lost) return false;
  // As for a new call: the fast path has it from now on, and says when it ends.
  if (claim == AnchorPorts::Claim::again &&
      !tell_anchor(anchor, message.call_id, true, {}, nullptr)) {
    anchor_ports.release(anchor.id);
    return false;
  }
  const snapshot::NextHop* const hop = find_hop(published->routing(), reader);
  const AnchorFace face{address->shown, end.port, anchor.streams,
                        hop != nullptr ? hop->ice : snapshot::IceHandling::strip};
  const auto outcome = sdp_anchor->rewrite(message, face, editor);
  if (outcome != SdpOutcome::rewritten) return outcome == SdpOutcome::none;
  const snapshot::NextHop* const from = find_hop(published->routing(), sender);
  for (StreamRemote remote : sdp_anchor->remotes()) {
    if (sender == kNoNextHop) remote = {.stream = remote.stream};
    if (remote.closed && !closes_streams(message)) continue;
    if (!tell_anchor(anchor, message.call_id, from_caller, remote, from)) return false;
  }
  return true;
}

// False: the fast path will not hear of it.
bool Proxy::Core::tell_anchor(const AnchorRef& anchor, std::string_view call_id, bool from_caller,
                              const StreamRemote& remote, const snapshot::NextHop* sender) {
  AnchorUpdate update;
  update.id = anchor.id + remote.stream;
  update.call = anchor.id;
  update.call_id = call_id;
  update.from_caller = from_caller;
  for (size_t i = 0; i < 2; ++i) {
    const RelayAddress* const address = anchor_ports.find(anchor.ends[i].address);
    if (address == nullptr) return true;  // a publish took the pool away
    update.realms[i] = address->realm;
    update.locals[i] = {address->address,
                        port_of_stream(anchor.ends[i].port, anchor.streams, remote.stream)};
  }
  update.remote = remote.rtp;
  update.remote_rtcp = remote.rtcp;
  update.muxed = remote.muxed;
  update.held = remote.held;
  update.closed = remote.closed;
  const bool is_v6 = remote.rtp.address.is_v6();
  update.prefix = sender == nullptr ? (is_v6 ? 128 : 32)
                  : is_v6           ? sender->latch_v6
                                    : sender->latch_v4;
  return outbound.set_anchor(update);
}

void Proxy::Core::anchor_response(const ServerTransaction& server, const ClientTransaction& client,
                                  const Message& response, Editor& editor) {
  if (anchor_ports.empty() || response.body.empty()) return;
  auto anchor = find_anchor(response, HeaderId::record_route, route_mac);
  if (!anchor && read_sent(client)) {
    anchor = find_anchor(sent, HeaderId::record_route, route_mac);
  }
  if (!anchor) return;
  const bool from_caller = hash_of_tag(response.from_tag) != anchor->caller_tag;
  const NextHops& hops = published->next_hops;
  if (!rewrite_sdp(response, *anchor, from_caller, hops.find_key(client.next_hop),
                   hops.find_key(server.source_peer), editor)) {
    statistics.count(Dropped::media_description);
  }
}

// 0 when the call is not anchored, or goes on whatever becomes of this request.
uint64_t Proxy::Core::anchor_of(const ClientTransaction& client) {
  if (!read_sent(client) || !sent.to_tag.empty()) return 0;
  const auto anchor = find_anchor(sent, HeaderId::record_route, route_mac);
  return anchor ? anchor->id : 0;
}

// A branch of an INVITE came to nothing. Another target may have got the same ports.
void Proxy::Core::forget_anchor(ClientTransaction& client) {
  if (client.method != Method::invite || anchor_ports.empty()) return;
  const uint64_t id = anchor_of(client);
  if (id == 0) return;
  if (const ServerTransaction* const server = transactions.server_of(client)) {
    for (ClientTransaction* c = transactions.first_branch(*server); c != nullptr;
         c = transactions.next_branch(*c)) {
      if (c != &client && c->is_live() && anchor_of(*c) == id) return;
    }
  }
  end_anchor(id);
}

// Media would be silent. What is answered already goes on as it was.
void Proxy::Core::refuse_anchor(uint64_t id, std::string_view why, Instant now) {
  if (id == 0) return;
  const ClientTransaction* client = nullptr;
  for (Begun& begun : begun_anchors) {
    if (begun.id != id) continue;
    const SendToken branch = std::exchange(begun, {}).branch;
    if (client == nullptr) client = transactions.find_client(branch);
  }
  ServerTransaction* const server = client == nullptr ? nullptr : transactions.server_of(*client);
  if (server == nullptr || server->state != ServerState::proceeding || server->cancelled ||
      !read_sent(*client)) {
    return;
  }
  std::array<char, 160> room_for_words;
  Output words(room_for_words);
  words << "399 " << kServer << " \"";
  for (const char c : why.substr(0, 120)) {
    words << (c == '"' || c == '\\' || c < ' ' ? ' ' : c);
  }
  words << '"';
  const HeaderText warning[] = {{"Warning", words.text()}};
  const Answer answer{488, {}, warning};
  const auto size = write_answer_to_sent(sent, answer, shown_seed, room());
  if (!size) return;
  statistics.count(Refusal::media_description);
  const std::string_view bytes(room().data(), *size);
  transactions.release_held(*server);
  send_response(*server, answer.status, bytes);
  keep(*server, bytes);
  finish(*server, answer.status, now);
  end_anchor(id);
}

void Proxy::Core::end_anchor(uint64_t id) {
  anchor_ports.release(id);
  outbound.end_anchor(id);
}

}  // namespace fedge::sip
