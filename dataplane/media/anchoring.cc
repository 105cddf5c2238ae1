// Packets of anchored streams (M4): whose they are by RFC 7362 (latching), where the other side
// wants them, and what RTP's headers tell.
#include "dataplane/media/relay.h"
#include "dataplane/media/special_prefixes.h"
#include "firmware/wire/rtp/packet.h"

namespace fedge::media {

namespace {

bool shares_prefix(const Address& a, const Address& b, uint8_t bits) {
  for (size_t i = 0; i < 2; ++i) {
    const unsigned here =
        bits > 64 * i ? std::min<unsigned>(bits - 64u * static_cast<unsigned>(i), 64) : 0;
    if (here == 0) return true;
    const uint64_t mask = __builtin_bswap64(~uint64_t{0} << (64 - here));
    if (((a.words[i] ^ b.words[i]) & mask) != 0) return false;
  }
  return true;
}

// RFC 7983: STUN, DTLS, RTP and RTCP. Nothing else moves a stream to where it came from.
bool is_media(std::byte first) {
  const auto octet = std::to_integer<uint8_t>(first);
  return octet < 4 || (octet >= 20 && octet < 64) || (octet >= 128 && octet < 192);
}

uint32_t clock_of(uint8_t payload_type) { return payload_type < 24 ? 8000 : 0; }

}  // namespace

// Whether a stream may go to where this packet came from. The very end that signalling named needs
// no latch, so it may always, and takes back what somebody else within the prefix had latched.
bool Relay::may_latch(const Packet& packet, const Item& item, const AnchorDetails& anchor,
                      size_t component, size_t leg) const {
  const Arrival& arrival = item.arrival;
  const AnchorEnd& end = anchor.ends[component][leg];
  const AnchorLeg& side = anchor.legs[leg];
  if (!side.expected || arrival.payload_size == 0 || !is_media(*arrival.payload(packet)) ||
      !shares_prefix(side.expected, arrival.source, side.prefix_bits)) {
    return false;
  }
  const IpAddress source = arrival.source.ip();
  if (is_never_peer(source) || plan_->is_own_but_no_relay(source)) return false;
  const bool is_named =
      side.expected == arrival.source && end.signalled_port == arrival.source_port;
  // Our own relay ports send inside, and no NAT is between: each is what signalling named, or
  // somebody else's.
  const bool is_inside = plan_->find_relay(arrival.source) >= 0;
  if (is_inside || packet.hops != 0) return is_inside && packet.hops != 0 && is_named;
  return is_named || end.latched == 0 || plan_->limits().relatch != 0;
}

// True when the packet is from the leg's end as far as is known: the source that was latched, or
// one that may be.
bool Relay::accept(Packet& packet, const Item& item, AnchorDetails& anchor, size_t component,
                   size_t leg) {
  const Arrival& arrival = item.arrival;
  AnchorEnd& end = anchor.ends[component][leg];
  if (end.latched != 0 && end.remote == arrival.source && end.port == arrival.source_port &&
      (end.next_hop != kInside || packet.hops != 0)) {
    return true;
  }
  if (!may_latch(packet, item, anchor, component, leg)) {
    const bool is_known = static_cast<bool>(anchor.legs[leg].expected);
    refuse(packet, item.session, is_known ? Reason::source_foreign : Reason::not_latched);
    return false;
  }
  if (end.remote != arrival.source || end.port != arrival.source_port) end.next_hop = kNoNextHop;
  end.remote = arrival.source;
  end.port = arrival.source_port;
  end.latched = 1;
  return true;
}

void Relay::measure(const Packet& packet, const Item& item, AnchorLeg& leg) {
  rtp::Packet header;
  const Bytes datagram{item.arrival.payload(packet), item.arrival.payload_size};
  if (rtp::parse_rtp(datagram, rtp::Protection::srtp, header) != rtp::Malformed::none) return;
  const uint32_t clock = clock_of(header.payload_type);
  const auto microseconds = static_cast<uint64_t>(at_ / 1000);
  const uint32_t arrival = clock == 0 ? 0 : rtp::to_clock_units(microseconds, clock);
  if (leg.reception.on_packet(header, arrival, clock)) leg.payload_type = header.payload_type;
}

void Relay::relay_anchored(Packet& packet, const Item& item) {
  const Arrival& arrival = item.arrival;
  AnchorDetails& anchor = sessions_.details(item.session).anchor;
  const size_t component = arrival.destination_port & 1;
  const auto& ends = anchor.ends[component];
  const size_t leg =
      ends[0].local_port == arrival.destination_port && ends[0].local == arrival.local ? 0 : 1;
  // RFC 5761 section 5.1.1: muxed when both sides say so. Then the second port is nobody's, and
  // what comes there must not get to where the other side hears RTP.
  const bool is_muxed = anchor.legs[0].muxed != 0 && anchor.legs[1].muxed != 0;
  if (is_muxed && component == 1) return refuse(packet, item.session, Reason::source_foreign);
  if (!accept(packet, item, anchor, component, leg)) return;
  const Bytes datagram{arrival.payload(packet), arrival.payload_size};
  const bool is_rtcp = component == 1 || (is_muxed && rtp::is_rtcp(datagram));
  if (!is_rtcp) measure(packet, item, anchor.legs[leg]);
  anchor.legs[leg].heard = at_;

  const size_t other = 1 - leg;
  AnchorEnd& end = anchor.ends[component][other];
  if (!end.remote || end.port == 0) return refuse(packet, item.session, Reason::not_latched);
  Departure out;
  const LocalAddress& from = local(end.local);
  out.from = &from;
  out.source = from.address;
  out.from_port = end.local_port;
  out.to = end.remote;
  out.to_port = end.port;
  out.payload_at = arrival.payload_at;
  out.payload_size = arrival.payload_size;
  out.dont_fragment = arrival.dont_fragment;
  if (from.address.is_v4() != end.remote.is_v4()) {
    return refuse(packet, item.session, Reason::no_route);
  }
  if (end.next_hop != kInside && !next_hops_.find_mac(end.next_hop, out.mac_word)) [[unlikely]] {
    if (plan_->find_relay(end.remote) >= 0) {
      end.next_hop = kInside;
    } else if (!find_next_hop(packet, from, end.remote, end.next_hop, out.mac_word)) {
      return refuse(packet, item.session, packet.reason);
    }
  }
  if (!take_total(leg, arrival.payload_size)) {
    return refuse(packet, item.session, Reason::bandwidth);
  }
  count(item.session, leg, arrival.payload_size);
  depart(packet, item, out, end.next_hop);
}

}  // namespace fedge::media
