// The sessions of one worker: a table over memory that init holds (records.h), found by client,
// by front's connection and by relay port, ended by a timer wheel. Nothing here allocates after
// open(); every call but those of NewSession and ending is a few memory accesses.
//
// A TURN server's use of it:
//
//   const uint32_t i = sessions.find_client(client, port, server, server_port);
//   auto ports = sessions.take_port(4, PortWish::any);        // of this worker, of a TURN pool
//   const uint32_t s = sessions.create({...}, now);           // kNone: 508; quotas: see admits()
//   sessions.set_relay(s, *ports); … sessions.details(s).turn.key = …;
//   sessions.set_expiry(s, until);                            // again at each refresh
//   sessions.permit(s, peer, until); sessions.bind_channel(s, 0x4001, peer, port, …);
//   sessions.end(s, EndCause::client);
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/media/plan.h"
#include "dataplane/media/records.h"
#include "dataplane/media/session_index.h"
#include "dataplane/media/wheel.h"
#include "firmware/base/fd.h"
#include "firmware/base/result.h"
#include "firmware/base/time.h"

namespace fedge::media {

class Quotas;  // quotas.h

// --- whose a packet is: pure functions of its octets -------------------------------------------

constexpr uint8_t owner_of_port(uint16_t relay_port, uint8_t workers) {
  return static_cast<uint8_t>((relay_port >> 1) % workers);
}
inline uint64_t client_hash(const Address& client, uint16_t client_port) {
  return fold_product(client.words[0] ^ client_port ^ 0x9e3779b97f4a7c15u,
                      client.words[1] ^ 0xd6e8feb86659fd93u);
}
inline uint8_t owner_of_client(const Address& client, uint16_t client_port, uint8_t workers) {
  return static_cast<uint8_t>((client_hash(client, client_port) >> 40) % workers);
}

// Monotonic nanoseconds, as records keep times.
inline int64_t to_ns(Instant at) { return at.time_since_epoch().count(); }

enum class EndCause : uint8_t { client, operator_asked, signal, expired, silence, publish, moved };
inline constexpr int kEndCauses = static_cast<int>(EndCause::moved) + 1;

// Is told of each session that ends, before its record is free.
class EndListener {
 public:
  virtual ~EndListener() = default;
  virtual void on_end(SessionId id, const SessionRecord& record, const SessionDetails& details,
                      EndCause cause) = 0;
};

enum class PortWish : uint8_t {
  any,
  even,
  even_and_next,  // both are taken; the second for who brings the token
};

// A relay port: of which of the plan's addresses.
struct RelayPort {
  uint16_t local = 0;
  uint16_t port = 0;
};

struct NewSession {
  SessionKind kind = SessionKind::turn;
  ClientTransport transport = ClientTransport::udp;
  Address client;
  uint16_t client_port = 0;
  uint16_t server = 0;  // place among Plan::locals
  uint16_t server_port = 0;
  uint64_t connection = 0;  // of front; 0: over UDP
  uint64_t user = 0;        // hash of the user's name
  std::string_view user_name;
  std::string_view client_realm;  // the realm's name
  uint64_t anchor = 0;            // of anchored streams: signal's id
};

class Sessions {
 public:
  static constexpr uint32_t kMostPeers = 256;  // of one session
  static constexpr uint32_t kPeersPerSession = 4;

  struct Adoption {
    uint32_t adopted = 0;
    uint32_t damaged = 0;  // records that were freed because they contradicted themselves
    bool foreign = false;  // another format, size or number of workers: began empty
  };

  // Maps `memory` (a memfd; empty: is sized and begun) for `capacity` sessions, and takes over what
  // it holds. Whatever is in it: a record that does not hold is freed and counted. `quotas` is
  // shared by all workers. All arguments outlive it.
  static Result<std::unique_ptr<Sessions>> open(const Fd& memory, uint8_t worker, uint8_t workers,
                                                uint32_t capacity, Quotas& quotas);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  const Adoption& adoption() const { return adoption_; }
  uint8_t worker() const { return worker_; }
  uint8_t workers() const { return workers_; }
  uint32_t size() const { return header_->sessions; }  // in use
  uint32_t capacity() const { return header_->capacity; }
  // The first index that was never used: all sessions are below.
  uint32_t mark() const { return header_->session_mark; }
  Quotas& quotas() { return quotas_; }
  // Puts what came into use since the last time, and what is next, into huge pages. For another
  // thread than the packets', ten times a second: it may take milliseconds.
  void settle();
  void set_listener(EndListener* listener) { listener_ = listener; }

