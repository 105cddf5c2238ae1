// What travels between front and a worker of the fast path: records of a fixed head, some with
// octets behind it. Numbers in the machine's order: both ends run on it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "dataplane/media/address.h"
#include "dataplane/media/packet.h"

namespace fedge::media {

enum class FrontKind : uint8_t {
  // front → worker
  message,        // octets: one framed message of a client
  closed,         // a client's connection is over
  alive,          // on a new ring: a connection that stands; its allocations go on
  all_alive,      // … and no others do: allocations of connections that were not named end
  tcp_connected,  // the peer answered; the CONNECTION-ID is made
  tcp_failed,     // it did not, or a tcp_bind found nothing to bind
  tcp_incoming,   // a peer has connected to a relay port
  tcp_closed,     // a peer's connection is over, with what it carried
  tcp_there,      // after a tcp_review: a connection that stands; may it still?
  // worker → front
  reply,         // octets: one message for a client
  close,         // closes a client's connection when what waits for it is sent
  tcp_listen,    // opens a relay port for peers
  tcp_unlisten,  // the allocation is over: closes its port and all connections of its peers
  tcp_connect,   // connects to a peer from the relay port
  tcp_bind,      // joins a client's connection with a peer's; octets: the success response
  tcp_drop,      // closes a peer's connection: not permitted (any more)
  tcp_accept,    // MS-TURN: a peer that has connected may be heard
  tcp_send,      // MS-TURN: octets: for a peer, which is connected to if it is not yet
  tcp_active,    // MS-TURN: the active destination from now on; octets: the answer to the client
  tcp_review,    // rules have changed: every connection is to be judged again
};
inline constexpr int kFrontKinds = static_cast<int>(FrontKind::tcp_review) + 1;
constexpr bool is_for_worker(FrontKind kind) { return kind <= FrontKind::tcp_there; }

// The longest message either way, in octets. Front passes over longer ones of a client and counts
// them.
inline constexpr size_t kMostFrontMessage = 9216;

// Realms by name, padded with zeros: the two processes may be at different generations.
using RealmName = std::array<char, 16>;
inline RealmName realm_name(std::string_view text) {
  RealmName out{};
  std::memcpy(out.data(), text.data(), std::min(text.size(), out.size() - 1));
  return out;
}
inline std::string_view text_of(const RealmName& name) {
  return {name.data(), ::strnlen(name.data(), name.size())};
}

// Comes back as it was given: what a worker must know to go on, so that it need not remember.
using Echo = std::array<std::byte, 32>;

// RFC 6062's CONNECTION-ID: front's name for one connection of a peer. Whose it is can be read
// from it, so that a ConnectionBind that comes to another worker finds its way.
using PeerId = uint32_t;
constexpr uint8_t worker_of(PeerId peer) { return peer & 7; }

// --- front → worker ----------------------------------------------------------------------------

struct FrontMessage {
  static constexpr FrontKind kKind = FrontKind::message;
  ConnectionId connection = 0;
  RealmName realm{};  // of the listener
  Address client;
  Address server;  // ours, as the client knows it without NAT
  uint16_t client_port = 0;
  uint16_t server_port = 0;
  uint16_t realm_index = 0;  // in front's snapshot: a hint, right when the name there is `realm`
  uint8_t is_tls = 0;
  uint8_t is_data = 0;  // see Packet::is_data
};
static_assert(sizeof(FrontMessage) == 64);

struct FrontClosed {
  static constexpr FrontKind kKind = FrontKind::closed;
  ConnectionId connection = 0;
};

struct FrontAlive {
  static constexpr FrontKind kKind = FrontKind::alive;
  ConnectionId connection = 0;
};

struct FrontAllAlive {
  static constexpr FrontKind kKind = FrontKind::all_alive;
  uint64_t count = 0;  // how many were named
};

struct TcpConnected {
  static constexpr FrontKind kKind = FrontKind::tcp_connected;
  uint64_t allocation = 0;
  PeerId peer = 0;
  uint32_t reserved = 0;
  Echo echo{};
};

enum class TcpFailure : uint32_t {
  refused,      // or unreachable, or silent: 447
  limit,        // too many, or no descriptors: 447
  known,        // there is a connection to that peer already: 446
  unknown_peer  // a bind of what is not there, is another user's or is bound: 400
};
constexpr bool is_valid(TcpFailure f) { return f <= TcpFailure::unknown_peer; }

struct TcpFailed {
  static constexpr FrontKind kKind = FrontKind::tcp_failed;
  uint64_t allocation = 0;  // 0: of a tcp_bind
  TcpFailure failure{};     // check it with is_valid()
  uint32_t reserved = 0;
  Echo echo{};
};

struct TcpIncoming {
  static constexpr FrontKind kKind = FrontKind::tcp_incoming;
  uint64_t allocation = 0;
  Address peer_address;
  PeerId peer = 0;
  uint16_t peer_port = 0;
  uint16_t reserved = 0;
};

struct TcpClosed {
  static constexpr FrontKind kKind = FrontKind::tcp_closed;
  uint64_t allocation = 0;
  uint64_t from_client = 0;  // octets
  uint64_t to_client = 0;
  PeerId peer = 0;
  uint32_t reserved = 0;
};

struct TcpThere {
  static constexpr FrontKind kKind = FrontKind::tcp_there;
  uint64_t allocation = 0;
  Address peer_address;
  PeerId peer = 0;
  uint32_t reserved = 0;
};

// --- worker → front ----------------------------------------------------------------------------

struct FrontReply {
  static constexpr FrontKind kKind = FrontKind::reply;
  ConnectionId connection = 0;
  uint64_t is_data = 0;  // as in FrontMessage
};

struct FrontClose {
  static constexpr FrontKind kKind = FrontKind::close;
  ConnectionId connection = 0;
};

struct TcpListen {
  static constexpr FrontKind kKind = FrontKind::tcp_listen;
  uint64_t allocation = 0;  // the worker's name for it, never used again
  uint64_t user = 0;        // a tcp_bind must come from the same
  // MS-TURN: this connection carries the peers' octets in frames. 0: RFC 6062, each peer has a
  // connection of the client's for itself.
  ConnectionId client = 0;
  RealmName realm{};       // of the relay address
  Address address;         // the relay address, ours
  Address public_address;  // as peers see it
  uint16_t port = 0;
  uint16_t reserved[3] = {};
};

// On a new ring the worker names again what it has, each by a tcp_listen, then says with
// `allocation` 0 that these are all: others are over.
struct TcpUnlisten {
  static constexpr FrontKind kKind = FrontKind::tcp_unlisten;
  uint64_t allocation = 0;
};

struct TcpConnect {
  static constexpr FrontKind kKind = FrontKind::tcp_connect;
  uint64_t allocation = 0;
  Address peer_address;
  uint16_t peer_port = 0;
  uint16_t is_inside = 0;  // 1: the address is one of our relay addresses, or its public form
  uint16_t reserved[2] = {};
  Echo echo{};
};
static_assert(sizeof(TcpConnect) == 64);

struct TcpBind {
  static constexpr FrontKind kKind = FrontKind::tcp_bind;
  ConnectionId connection = 0;
  uint64_t user = 0;
  PeerId peer = 0;
  uint32_t reserved = 0;
  Echo echo{};
};

struct TcpDrop {
  static constexpr FrontKind kKind = FrontKind::tcp_drop;
  PeerId peer = 0;
  uint32_t reserved = 0;
};

struct TcpAccept {
  static constexpr FrontKind kKind = FrontKind::tcp_accept;
  PeerId peer = 0;
  uint32_t reserved = 0;
};

struct TcpSend {
  static constexpr FrontKind kKind = FrontKind::tcp_send;
  uint64_t allocation = 0;
  Address peer_address;
  uint16_t peer_port = 0;
  uint16_t is_inside = 0;  // as in TcpConnect
  uint16_t reserved[2] = {};
};

struct TcpActive {
  static constexpr FrontKind kKind = FrontKind::tcp_active;
  uint64_t allocation = 0;
  Address peer_address;
  uint16_t peer_port = 0;
  uint16_t is_inside = 0;  // as in TcpConnect
  uint16_t reserved[2] = {};
};

struct TcpReview {
  static constexpr FrontKind kKind = FrontKind::tcp_review;
  uint64_t reserved = 0;
};

inline constexpr size_t kMostFrontHead = 80;
static_assert(sizeof(TcpListen) == kMostFrontHead);

}  // namespace fedge::media
