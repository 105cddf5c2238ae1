#include "dataplane/media/relay.h"

#include <algorithm>
#include <utility>

#include "firmware/wire/ms_turn/writer.h"
#include "firmware/wire/stun/constants.h"
#include "firmware/wire/turn/attributes.h"
#include "firmware/wire/turn/channel_data.h"

namespace fedge::media {

namespace {

// A load that nobody waits for. It walks the page tables where a prefetch gives up.
void touch(const void* at) {
  uint32_t ignored;
  asm volatile("movl %1, %0" : "=r"(ignored) : "m"(*static_cast<const uint32_t*>(at)));
}

uint8_t first_octet(const Packet& packet, const Arrival& arrival) {
  return std::to_integer<uint8_t>(packet.frame[arrival.payload_at]);
}

}  // namespace

void Relay::use(const Plan& plan) {
  plan_ = &plan;
  sequence_ = plan.sequence();
  session_pace_ = Bandwidth::pace(plan.limits().kbps_per_session);
  user_pace_ = Bandwidth::pace(plan.limits().kbps_per_user);
  total_pace_ = Bandwidth::pace(plan.limits().kbps_total);
  has_limits_ = (session_pace_ | user_pace_ | total_pace_) != 0;
  // Of ten milliseconds.
  grant_ = size_t{plan.limits().kbps_total} * 10 / 8;
}

void Relay::process(std::span<Packet> burst, Instant now) {
  now_ = now;
  at_ = to_ns(now);
  Items& items = *items_;
  process_once(burst, items);
  // What goes to a relay port of our own came out as a frame to it.
  for (Packet& packet : burst) {
    while (packet.fate == Fate::other && packet.hops != 0) {
      if (packet.hops > kMostHops) {
        drop(packet, Reason::loop);
        break;
      }
      process_once({&packet, 1}, items);
      if (packet.fate == Fate::other && items[0].way == Way::none) {
        drop(packet, Reason::no_session);
      }
    }
  }
}

// In one piece: what a stage keeps in registers stays there.
[[gnu::flatten]] void Relay::process_once(std::span<Packet> burst, Items& items) {
  // Each stage asks for what the next one reads as soon as it knows; then a loop that does nothing
  // but load the same: what page tables must be walked for was given up, and waits together here.
  for (const Packet& packet : burst) touch(packet.frame);
  for (size_t i = 0; i < burst.size(); ++i) {
    items[i].way = recognise(burst[i], items[i]);
    __builtin_prefetch(items[i].next);
  }
  for (size_t i = 0; i < burst.size(); ++i) touch(items[i].next);
  for (size_t i = 0; i < burst.size(); ++i) {
    look_up(items[i]);
    __builtin_prefetch(items[i].next);
    __builtin_prefetch(static_cast<const std::byte*>(items[i].next) + 64, 1);
  }
  for (size_t i = 0; i < burst.size(); ++i) touch(items[i].next);
  for (size_t i = 0; i < burst.size(); ++i) prefetch_details(items[i]);
  for (size_t i = 0; i < burst.size(); ++i) {
    switch (items[i].way) {
      case Way::from_peer:
        relay_from_peer(burst[i], items[i]);
        break;
      case Way::from_client:
        relay_from_client(burst[i], items[i]);
        break;
      case Way::from_front:
        relay_from_front(burst[i], items[i]);
        break;
      case Way::none:
        break;
    }
  }
}

// Stage 1: whose is it? Asks for the line that says which session.
Relay::Way Relay::recognise(Packet& packet, Item& item) {
  Arrival& arrival = item.arrival;
  item.session = kNone;
  item.next = &item;
  packet.fate = Fate::other;
  if (packet.connection != 0) {
    item.key = Sessions::connection_key(packet.connection);
    item.next = sessions_.index().line(item.key);
    return Way::from_front;
  }
  if (!read_arrival(*plan_, packet, arrival)) return Way::none;
  const LocalAddress& at = local(arrival.local);
  const uint8_t workers = sessions_.workers();
  uint8_t owner = sessions_.worker();
  Way way = Way::none;
  if (at.has_relay_port(arrival.destination_port)) {
    if (workers != 1) owner = owner_of_port(arrival.destination_port, workers);
    way = Way::from_peer;
    // The head that goes in front will lie in the line before.
    __builtin_prefetch(packet.frame - turn::kChannelHeaderSize, 1);
    item.next = &sessions_.slots()[at.slot(arrival.destination_port)];
  } else if (packet.hops == 0 && at.serves(arrival.destination_port)) {
    if (workers != 1 && !packet.strayed) {
      owner = owner_of_client(arrival.source, arrival.source_port, workers);
    }
    way = Way::from_client;
    item.key = Sessions::index_key(arrival.source, arrival.source_port, arrival.destination_port);
    item.next = sessions_.index().line(item.key);
  }
  if (owner == sessions_.worker()) return way;
  hand_over(packet, owner);
  return Way::none;
}

// Stage 2: which session? Asks for its two lines.
void Relay::look_up(Item& item) {
  switch (item.way) {
    case Way::none:
      return;
    case Way::from_peer: {
      const uint32_t held =
          sessions_.slots()[local(item.arrival.local).slot(item.arrival.destination_port)];
      item.session = Sessions::is_session(held) ? held : kNone;
      break;
    }
    case Way::from_client:
    case Way::from_front:
      item.session = sessions_.index().guess(item.key);
      break;
  }
  if (item.session == kNone) return;
  item.next = &sessions_.record(item.session);
}

// Stage 3: of a call both ends; of others, where there are limits, what was sent.
void Relay::prefetch_details(const Item& item) {
  if (item.session == kNone) return;
  const SessionDetails& details = sessions_.details(item.session);
  if (sessions_.record(item.session).kind == SessionKind::anchor) {
    const AnchorDetails& anchor = details.anchor;
    __builtin_prefetch(&anchor.ends[item.arrival.destination_port & 1], 1);
    __builtin_prefetch(&anchor.legs[0], 1);
    __builtin_prefetch(&anchor.legs[1], 1);
  } else if (has_limits_) {
    __builtin_prefetch(&details.turn.paced, 1);
  }
}

// --- stage 4: from a peer -----------------------------------------------------------------------

void Relay::relay_from_peer(Packet& packet, Item& item) {
  const Arrival& arrival = item.arrival;
  if (item.session == kNone) return drop(packet, Reason::no_session);
  SessionRecord& record = sessions_.record(item.session);
  if (record.plan != sequence_ && !renew(packet, item.session)) [[unlikely]]
    return;
  if (record.kind == SessionKind::anchor) return relay_anchored(packet, item);
  if ((record.flags & session_flag::kTcpRelay) != 0) [[unlikely]] {
    return refuse(packet, item.session, Reason::no_session);
  }
  const HotPeer& hot = record.hot;
  const bool is_hot = hot.address == arrival.source && hot.until > at_ &&
                      (hot.channel != 0 ? hot.port == arrival.source_port : record.peers == 1);
  if (!is_hot) [[unlikely]] {
    const uint32_t at =
        sessions_.find_peer(item.session, arrival.source, arrival.source_port, now_);
    if (at == kNone) return refuse(packet, item.session, Reason::no_permission);
    if (!heat(packet, item.session, at)) return;
  }
  // Our own relay ports send inside: off the wire that is somebody who claims to be one.
  if (record.next_hop == kInside && packet.hops == 0) [[unlikely]] {
    return refuse(packet, item.session, Reason::source_foreign);
  }
  send_to_client(packet, item, item.session);
}

// ChannelData's or a Data indication's head before the payload, padding behind it.
bool Relay::write_head(Packet& packet, const Item& item, const SessionRecord& record,
                       Departure& out) {
  std::byte* const payload = packet.frame + out.payload_at;
  const HotPeer& peer = record.hot;
  // Another port of that address has no channel.
  const bool is_bound = peer.channel != 0 && peer.port == item.arrival.source_port;
  if (is_bound && peer.channel == kActiveDestination) return true;
  if (is_bound) {
    out.head = turn::kChannelHeaderSize;
    // One store and no load: a load of two stores waits until they are in the cache.
    const uint32_t head = __builtin_bswap32(uint32_t{peer.channel} << 16 | out.payload_size);
    std::memcpy(payload - sizeof head, &head, sizeof head);
    out.added = head;
    return true;
  }
  const Endpoint from{item.arrival.source.ip(), item.arrival.source_port};
  const bool is_ms = record.kind == SessionKind::ms_turn;
  const size_t size =
      is_ms ? ms_turn::data_head_size(from.address) : turn::data_head_size(from.address);
  out.padding = is_ms ? 0 : static_cast<uint16_t>(turn::padding_of(out.payload_size));
  const size_t behind = packet.size - out.payload_at - out.payload_size + packet.room_behind;
  // All headers fit before the frame's beginning: the rest is seen by write_headers().
  if (out.padding > behind || size > packet.room_before + out.payload_at) return false;
  out.head = static_cast<uint16_t>(size);
  const MutableBytes head{payload - size, size};
  stun::Transaction transaction{};
  if (!is_ms) store_be32(transaction.data(), stun::kMagicCookie);
  std::memcpy(&transaction[8], &++transaction_, sizeof transaction_);
  const bool written = is_ms ? ms_turn::write_data_head(head, transaction, from, out.payload_size)
                             : turn::write_data_head(head, transaction, from, out.payload_size);
  if (!written) return false;
  std::fill_n(payload + out.payload_size, out.padding, std::byte{});
  out.added = sum_of(head.data(), size);
  return true;
}

void Relay::send_to_client(Packet& packet, const Item& item, uint32_t session) {
  SessionRecord& record = sessions_.record(session);
  const Arrival& arrival = item.arrival;
  if (!take_bandwidth(session, kToClient, arrival.payload_size)) {
    return refuse(packet, session, Reason::bandwidth);
  }
  Departure out;
  out.payload_at = arrival.payload_at;
  out.payload_size = arrival.payload_size;
  if (!write_head(packet, item, record, out)) {
    return refuse(packet, session, Reason::above_mtu);
  }
  count(session, kToClient, arrival.payload_size);
  if (record.transport != ClientTransport::udp) {
    const Departure copy = out;
    return send_to_front(packet, session, copy, item);
  }
  const LocalAddress& server = local(record.server);
  out.from = &server;
  out.source = server.address;
  out.from_port = record.server_port;
  out.to = record.client;
  out.to_port = record.client_port;
  out.mac_word = to_mac_word(record.client_mac);
  depart(packet, item, out, kNoNextHop);
}

// --- stage 4: from a client ----------------------------------------------------------------------

uint32_t Relay::find_clients_session(const Item& item) {
  const Arrival& arrival = item.arrival;
  const auto is_it = [&](uint32_t i) {
    const SessionRecord& record = sessions_.record(i);
    return record.client == arrival.source && record.client_port == arrival.source_port &&
           record.server_port == arrival.destination_port && record.server == arrival.local &&
           record.transport == ClientTransport::udp && record.plan == sequence_ &&
           record.kind != SessionKind::anchor;
  };
  if (item.session != kNone && is_it(item.session)) return item.session;
  // The guess was another's with the same tag, or its plan is an earlier one.
  return sessions_.find_client(arrival.source, arrival.source_port, arrival.local,
                               arrival.destination_port);
}

void Relay::relay_from_client(Packet& packet, Item& item) {
  if (item.arrival.payload_size == 0) return drop(packet, Reason::unknown_datagram);
  const uint32_t session = find_clients_session(item);
  item.session = session;
  if (session == kNone && follow_stray(packet, item)) return;
  if (session != kNone && sessions_.record(session).plan != sequence_) [[unlikely]] {
    if (!renew(packet, session)) return;
  }
  if (session != kNone && sessions_.record(session).kind == SessionKind::ms_turn) {
    return relay_ms_turn(packet, item);
  }
  const uint8_t kind = first_octet(packet, item.arrival) >> 6;
  if (kind == 1) return relay_channel(packet, item);
  if (kind == 0) {
    if (session != kNone && take_send_indication(packet, item, session)) return;
    return ask_server(packet, item, session);
  }
  relay_to_active(packet, item);
}

void Relay::relay_channel(Packet& packet, const Item& item) {
  const Arrival& arrival = item.arrival;
  if (item.session == kNone) return drop(packet, Reason::unauthenticated);
  const std::byte* const head = arrival.payload(packet);
  const uint16_t channel = arrival.payload_size < 4 ? 0 : load_be16(head);
  const size_t size = arrival.payload_size < 4 ? 0 : load_be16(head + 2);
  if (!turn::is_channel(channel) || size + 4 > arrival.payload_size) {
    return refuse(packet, item.session, Reason::unknown_datagram);
  }
  const HotPeer& hot = sessions_.record(item.session).hot;
  if (hot.channel != channel || hot.until <= at_) [[unlikely]] {
    const uint32_t at = sessions_.find_channel(item.session, channel, now_);
    if (at == kNone) return refuse(packet, item.session, Reason::no_channel);
    if (!heat(packet, item.session, at)) return;
  }
  Departure out;
  out.payload_at = arrival.payload_at + 4u;
  out.payload_size = static_cast<uint16_t>(size);
  out.removed = load<uint32_t>(head);
  if (const size_t rest = arrival.payload_size - 4 - size; rest != 0) [[unlikely]] {
    out.removed += sum_behind(head + 4 + size, rest, size);
  }
  out.dont_fragment = arrival.dont_fragment;
  send_to_peer(packet, item, item.session, hot.port, out);
}

void Relay::send_to_peer(Packet& packet, const Item& item, uint32_t session, uint16_t peer_port,
                         Departure& out) {
  SessionRecord& record = sessions_.record(session);
  const Address& to = record.hot.address;
  if ((record.flags & session_flag::kTcpRelay) != 0) [[unlikely]] {
    return refuse(packet, session, Reason::no_route);
  }
  if (!take_bandwidth(session, kToPeer, out.payload_size)) {
    return refuse(packet, session, Reason::bandwidth);
  }
  const bool is_second =
      record.second_relay_port != 0 && local(record.relay).address.is_v4() != to.is_v4();
  const LocalAddress& from = local(is_second ? record.second_relay : record.relay);
  out.from = &from;
  out.source = from.address;
  out.from_port = is_second ? record.second_relay_port : record.relay_port;
  out.to = to;
  out.to_port = peer_port;
  if (out.from_port == 0 || from.address.is_v4() != to.is_v4()) {
    return refuse(packet, session, Reason::no_route);
  }
  uint32_t& next_hop = record.next_hop;
  if (next_hop != kInside && !next_hops_.find_mac(next_hop, out.mac_word)) [[unlikely]] {
    uint64_t mac_word = 0;
    const bool found = find_next_hop(packet, from, to, next_hop, mac_word);
    out.mac_word = mac_word;
    sessions_.peer(record.hot.at).next_hop = next_hop;
    if (!found) return refuse(packet, session, packet.reason);
  }
  count(session, kToPeer, out.payload_size);
  depart(packet, item, out, next_hop);
}

// --- the last steps of all -----------------------------------------------------------------------

void Relay::depart(Packet& packet, const Item& item, Departure& out, uint32_t next_hop) {
  const Arrival& arrival = item.arrival;
  const bool by_front = item.way == Way::from_front;
  if (!by_front && arrival.ttl <= 1) return drop(packet, Reason::time_to_live);
  const RealmMedia& realm = plan_->realms()[out.from->realm];
  out.ttl = by_front ? 64 : static_cast<uint8_t>(arrival.ttl - 1);
  out.class_and_ecn =
      static_cast<uint8_t>(realm.dscp << 2 | (by_front ? 0 : arrival.class_and_ecn & 3));
  out.id = ++id_;
  packet.realm = out.from->realm;
  const bool inside = next_hop == kInside;
  if (inside) [[unlikely]] {
    // From its relay port to another: as the outside would see both, but without leaving.
    const int there = plan_->find_relay(out.to);
    if (there < 0) return drop(packet, Reason::no_session);
    const LocalAddress& at = local(static_cast<uint16_t>(there));
    out.source = out.from->public_address;
    out.to = at.address;
    out.mac_word = at.mac_word;
    out.vlan = at.vlan;
    packet.port = at.port;
    ++packet.hops;
    ++counts_.inside;
  }
  const bool is_plain = !by_front && arrival.is_v4 && out.to.is_v4() && out.vlan == 0;
  bool written;
  if (is_plain) [[likely]] {
    written = write_ipv4_frame(packet, arrival, out);
  } else {
    // A copy, so that the other one's address is nobody's and its fields stay in registers.
    const Departure copy = out;
    written = write_headers(packet, by_front ? nullptr : &arrival, copy);
  }
  if (!written) return drop(packet, packet.reason);
  packet.connection = 0;
  if (inside) {
    packet.fate = Fate::other;
    return;
  }
  // The edge cuts IPv4 that may be cut.
  const bool may_cut = out.to.is_v4() && !out.dont_fragment;
  if (packet.size > realm.mtu + ip::kEthernetSize && !may_cut) [[unlikely]] {
    return drop(packet, Reason::above_mtu);
  }
  packet.fate = Fate::send;
}

}  // namespace fedge::media