  // From now on. Relay ports are numbered anew; sessions whose port the plan does not have are
  // ended. Everything else that a plan changes is found by SessionRecord::plan, see renew().
  void use(const Plan& plan);
  // Of a record of an earlier plan: finds its places in this one. False: a realm, an address or a
  // listener that it needs is gone; end it.
  bool renew(uint32_t session);

  // --- finding; kNone: none ---
  uint32_t find_client(const Address& client, uint16_t client_port, uint16_t server,
                       uint16_t server_port) const;
  uint32_t find_connection(uint64_t connection) const;
  uint32_t find_anchor(uint64_t anchor) const;
  uint32_t find_relay(uint16_t local, uint16_t port) const;
  uint32_t find(SessionId id) const;
  bool in_use(uint32_t i) const {
    return i < header_->session_mark && records_[i].kind != SessionKind::free;
  }

  SessionRecord& record(uint32_t i) { return records_[i]; }
  const SessionRecord& record(uint32_t i) const { return records_[i]; }
  SessionDetails& details(uint32_t i) { return details_[i]; }
  const SessionDetails& details(uint32_t i) const { return details_[i]; }
  PeerRecord& peer(uint32_t i) { return peers_[i]; }
  const PeerRecord& peer(uint32_t i) const { return peers_[i]; }
  SessionId id(uint32_t i) const { return {i, records_[i].generation}; }

  // --- relay ports ---
  // A free one of this worker, of a TURN pool whose address has this family; taken until
  // free_port() or until the session that has it ends. Picked at random (RFC 8656 section 7.2).
  std::optional<RelayPort> take_port(uint8_t family, PortWish wish);
  // A certain one: false when it is held, not of the plan, or another worker's.
  bool take_port(RelayPort port, snapshot::PoolUse use);
  void free_port(RelayPort port);
  uint32_t free_ports(uint8_t family) const;  // of this worker's TURN pools

  // --- sessions ---
  // kNone: the table is full, or that of strays for a client that another worker hands over.
  // Counted by the quotas; whether they allow it is the caller's question before. Without a relay
  // port and without an end until those are set.
  uint32_t create(const NewSession& what, Instant now);
  // The port was taken before; from now on it leads to the session. A second one is of the other
  // family.
  void set_relay(uint32_t session, RelayPort port);
  // Of an anchored stream, likewise: the caller's leg is 0; components are RTP and RTCP.
  void set_anchor_port(uint32_t session, size_t component, size_t leg, RelayPort port);
  // An anchored stream ends when it was silent for as long as the plan says, from now on.
  void start_silence(uint32_t session);
  // Holds the port behind the session's own, taken before (EVEN-PORT), until then.
  void hold_next_port(uint32_t session, uint64_t token, Instant until);
  // The session that holds a port by that token (new_reservation() made it), kNone: none of this
  // worker. take_held() makes the port the caller's.
  uint64_t new_reservation(uint32_t session);
  // Whose the session is; maybe nobody's, of a token that was made up.
  static uint8_t worker_of_reservation(uint64_t token) { return token >> 28 & 0xf; }
  uint32_t find_reservation(uint64_t token) const;
  RelayPort take_held(uint32_t session);
  void set_expiry(uint32_t session, Instant until);
  // RFC 8016: the client is elsewhere now (transport, client, server, connection and realm of
  // `where`). False: another session is there, or there is no room for more strays.
  bool move(uint32_t session, const NewSession& where);
  void end(uint32_t session, EndCause cause);

