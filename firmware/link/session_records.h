// What the fast path knows of its media sessions, as records of fixed size in memory that init
// holds (a memfd for each worker): a restarted fast path validates and adopts them, control reads
// them for the operator, a standby can receive them. Links are indices; times are monotonic
// nanoseconds, which a restart of a process does not touch; nothing here is a pointer, and names
// stand for what a publish may renumber.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/link/session_address.h"
#include "firmware/wire/rtp/reception.h"

namespace fedge::media {

inline constexpr uint32_t kNone = 0xffffffff;

enum class SessionKind : uint8_t { free, turn, ms_turn, anchor };
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
  uint64_t bytes = 0;  // payload of UDP
};

// One permitted peer of a TURN allocation; with a channel number also that channel. An address may
// have several: each channel has a port of its own, a permission alone has port 0.
struct PeerRecord {
  Address address;
  uint32_t next = kNone;  // of the same session, or of the free ones
  uint16_t port = 0;
  uint16_t channel = 0;  // 0: none
  int64_t permitted_until = 0;
  int64_t bound_until = 0;
  uint32_t next_hop = kNone;  // the edge's (next_hops.h); asked again when it does not hold
  uint32_t plan = 0;          // the low bits of the plan that it was last checked against
  uint64_t packets = 0;       // to and from it
  uint64_t reserved = 0;
};
static_assert(sizeof(PeerRecord) == 64);

// Where one component (RTP or RTCP) of one side of an anchored stream is.
struct AnchorEnd {
  Address remote;           // packets go there: latched, or as the SDP says; none: not known yet
  uint16_t port = 0;        // of `remote`
  uint16_t local_port = 0;  // ours, on the leg's address
  uint8_t latched = 0;      // 1: `remote` has sent
  uint8_t reserved[3] = {};
  uint32_t next_hop = kNone;
  uint32_t reserved2 = 0;
};
static_assert(sizeof(AnchorEnd) == 32);

// One side of an anchored stream.
struct AnchorLeg {
  std::array<AnchorEnd, 2> ends;  // RTP, RTCP
  Address local;
  Address expected;         // what the SDP says; packets come from its prefix
  uint8_t prefix_bits = 0;  // of `expected`, as an IPv6 address (IPv4: 96 more)
  uint8_t muxed = 0;        // 1: RTCP comes on the RTP port (RFC 5761)
  uint16_t pool = 0;        // of the plan
  uint16_t realm = 0;       // of the plan
  uint8_t reserved[2] = {};
};

// 512 octets: the first line is what every packet needs.
struct SessionRecord {
  // --- line 0
  uint32_t generation = 1;
  SessionKind kind = SessionKind::free;
  ClientTransport transport = ClientTransport::udp;
  uint8_t flags = 0;  // kDontFragment …
  uint8_t locals = 0;
  uint16_t client_realm = 0;  // by the plan it was checked against; likewise the next two
  uint16_t relay_realm = 0;
  uint16_t server = 0;       // which of the plan's media listeners the client uses
  uint16_t client_port = 0;  // host order
  uint32_t slot = kNone;     // relay port, see PortTable; kNone: none
  Address client;
  uint32_t plan = 0;  // low bits of the plan's sequence it was last checked against
  uint32_t first_peer = kNone;
  uint32_t hot_peer = kNone;            // of the last packet: tried first
  std::array<uint8_t, 6> client_mac{};  // from which its last authenticated request came
  uint16_t client_vlan = 0;
  // --- line 1: counts
  std::array<Traffic, 2> traffic{};  // from the client (or leg 0), to it
  uint64_t refused = 0;              // packets of either direction that were dropped
  uint32_t next = kNone;             // in the list of the free ones, or of a hash bucket
  uint32_t token_bucket = 0;         // bandwidth left, in octets
  int64_t bucket_filled = 0;
  int64_t expires = 0;

  // --- the rest: `kind` says which
  int64_t created = 0;
  uint64_t user = 0;                 // hash of the user's name: what quotas go by
  uint64_t connection = 0;           // of front; 0: UDP
  std::array<char, 48> user_name{};  // its beginning, for the operator
  std::array<char, 16> client_realm_name{};
  std::array<char, 16> relay_realm_name{};
  Address server_address;
  uint16_t server_port = 0;
  uint16_t relay_port = 0;
  uint32_t second_slot = kNone;  // relay port of the other family, or held by EVEN-PORT
  Address relay_address;

  // TURN and MS-TURN.
  std::array<std::byte, 32> key{};  // of MESSAGE-INTEGRITY
  uint8_t key_size = 0;             // 16 or 32
  uint8_t is_sha256 = 0;            // which code the client began with
  uint16_t second_relay_port = 0;
  uint32_t sequence = 0;                         // MS-TURN: the last counter taken
  std::array<std::byte, 16> last_transaction{};  // of the Allocate that made it, or moved it
  uint64_t reservation = 0;                      // token of the held port; 0: none
  uint64_t ticket = 0;                           // RFC 8016; 0: none
};

}  // namespace fedge::media
