#include "dataplane/media/turn_icmp.h"

#include <algorithm>

#include "dataplane/media/rewrite.h"
#include "firmware/wire/ip/constants.h"

namespace fedge::media {

namespace {

struct Error {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t data = 0;  // the next hop's MTU, where the type has one
};

// Only what the RFC lets a client hear of.
bool read_error(const ip::PacketView& view, Error& out) {
  if (!view.has_transport() || view.transport_size < ip::kIcmpSize) return false;
  const std::byte* const icmp = view.transport().data();
  out.type = view.icmp_type;
  out.code = view.icmp_code;
  if (view.protocol == ip::kIcmp) {
    constexpr uint8_t kTooBig = 4;
    if (out.type == ip::kIcmpUnreachable && out.code == kTooBig) out.data = load_be16(icmp + 6);
    return out.type == ip::kIcmpUnreachable || out.type == ip::kIcmpTimeExceeded;
  }
  if (view.protocol != ip::kIcmp6) return false;
  if (out.type == ip::kIcmp6TooBig) out.data = load_be32(icmp + 4);
  return out.type == ip::kIcmp6Unreachable || out.type == ip::kIcmp6TooBig ||
         out.type == ip::kIcmp6TimeExceeded;
}

}  // namespace

void IcmpReports::drop(Packet& packet, Reason reason) {
  packet.fate = Fate::drop;
  packet.reason = reason;
  ++dropped_[static_cast<size_t>(reason)];
}

void IcmpReports::add_to(StationCounts& counts) const {
  for (size_t i = 0; i < dropped_.size(); ++i) counts.dropped[i] += dropped_[i];
}

void IcmpReports::take(Packet& packet, const ip::PacketView& view, const Plan& plan, Instant now) {
  packet.fate = Fate::other;
  Error error;
  ip::Quoted quoted;
  if (!read_error(view, error) || !ip::parse_quoted(view, quoted)) return;
  if (quoted.protocol != ip::kUdp || quoted.source != view.destination) return;
  const int local = plan.find_local(packet.port, view.vlan, Address::of(quoted.source));
  if (local < 0) return;
  if (!plan.locals()[static_cast<size_t>(local)].has_relay_port(quoted.source_port)) return;
  const uint8_t owner = owner_of_port(quoted.source_port, sessions_.workers());
  if (owner != sessions_.worker()) {
    packet.fate = Fate::hand_over;
    packet.worker = owner;
    return;
  }
  const uint32_t session = sessions_.find_relay(static_cast<uint16_t>(local), quoted.source_port);
  if (session == kNone || sessions_.record(session).kind != SessionKind::turn ||
      (sessions_.record(session).flags & session_flag::kTcpRelay) != 0)
    return drop(packet, Reason::no_session);
  const SessionRecord& record = sessions_.record(session);
  if (record.plan != plan.sequence() && !sessions_.renew(session)) {
    sessions_.end(session, EndCause::publish);
    return drop(packet, Reason::no_session);
  }
  const Endpoint peer{quoted.destination, quoted.destination_port};
  if (sessions_.find_peer(session, Address::of(peer.address), peer.port, now) == kNone)
    return drop(packet, Reason::no_permission);
  std::array<std::byte, 64> message;
  const size_t size = turn_.write_icmp(message, peer, error.type, error.code, error.data);
  send(packet, plan, session, Bytes(message).first(size));
}

void IcmpReports::send(Packet& packet, const Plan& plan, uint32_t session, Bytes message) {
  const SessionRecord& record = sessions_.record(session);
  const bool is_udp = record.transport == ClientTransport::udp;
  const size_t head = !is_udp ? 0
                              : ip::kEthernetSize + ip::kUdpSize +
                                    (record.client.is_v4() ? ip::kIpv4Size : ip::kIpv6Size);
  const size_t there = size_t{packet.size} + packet.room_behind;
  if (head + message.size() > there) return drop(packet, Reason::above_mtu);
  std::ranges::copy(message, packet.frame + head);
  packet.size = static_cast<uint16_t>(head + message.size());
  packet.room_behind = static_cast<uint16_t>(there - packet.size);
  packet.reason = Reason::none;
  if (!is_udp) {
    packet.connection = sessions_.details(session).connection;
    packet.is_data = false;
    packet.fate = Fate::front;
    return;
  }
  const LocalAddress& from = plan.locals()[record.server];
  Departure out;
  out.from = &from;
  out.source = from.address;
  out.to = record.client;
  out.from_port = record.server_port;
  out.to_port = record.client_port;
  std::memcpy(&out.mac_word, record.client_mac.data(), ip::kMacSize);
  out.payload_at = static_cast<uint32_t>(head);
  out.payload_size = static_cast<uint16_t>(message.size());
  out.ttl = 64;
  out.class_and_ecn = static_cast<uint8_t>(plan.realms()[from.realm].dscp << 2);
  out.id = ++id_;
  if (!write_headers(packet, nullptr, out)) return drop(packet, packet.reason);
  packet.realm = from.realm;
  packet.fate = Fate::send;
}

}  // namespace fedge::media