  // --- permissions and channels ---
  // False: the session has kMostPeers, or there are no more records.
  bool permit(uint32_t session, const Address& peer, Instant until);
  enum class Bind : uint8_t {
    ok,
    mismatch,  // the channel has another peer, or the peer another channel: 400
    full,      // 508
  };
  // Permits the address, too.
  Bind bind_channel(uint32_t session, uint16_t channel, const Address& peer, uint16_t port,
                    Instant permitted_until, Instant bound_until);
  // The record with which packets to and from that peer are permitted now: of its channel when
  // one is bound to the port, else of its address; kNone: not permitted.
  uint32_t find_peer(uint32_t session, const Address& peer, uint16_t port, Instant now) const;
  uint32_t find_channel(uint32_t session, uint16_t channel, Instant now) const;
  void remove_peer(uint32_t session, uint32_t peer);
  // The session's hot peer is this one from now on.
  void heat(uint32_t session, uint32_t peer, int64_t now) {
    const PeerRecord& from = peers_[peer];
    SessionRecord& record = records_[session];
    const bool is_bound = from.channel != 0 && from.bound_until > now;
    record.hot = {
        .address = from.address,
        .until = is_bound ? std::min(from.permitted_until, from.bound_until) : from.permitted_until,
        .at = peer,
        .port = from.port,
        .channel = is_bound ? from.channel : uint16_t{0}};
    record.next_hop = from.next_hop;
  }

  // --- time ---
  // Ends what is due and forgets peers whose time is over; at most `most` sessions are looked at.
  void expire(Instant now, uint32_t most);

  // --- of the packet's path (relay.cc) ---
  const SessionIndex& index() const { return index_; }
  static uint64_t index_key(const Address& client, uint16_t client_port, uint16_t server_port) {
    return fold_product(client_hash(client, client_port) ^ server_port, 0xa0761d6478bd642fu);
  }
  static uint64_t connection_key(uint64_t connection) {
    return fold_product(connection ^ 0xe7037ed1a0b428dbu, 0xd6e8feb86659fd93u);
  }
  const uint32_t* slots() const { return slots_.data(); }
  static bool is_session(uint32_t slot_value) { return slot_value < kTaken; }

 private:
  friend class Adopter;  // session_memory.cc
  Sessions(Quotas& quotas, uint8_t worker, uint8_t workers, uint32_t capacity);
  Status map(const Fd& memory);
  void adopt();
  void settle_part(size_t part, void* begin, uint64_t used, uint64_t size);
  uint64_t next_random();
  uint32_t& slot(RelayPort port) { return slots_[plan_->locals()[port.local].slot(port.port)]; }
  bool number_ports(uint32_t session);
  void release_ports(uint32_t session);
  static uint64_t anchor_key(uint64_t anchor) { return connection_key(~anchor); }
  uint64_t key_of(uint32_t session) const;
  bool is_strays(ClientTransport transport, const Address& client, uint16_t client_port) const {
    return transport == ClientTransport::udp &&
           owner_of_client(client, client_port, workers_) != worker_;
  }
  uint32_t take_record();
  void number_all_ports();
  bool take_pair(const RelayRange& range, PortWish wish, RelayPort& out);
  void count_port(RelayPort port, int by);
  void file(uint32_t session);
  void unfile(uint32_t session);
  void cool(uint32_t session) { records_[session].hot.until = 0; }
  uint32_t add_peer(uint32_t session, const Address& peer, uint16_t port);
  int64_t due(uint32_t session) const;
  void schedule(uint32_t session);
  void schedule_by(uint32_t session, int64_t at);
  bool is_over(uint32_t session, int64_t now);
  void drop_expired_peers(uint32_t session, int64_t now);

  Quotas& quotas_;
  uint8_t worker_;
  uint8_t workers_;
  std::byte* memory_ = nullptr;
  uint64_t memory_size_ = 0;
  MemoryHeader* header_ = nullptr;
  SessionRecord* records_ = nullptr;
  PeerRecord* peers_ = nullptr;
  SessionDetails* details_ = nullptr;
  std::array<uint64_t, 3> settled_{};  // huge pages of records, peers and details
  Adoption adoption_;
  EndListener* listener_ = nullptr;
  const Plan* plan_;  // Plan::none() at first
  std::unique_ptr<const Plan> no_plan_;

  SessionIndex index_;
  Wheel wheel_;
  // By slot: the session that has the port; kNone: nobody, kTaken: taken and not given yet.
  static constexpr uint32_t kTaken = kNone - 1;
  HugeArray<uint32_t> slots_{0};
  std::vector<uint32_t> free_of_range_;  // by Plan::ranges
  HugeArray<uint32_t> free_next_;        // links of free records, below their marks
  uint32_t free_session_ = kNone;
  uint32_t free_peer_ = kNone;
  std::array<uint64_t, 2> random_{};
  const uint32_t capacity_;
};

}  // namespace fedge::media
