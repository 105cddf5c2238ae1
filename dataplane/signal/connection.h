// One TCP connection of the worker, accepted or dialled: socket, TLS stream, where its framing
// stands and what waits to be sent. An idle one holds no buffer. What is done with it is in
// message_reader.h, output.h and worker.h.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "dataplane/signal/send_queue.h"
#include "dataplane/sip/arrival.h"
#include "firmware/base/loop.h"
#include "firmware/net/address.h"
#include "firmware/pki/tls.h"
#include "firmware/resolve/discovery.h"
#include "firmware/snapshot/sections.h"
#include "firmware/wire/sip/stream.h"

namespace fedge::signal {

struct Connection;
struct Trunk;

// Under what the door counts an accepted connection.
struct Admission {
  uint16_t realm = 0;  // the door's own number of the realm, the same over publishes
  IpAddress source;
};

// What happens to a connection; the worker's side.
class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  virtual void on_connection_ready(Connection& connection, uint32_t events) = 0;
  virtual void on_connection_due(Connection& connection, Instant now) = 0;
};

enum class ConnectionState : uint8_t {
  unused,
  resolving,  // dialled; without a socket until the next hop's addresses are known
  connecting,
  handshaking,
  open,
};

// Of an accepted connection over TLS; see handshakes.h.
enum class HandshakeTurn : uint8_t {
  none,     // over, or not asked for
  silent,   // its peer has said nothing yet
  waiting,  // it has; not read until its turn has come
  working,
};

// Where a connection being made is tried: in order, from `at` on.
struct Dialling {
  std::vector<resolve::Target> targets;
  size_t at = 0;
  const std::string& host() const { return targets[at].host; }
};

struct Connection final : Watcher {
  class Deadline final : public Timer {
   public:
    explicit Deadline(Connection& owner) : owner_(owner) {}

   private:
    void on_timer(Instant now) override { owner_.events->on_connection_due(owner_, now); }
    Connection& owner_;
  };

  void on_ready(uint32_t ready) override { events->on_connection_ready(*this, ready); }

  bool dialled() const { return trunk != nullptr; }
  bool has_socket() const { return state > ConnectionState::resolving; }
  bool uses_tls() const { return transport == snapshot::Transport::tls; }

  ConnectionEvents* events = nullptr;
  sip::ConnectionId id = 0;
  Fd socket;
  uint32_t slot = 0;
  uint32_t interest = 0;  // what epoll watches for
  ConnectionState state = ConnectionState::unused;
  snapshot::Transport transport = snapshot::Transport::tls;
  uint16_t realm = snapshot::kNone16;  // both are indices into the generation in use
  uint16_t listener = snapshot::kNone16;
  Endpoint local;
  Endpoint remote;
  Admission admission;  // of an accepted one
  std::unique_ptr<pki::TlsStream> tls;

  // The peer, as the generation `peer_known_in` knows it.
  const snapshot::Peer* peer = nullptr;
  uint64_t peer_known_in = 0;  // which use of a generation; 0: not looked up
  // An accepted one that carries our requests to its peer too (RFC 5923).
  Trunk* alias_of = nullptr;
  bool alias_refused = false;  // as the generation `peer_known_in` has it
  bool misplaced = false;      // belongs to another worker since a publish
  bool announced = false;      // to the fast path
  bool announced_trusted = false;

  // A dialled connection: whose it is, and until it is open, where it is tried.
  Trunk* trunk = nullptr;
  std::unique_ptr<Dialling> dialling;
  bool retiring = false;      // its address is none of the next hop's any more
  uint32_t tokens_first = 0;  // see send_tokens.h
  uint32_t tokens_last = 0;
  uint16_t users = 0;  // other workers that may have requests on it, a bit for each

  // Reading.
  sip::StreamFramer framer;
  Buffer* partial = nullptr;  // the beginning of a message still incomplete
  bool partial_is_large = false;
  Instant partial_since = never;
  Instant reading_since{};  // it was held back, or its peer took nothing, until then

  // Sending: plain text not yet encrypted, ciphertext the socket did not take.
  SendQueue plain;
  SendQueue cipher;
  bool dirty = false;  // in the list of those to flush at the end of the round
  Connection* dirty_next = nullptr;
  Instant blocked_since = never;  // the socket takes nothing since

  // Back-pressure: this one is not read until `held_by` has drained or time is up.
  Connection* held_by = nullptr;
  Connection* held_next = nullptr;  // in the list of those held by the same one
  Connection* holds = nullptr;      // head of the list of those this one holds back
  Instant congested_since = never;

  // Accepting: its place in a list of Handshakes.
  HandshakeTurn handshake = HandshakeTurn::none;
  bool of_busy_source = false;
  Connection* handshake_before = nullptr;
  Connection* handshake_next = nullptr;

  Instant last_activity{};
  Instant phase_ends = never;  // connecting or handshaking must be over
  Deadline deadline{*this};
};

}  // namespace fedge::signal
