// The stateful SIP proxy of one signalling worker: RFC 3261 sections 16 and 17 over reliable
// transports, without sockets or a clock. Messages, failures and instants go in; bytes go out
// through Outbound. Nothing is allocated after construction and use(). One thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/outbound.h"
#include "firmware/base/bytes.h"
#include "firmware/base/counters.h"
#include "firmware/base/timers.h"
#include "firmware/pki/seal.h"
#include "firmware/snapshot/reader.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// What credentials for the media relay are made with (M3), from the process's key section.
struct TokenSecret {
  uint32_t id = 0;             // snapshot::TokenKey::id
  int64_t effective_from = 0;  // seconds since 1970; likewise the next
  int64_t expires = 0;
  pki::Secret key;
};

// Sections of one snapshot. They must stay open until a later use() has returned.
struct SnapshotView {
  const snapshot::Section<snapshot::Appliance>* appliance = nullptr;
  const snapshot::Section<snapshot::Realms>* realms = nullptr;
  const snapshot::Section<snapshot::Listeners>* listeners = nullptr;
  const snapshot::Section<snapshot::Routing>* routing = nullptr;
  const snapshot::Section<snapshot::Signalling>* signalling = nullptr;
  const snapshot::Section<snapshot::Media>* media = nullptr;  // null: no call is anchored
  std::span<const TokenSecret> token_secrets = {};            // by the time they come into force
};

// For the life of the proxy: address space, of which each snapshot allows what its
// Signalling::max_transactions says.
struct Capacity {
  uint32_t transactions = 65536;  // server transactions; as many client transactions
  uint32_t max_message = 65536;   // octets of one message as received
  uint32_t workers = 1;           // of the process: relay ports are divided among them
};

enum class SendFailure : uint8_t {
  connect_refused,    // the next hop answered with a reset, or is unreachable
  connect_timed_out,  // connect_ms passed
  handshake_failed,   // TLS: certificate, name, version
  closed,             // the connection closed before the message was written
};

class Proxy final : public ParseEvents {
 public:
  // `secret`: random at the start of the process, the same for all its workers; makes branches
  // and tags unguessable. `worker`: which of them, below kMostWorkers; our branches and tokens say
  // so. `route_key`: a secret that survives restarts and is the same for all workers; by it a
  // partner's Route is known to be ours. Read here only. The counters' names are registered here.
  Proxy(const Capacity& capacity, TimerWheel& timers, Outbound& outbound, Counters& counters,
        uint64_t secret, uint32_t worker = 0, Bytes route_key = {});
  ~Proxy() override;
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Before the first message, and after each publish. Builds its look-ups first and swaps last;
  // requests that arrive later go to next hops of this snapshot only.
  void use(const SnapshotView& snapshot, Instant now);

  // While the message is parsed that on_message() or on_malformed() is called with next: asks
  // memory for its route. May be left out.
  void on_request_line(const Message& message) override;
  void on_headers() override;
  // One whole message that sip::parse() took without a defect.
  void on_message(const Arrival& arrival, const Message& message, Instant now);
  // One that it did not take: a request is answered as far as it could be read, a response is
  // dropped; one that is too large ends its transaction with 502. Whether the stream can go on is
  // the caller's to know.
  void on_malformed(const Arrival& arrival, const Message& message, Defect defect, Instant now);
  // Any connection, dialled or accepted, is no more.
  void on_connection_closed(ConnectionId connection, Instant now);
  // See Outbound::send_to_next_hop. A token that is no longer known is ignored.
  void on_send_failed(SendToken token, SendFailure why, Instant now);

  // A request that was `queued` without a connection went out on this one (which may be another
  // worker's). A token that is no longer known is ignored.
  void on_placed(SendToken token, ConnectionId connection);

  // An anchored call is over, by silence of its first stream or by another worker's doing (M4).
  void on_anchor_ended(uint64_t call);
  // The fast path cannot do what a call's SDP asks for: an INVITE that is not answered yet is
  // answered with 488. `why` in words.
  void on_anchor_refused(uint64_t call, std::string_view why, Instant now);
  // The fast path holds a stream since before this process started: its ports are taken.
  void on_anchor_held(uint64_t id, const Endpoint& caller, const Endpoint& callee);

  // What names a next hop of the snapshot in use to another worker, whose snapshot may be newer:
  // see NextHops.
  uint32_t key_of_next_hop(uint32_t next_hop) const;
  uint32_t find_next_hop(uint32_t key) const;

  // What another worker has found out about the next hop of that key (Outbound::on_hop_report).
  void note_health(uint32_t key, const HopReport& report, Instant now);
  // What is known of each next hop of the snapshot in use, from 0 to next_hops().
  uint32_t next_hops() const;
  HopReport health_of(uint32_t next_hop) const;
  // Whether this worker asks it (Outbound::asks_next_hop).
  bool asks_next_hop(uint32_t next_hop) const;

  // Whether a request sent on this connection still waits for its final response: a retired next
  // hop's connection is closed when this turns false.
  bool is_awaited(ConnectionId connection) const;
  uint32_t server_transactions() const;
  uint32_t client_transactions() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace fedge::sip
