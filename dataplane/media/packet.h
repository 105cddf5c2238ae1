// A frame on its way through media: what the edge (ports, front, rings) hands in and what it gets
// back. Media rewrites frames where they lie; it sends, allocates and frees none.
#pragma once

#include <cstdint>

#include "firmware/base/bytes.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::media {

enum class Fate : uint8_t {
  other,      // not ours: admission decides
  send,       // the rewritten frame leaves through `realm`, untagged, Ethernet header included
  front,      // [frame, frame + size) goes to the connection `connection` of front
  hand_over,  // belongs to worker `worker`, as it came
  drop,       // for `reason`
};

// Why media forwards nothing; each has its counter.
enum class Reason : uint8_t {
  none,
  malformed_stun,    // and MS-TURN; not answered
  unknown_datagram,  // neither STUN nor ChannelData nor MS-TURN, from a client without a session
  no_session,        // to a relay port that nobody holds
  no_permission,     // from a peer that the client has not permitted
  no_channel,        // ChannelData for a channel that is not bound
  peer_denied,       // a peer that policy forbids
  source_foreign,    // an anchored stream's packet from outside its prefix, or not its source
  not_latched,       // nothing is known yet of where the other side wants it
  bandwidth,         // above the quota
  above_mtu,         // and may not be cut
  no_neighbour,      // the next hop's MAC is not known (it is being asked for)
  no_route,
  checksum,  // UDP over IPv6 without one
  time_to_live,
  loop,             // relayed to ourselves too often
  limited,          // unauthenticated requests of one source above their rate
  unauthenticated,  // an indication or ChannelData of a session that is not there
  replayed,         // MS-TURN: a sequence number that was taken before
};
inline constexpr int kReasonCount = static_cast<int>(Reason::replayed) + 1;
const char* text(Reason reason);

// 0: a frame from a port. Otherwise which TCP or TLS connection of front a framed message came
// on: `frame` is then the message alone (STUN, MS-TURN or ChannelData without padding).
using ConnectionId = uint64_t;

struct Packet {
  std::byte* frame = nullptr;
  uint16_t size = 0;
  uint16_t room_before = 0;  // octets in front of `frame` that may be used
  uint16_t room_behind = 0;
  uint16_t port = 0;   // place of the box's port that it came in on
  uint16_t realm = 0;  // out: where it leaves; from front: where the connection is
  uint8_t hops = 0;    // times it was relayed from one of our ports to another
  Fate fate = Fate::other;
  Reason reason = Reason::none;
  uint8_t worker = 0;
  bool strayed = false;  // handed over for its client's session, whosever the client's address is
  ConnectionId connection = 0;
  // Of front's connections only: the five-tuple.
  Endpoint client;
  Endpoint server;
  bool is_tls = false;
  // In and out, MS-TURN only, whose streams have frames of two sorts: a piece of the data that the
  // client and its active destination exchange, not a message.
  bool is_data = false;
  void* handle = nullptr;  // the edge's own (its buffer)

  MutableBytes bytes() const { return {frame, size}; }
};

}  // namespace fedge::media
