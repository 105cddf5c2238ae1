// ICMP errors about what was relayed to a peer, told to the client (RFC 8656 section 11.5).
#pragma once

#include <array>

#include "dataplane/media/counts.h"
#include "dataplane/media/packet.h"
#include "dataplane/media/plan.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/turn_server.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::media {

class IcmpReports {
 public:
  // Both outlive it.
  IcmpReports(Sessions& sessions, TurnServer& turn) : sessions_(sessions), turn_(turn) {}

  // `view` is of `packet`, an ICMP or ICMPv6 packet to one of our addresses. Fate::other: it is no
  // error about a relay port. Otherwise the frame became the Data indication for the client, or it
  // is another worker's (hand_over), or nobody's (drop).
  void take(Packet& packet, const ip::PacketView& view, const Plan& plan, Instant now);

  // What it dropped, on top of what the station did.
  void add_to(StationCounts& counts) const;

 private:
  void drop(Packet& packet, Reason reason);
  void send(Packet& packet, const Plan& plan, uint32_t session, Bytes message);

  Sessions& sessions_;
  TurnServer& turn_;
  uint16_t id_ = 0;
  std::array<uint64_t, kReasonCount> dropped_{};
};

}  // namespace fedge::media
