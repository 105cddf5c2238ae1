// What few packets need: a look at what a publish changed, next hops that are not known yet, Send
// indications, requests, and messages of front.
#include <algorithm>

#include "dataplane/media/relay.h"
#include "firmware/wire/stun/message.h"
#include "firmware/wire/turn/attributes.h"
#include "firmware/wire/turn/channel_data.h"

namespace fedge::media {

namespace {

constexpr size_t kIpv4Head = ip::kIpv4Size + ip::kUdpSize;
constexpr size_t kIpv6Head = ip::kIpv6Size + ip::kUdpSize;
constexpr uint16_t kSendIndication =
    stun::encode_type(static_cast<uint16_t>(stun::Method::send), stun::Class::indication);

}  // namespace

// --- after a publish -----------------------------------------------------------------------------

bool Relay::renew(Packet& packet, uint32_t session) {
  ++counts_.rechecked;
  // It may have ended since this burst looked it up.
  if (sessions_.in_use(session)) {
    if (sessions_.renew(session)) return true;
    sessions_.end(session, EndCause::publish);
  }
  drop(packet, Reason::no_session);
  return false;
}

bool Relay::renew_peer(Packet& packet, uint32_t session, uint32_t at) {
  ++counts_.rechecked;
  PeerRecord& peer = sessions_.peer(at);
  const PeerVerdict verdict = plan_->judge_peer(peer.address.ip());
  if (verdict == PeerVerdict::denied) {
    sessions_.remove_peer(session, at);
    refuse(packet, session, Reason::peer_denied);
    return false;
  }
  peer.next_hop = verdict == PeerVerdict::our_relay ? kInside : kNoNextHop;
  peer.plan = sequence_;
  return true;
}

bool Relay::heat(Packet& packet, uint32_t session, uint32_t at) {
  if (sessions_.peer(at).plan != sequence_ && !renew_peer(packet, session, at)) return false;
  sessions_.heat(session, at, at_);
  return true;
}

bool Relay::find_next_hop(Packet& packet, const LocalAddress& from, const Address& to,
                          uint32_t& next_hop, uint64_t& mac_word) {
  next_hop = next_hops_.resolve(from.realm, to.ip());
  if (next_hop == kNoNextHop) {
    packet.reason = Reason::no_route;
    return false;
  }
  packet.reason = Reason::no_neighbour;
  return next_hops_.find_mac(next_hop, mac_word);
}

void Relay::expect(uint16_t realm, const Address& to) {
  if (plan_->find_relay(to) < 0) (void)next_hops_.resolve(realm, to.ip());
}

// Whom a request has permitted, the latest first.
void Relay::expect_peers(uint32_t session) {
  constexpr int kMost = 8;
  if (!sessions_.in_use(session) || sessions_.record(session).kind == SessionKind::anchor) return;
  const SessionRecord& record = sessions_.record(session);
  uint32_t at = record.first_peer;
  for (int i = 0; i < kMost && at != kNone; ++i, at = sessions_.peer(at).next) {
    const Address& to = sessions_.peer(at).address;
    if (record.relay_port == 0) return;
    const bool is_second =
        record.second_relay_port != 0 && local(record.relay).address.is_v4() != to.is_v4();
    expect(local(is_second ? record.second_relay : record.relay).realm, to);
  }
}

// --- Send indications (RFC 8656 section 11.2) ----------------------------------------------------

// False: it is none; nothing was done.
bool Relay::take_send_indication(Packet& packet, const Item& item, uint32_t session) {
  const Arrival& arrival = item.arrival;
  std::byte* const begin = packet.frame + arrival.payload_at;
  if (sessions_.record(session).kind != SessionKind::turn || arrival.payload_size < 20 ||
      load_be16(begin) != kSendIndication) {
    return false;
  }
  stun::Message message;
  if (stun::parse({begin, arrival.payload_size}, message) != stun::Malformed::none) {
    refuse(packet, session, Reason::malformed_stun);
    return true;
  }
  const auto indication = turn::read_send_indication(message);
  if (!indication) {
    refuse(packet, session, Reason::malformed_stun);
    return true;
  }
  const Address to = Address::of(indication->peer.address);
  const uint32_t at = sessions_.find_peer(session, to, indication->peer.port, now_);
  if (at == kNone || indication->peer.port == 0) {
    refuse(packet, session, Reason::no_permission);
    return true;
  }
  if (!heat(packet, session, at)) return true;
  const auto data_at = static_cast<size_t>(indication->data.data() - begin);
  const size_t size = indication->data.size();
  Departure out;
  out.payload_at = static_cast<uint32_t>(arrival.payload_at + data_at);
  out.payload_size = static_cast<uint16_t>(size);
  out.removed = sum_of(begin, data_at) +
                sum_behind(begin + data_at + size, arrival.payload_size - data_at - size, size);
  out.dont_fragment = indication->dont_fragment || arrival.dont_fragment;
  send_to_peer(packet, item, session, indication->peer.port, out);
  return true;
}

// --- requests ------------------------------------------------------------------------------------

// A client of whom nothing is known here: its session may be another worker's.
bool Relay::follow_stray(Packet& packet, const Item& item) {
  if (sessions_.workers() == 1 || packet.strayed) return false;
  const uint8_t worker = sessions_.quotas().strays().find(item.key);
  if (worker == Strays::kNobody || worker == sessions_.worker()) return false;
  hand_over_stray(packet, worker);
  return true;
}

void Relay::ask_server(Packet& packet, Item& item, uint32_t session) {
  const Arrival& arrival = item.arrival;
  const bool by_front = item.way == Way::from_front;
  const LocalAddress& at = local(arrival.local);
  const size_t mtu = plan_->realms()[at.realm].mtu;
  const size_t most = mtu - (arrival.is_v4 ? kIpv4Head : kIpv6Head);
  Request request{packet, {packet.frame + arrival.payload_at, arrival.payload_size}};
  const size_t there = packet.size - arrival.payload_at + size_t{packet.room_behind};
  request.room = by_front ? there : std::min(there, most);
  request.server = arrival.local;
  request.server_port = arrival.destination_port;
  request.client = arrival.source;
  request.client_port = arrival.source_port;
  request.session = session;
  if (!by_front) std::memcpy(request.client_mac.data(), packet.frame + ip::kMacSize, ip::kMacSize);
  ++counts_.requests;
  packet.reason = Reason::none;
  const size_t size = stun_.on_stun(request, *plan_, now_);
  if (size == 0) {
    if (request.owner != Request::kOwn) return hand_over_stray(packet, request.owner);
    if (request.carried.peer != kNone) return relay_carried(packet, item, request);
    return drop(packet, packet.reason);
  }
  ++counts_.answers;
  if (request.session != kNone) expect_peers(request.session);
  packet.room_behind = static_cast<uint16_t>(there - size);
  packet.size = static_cast<uint16_t>(arrival.payload_at + size);
  if (by_front) {
    packet.is_data = false;
    packet.fate = Fate::front;
    return;
  }
  Departure out;
  out.from = &at;
  out.source = at.address;
  out.to = arrival.source;
  out.from_port = arrival.destination_port;
  out.to_port = arrival.source_port;
  std::memcpy(&out.mac_word, request.client_mac.data(), ip::kMacSize);
  out.payload_at = arrival.payload_at;
  out.payload_size = static_cast<uint16_t>(size);
  out.ttl = 64;
  out.class_and_ecn = static_cast<uint8_t>(plan_->realms()[at.realm].dscp << 2);
  out.id = ++id_;
  if (!write_headers(packet, nullptr, out)) return drop(packet, packet.reason);
  packet.realm = at.realm;
  packet.fate = Fate::send;
}

// --- front ---------------------------------------------------------------------------------------

// A message that front framed: STUN, or ChannelData. Its place in a packet is where the payload of
// a datagram would be.
void Relay::relay_from_front(Packet& packet, Item& item) {
  Arrival& arrival = item.arrival;
  const Address server = Address::of(packet.server.address);
  const auto& locals = plan_->locals();
  const auto at = std::ranges::find_if(locals, [&](const LocalAddress& ours) {
    return ours.address == server && ours.realm == packet.realm;
  });
  if (at == locals.end() || packet.size == 0) return drop(packet, Reason::unknown_datagram);
  arrival = {};
  arrival.local = static_cast<uint16_t>(at - locals.begin());
  arrival.source = Address::of(packet.client.address);
  arrival.source_port = packet.client.port;
  arrival.destination_port = packet.server.port;
  arrival.payload_size = packet.size;
  arrival.is_v4 = server.is_v4();
  item.session = sessions_.find_connection(packet.connection);
  if (item.session != kNone && sessions_.record(item.session).plan != sequence_ &&
      !renew(packet, item.session)) {
    return;
  }
  const bool is_ms_turn =
      item.session != kNone && sessions_.record(item.session).kind == SessionKind::ms_turn;
  if (packet.is_data || is_ms_turn) return relay_ms_turn(packet, item);
  const uint8_t kind = std::to_integer<uint8_t>(packet.frame[0]) >> 6;
  if (kind == 1) return relay_channel(packet, item);
  if (kind != 0) return drop(packet, Reason::unknown_datagram);
  if (item.session != kNone && take_send_indication(packet, item, item.session)) return;
  ask_server(packet, item, item.session);
}

// Front pads ChannelData itself.
void Relay::send_to_front(Packet& packet, uint32_t session, const Departure& out, const Item&) {
  std::byte* const begin = packet.frame + out.payload_at - out.head;
  const size_t size = size_t{out.head} + out.payload_size + out.padding;
  const auto before = begin - packet.frame;
  packet.room_behind = static_cast<uint16_t>(packet.room_behind + packet.size - before -
                                             static_cast<ptrdiff_t>(size));
  packet.room_before = static_cast<uint16_t>(packet.room_before + before);
  packet.frame = begin;
  packet.size = static_cast<uint16_t>(size);
  packet.connection = sessions_.details(session).connection;
  packet.is_data = out.head == 0;  // of MS-TURN's active destination
  packet.fate = Fate::front;
}

}  // namespace fedge::media
