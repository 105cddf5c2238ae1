// What the fast path knows of its media sessions, as records of fixed size in memory that init
// holds (a memfd for each worker): a restarted fast path validates and adopts them, control reads
// them for the operator, a standby can receive them. Links are indices; times are monotonic
// nanoseconds, which a restart of a process does not touch; nothing here is a pointer, and names
// stand for what a publish may renumber. It lies here, not in dataplane/media, for control to read.
//
// The memory is: MemoryHeader | SessionRecord × capacity | PeerRecord × peers | SessionDetails ×
// capacity, each part on a page of its own (Layout). What every packet needs lies close together.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/link/session_address.h"
#include "firmware/wire/rtp/reception.h"

namespace fedge::media {

inline constexpr uint32_t kNone = 0xffffffff;

enum class SessionKind : uint8_t { free, turn, ms_turn, anchor };
inline constexpr int kSessionKinds = 4;
enum class ClientTransport : uint8_t { udp, tcp, tls };

// A session's name outside its worker: no two sessions ever have the same while the memory lives.
struct SessionId {
  uint32_t index = kNone;
  uint32_t generation = 0;  // of the record, counted up when it is freed
  friend bool operator==(SessionId, SessionId) = default;
};

// Where and when packets went. Written by the owner only; readers may see one packet half counted.
struct Traffic {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // of what is relayed: the datagram without TURN around it
};

// One permitted peer of a TURN allocation; with a channel number also that channel. An address may
// have several: each channel has a port of its own, a permission alone has port 0. Those of one
// address have the same `permitted_until`.
struct PeerRecord {
  Address address;
  uint32_t next = kNone;  // of the same session, or of the free ones
  uint16_t port = 0;
  uint16_t channel = 0;  // 0: none
  int64_t permitted_until = 0;
  int64_t bound_until = 0;
  uint32_t next_hop = kNone;  // the edge's (next_hops.h); asked again when it does not hold
  uint32_t plan = 0;          // the low bits of the plan that it was last checked against
  std::array<uint64_t, 2> reserved{};
};
static_assert(sizeof(PeerRecord) == 64);

// Of the peer of the last packet what its packets need: most of them read no PeerRecord.
struct HotPeer {
  Address address;
  int64_t until = 0;    // it is permitted, and its channel bound; not above now: ask the list
  uint32_t at = kNone;  // its PeerRecord
  uint16_t port = 0;    // of the channel
  uint16_t channel = 0;
};
static_assert(sizeof(HotPeer) == 32);

// Two lines, all that a packet reads and counts of a TURN session. Of the numbers of a plan
// (`server`, `relay`, `second_relay`) none holds for longer than `plan` says.
struct alignas(64) SessionRecord {
  // --- line 0
  uint32_t generation = 1;
  SessionKind kind = SessionKind::free;
  ClientTransport transport = ClientTransport::udp;
  uint8_t flags = 0;  // SessionFlag
  uint8_t reserved = 0;
  uint16_t server = 0;       // the address the client uses, among Plan::locals
  uint16_t server_port = 0;  // host order, as every port here
  uint16_t client_port = 0;
  uint16_t relay = 0;  // the relayed address, among Plan::locals
  uint16_t relay_port = 0;
  std::array<uint8_t, 6> client_mac{};  // from which its last authenticated request came
  Address client;
  uint32_t plan = 0;  // low bits of the plan's sequence it was last checked against
  uint32_t first_peer = kNone;
  uint32_t next_hop = kNone;  // of the hot peer
  // Of the other family (ADDITIONAL-ADDRESS-FAMILY); port 0: none.
  uint16_t second_relay = 0;
  uint16_t second_relay_port = 0;
  uint32_t peers = 0;      // how many it has
  uint32_t user_bits = 0;  // of the user's hash: whose bandwidth it shares

