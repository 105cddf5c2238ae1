// What the proxy is told about where a message came from. Facts about the peer come from its
// certificate (or, over plain TCP, its address) and from the snapshot in use, never from the
// message.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/base/time.h"
#include "firmware/net/address.h"
#include "firmware/snapshot/sections.h"

namespace fedge::sip {

// Names one connection for ever: an id is not used again while the process runs. 0 is none.
using ConnectionId = uint64_t;
// Names one request sent to a next hop and still unanswered. 0 asks for no report.
using SendToken = uint64_t;

inline constexpr uint32_t kNoNextHop = 0xffffffff;

enum class PeerKind : uint8_t {
  stranger,  // no certificate, or one that names nobody we know
  inside,    // one of the organisation's own systems
  partner,   // the edge of a federated organisation
};

struct PeerFacts {
  PeerKind kind = PeerKind::stranger;
  std::string_view name;           // as in its certificate and in snapshot::Peer
  std::string_view domain;         // a partner's (first) SIP domain, lower case; empty otherwise
  uint32_t next_hop = kNoNextHop;  // snapshot::Peer::next_hop of the snapshot in use
  // Its record in the snapshot in use, when that has one: a partner may have several domains.
  const snapshot::Peer* record = nullptr;
};

// Views stay valid for the call only. After Proxy::use() the caller looks the peer of every live
// connection up again, lazily or at once: the next arrival carries facts of the new snapshot.
struct Arrival {
  ConnectionId connection = 0;
  uint16_t realm = snapshot::kNone16;     // index into Realms::realms of the snapshot in use
  uint16_t listener = snapshot::kNone16;  // index into Listeners; none on connections we dialled
  snapshot::Transport transport = snapshot::Transport::tls;
  Endpoint local;
  Endpoint remote;
  PeerFacts peer;
  Duration waited{0};  // between its arrival at the box and our reading it
};

}  // namespace fedge::sip
