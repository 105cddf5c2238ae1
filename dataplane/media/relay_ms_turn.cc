// MS-TURN's data: Sends, which the server has looked at, and what has no header at all.
#include "dataplane/media/relay.h"
#include "firmware/wire/ms_turn/message.h"

namespace fedge::media {

// On an MS-TURN session whatever is no message of it is data, STUN and DTLS too. In a datagram its
// cookie tells, in a stream its frame does.
void Relay::relay_ms_turn(Packet& packet, Item& item) {
  const Bytes payload{packet.frame + item.arrival.payload_at, item.arrival.payload_size};
  const bool is_message =
      item.way == Way::from_front ? !packet.is_data : ms_turn::looks_like_ms_turn(payload);
  if (is_message) return ask_server(packet, item, item.session);
  relay_to_active(packet, item);
}

// What is no message goes to the active destination as it is. Before there is one, the client may
// still ask for its address by STUN.
void Relay::relay_to_active(Packet& packet, Item& item) {
  if (item.session == kNone) return drop(packet, Reason::unknown_datagram);
  const SessionRecord& record = sessions_.record(item.session);
  if (record.hot.channel != kActiveDestination || record.hot.until <= at_) {
    const bool is_ms = record.kind == SessionKind::ms_turn;
    const uint32_t at =
        is_ms ? sessions_.find_channel(item.session, kActiveDestination, now_) : kNone;
    if (at == kNone) {
      const bool may_be_stun = packet.frame[item.arrival.payload_at] < std::byte{4};
      if (may_be_stun && !packet.is_data) return ask_server(packet, item, item.session);
      return refuse(packet, item.session, Reason::unknown_datagram);
    }
    if (!heat(packet, item.session, at)) return;
  }
  Departure out;
  out.payload_at = item.arrival.payload_at;
  out.payload_size = item.arrival.payload_size;
  out.dont_fragment = item.arrival.dont_fragment;
  send_to_peer(packet, item, item.session, record.hot.port, out);
}

// A Send's data. It may have begun at an odd place: its sum is made anew, which is little beside
// the code over it.
void Relay::relay_carried(Packet& packet, const Item& item, const Request& request) {
  const Request::Carried& carried = request.carried;
  const std::byte* const begin = packet.frame + item.arrival.payload_at;
  if (!heat(packet, request.session, carried.peer)) return;
  Departure out;
  out.payload_at = uint32_t{item.arrival.payload_at} + carried.at;
  out.payload_size = carried.size;
  out.removed = sum_of(begin, item.arrival.payload_size);
  out.added = sum_of(begin + carried.at, carried.size);
  out.dont_fragment = item.arrival.dont_fragment;
  send_to_peer(packet, item, request.session, carried.port, out);
}

}  // namespace fedge::media