  // --- line 1
  HotPeer hot;
  std::array<Traffic, 2> traffic{};  // from the client (or the caller), to it
};
static_assert(sizeof(SessionRecord) == 128);

namespace session_flag {
inline constexpr uint8_t kMobile = 1;  // RFC 8016
// The reserved port (EVEN-PORT) is held at relay_port + 1.
inline constexpr uint8_t kHoldsNextPort = 2;
// RFC 6062: the relay port is front's, for TCP; nothing of UDP goes through it.
inline constexpr uint8_t kTcpRelay = 4;
// Its client's address is another worker's, which hands over what comes from there.
inline constexpr uint8_t kStray = 8;
}  // namespace session_flag

// What only requests need, of TURN and MS-TURN.
struct TurnDetails {
  std::array<std::byte, 32> key{};  // of MESSAGE-INTEGRITY
  uint8_t key_size = 0;             // 16 or 32
  uint8_t is_sha256 = 0;            // which code the client began with
  uint8_t reserved[2] = {};
  uint32_t sequence = 0;                         // MS-TURN: the last counter taken
  std::array<std::byte, 16> last_transaction{};  // of the Allocate that made it, or moved it
  uint64_t reservation = 0;                      // token of the held port; 0: none
  int64_t held_until = 0;                        // and how long
  uint64_t ticket = 0;                           // RFC 8016; 0: none
  std::array<std::byte, 32> connection_id{};     // MS-TURN's
  uint64_t sequences = 0;  // MS-TURN: the counters taken of the 64 up to `sequence`, that is bit 0
  // Bandwidth: when the octets already sent would have been due (a leaky bucket), one each way.
  std::array<int64_t, 2> paced{};
  std::array<uint64_t, 19> spare{};
};

// Where one component (RTP or RTCP) of one side of an anchored stream is.
struct AnchorEnd {
  Address remote;           // packets go there: latched, or as the SDP says; none: not known yet
  uint16_t port = 0;        // of `remote`
  uint16_t local_port = 0;  // ours
  uint16_t local = 0;       // our address, among Plan::locals
  uint8_t latched = 0;      // 1: `remote` has sent
  uint8_t reserved = 0;
  uint32_t next_hop = kNone;
  uint16_t signalled_port = 0;  // as the SDP said
  uint16_t reserved2 = 0;
};
static_assert(sizeof(AnchorEnd) == 32);

// One side of an anchored stream.
struct AnchorLeg {
  Address expected;             // what the SDP says; packets come from its prefix
  Address local;                // our address
  uint8_t prefix_bits = 0;      // of `expected`, as an IPv6 address (IPv4: 96 more)
  uint8_t muxed = 0;            // 1: RTCP comes on the RTP port (RFC 5761)
  uint8_t payload_type = 0xff;  // of the last RTP packet: its clock is that of the jitter
  uint8_t state = 0;            // link::StreamState of its last SDP
  rtp::Reception reception;     // of RTP from there
  int64_t heard = 0;            // when a packet last came from there
};
static_assert(sizeof(AnchorLeg) == 80);

struct AnchorDetails {
  // By component, then by leg: RTP of both sides is one line.
  std::array<std::array<AnchorEnd, 2>, 2> ends;
  std::array<AnchorLeg, 2> legs;
  uint64_t id = 0;
  uint64_t call = 0;
};

struct alignas(64) SessionDetails {
  union {
    TurnDetails turn;
    AnchorDetails anchor;
  };
  int64_t created = 0;
  int64_t expires = 0;
  uint64_t refused = 0;     // packets of either direction that were dropped
  uint64_t user = 0;        // hash of the user's name: what quotas go by; of a call: of its Call-ID
  uint64_t connection = 0;  // of front; 0: UDP
  std::array<char, 48> user_name{};  // its beginning, for the operator; of a call: of its Call-ID
  std::array<char, 16> client_realm{};
  std::array<char, 16> relay_realm{};
  Address server;        // our addresses, by which a new plan finds them
  Address relay;         // none: no relay port
  Address second_relay;  // none: no second one
  SessionDetails() : turn{} {}
};
static_assert(sizeof(SessionDetails) == 512);

// At the memory's beginning.
struct alignas(64) MemoryHeader {
  static constexpr uint64_t kMagic = 0x6d656d6567646566;  // "fedgemem"
  static constexpr uint32_t kFormat = 2;                  // counts up when a record changes
  uint64_t magic = 0;
  uint32_t format = 0;
  uint16_t worker = 0;
  uint16_t workers = 0;
  uint32_t capacity = 0;
  uint32_t peers = 0;
  // Records from here on were never used: their pages are not there.
  uint32_t session_mark = 0;
  uint32_t peer_mark = 0;
  uint32_t sessions = 0;  // in use now
  uint32_t reserved = 0;
};

// Where the parts lie, in octets.
struct Layout {
  static constexpr uint64_t kPart = 2 << 20;  // parts begin where huge pages can
  uint64_t records = 0;
  uint64_t peers = 0;
  uint64_t details = 0;
  uint64_t size = 0;

  static constexpr Layout of(uint32_t capacity, uint32_t peer_capacity) {
    const auto up = [](uint64_t n) { return (n + kPart - 1) / kPart * kPart; };
    Layout out;
    out.records = kPart;
    out.peers = out.records + up(uint64_t{capacity} * sizeof(SessionRecord));
    out.details = out.peers + up(uint64_t{peer_capacity} * sizeof(PeerRecord));
    out.size = out.details + up(uint64_t{capacity} * sizeof(SessionDetails));
    return out;
  }
};

}  // namespace fedge::media
