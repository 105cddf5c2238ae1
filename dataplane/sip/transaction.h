// The records of RFC 3261 section 17: what is kept of a request while it is answered. Small,
// because calls leave two of them behind for 32 seconds (RFC 6026); the message itself is kept
// apart and let go with the final response.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/header_trust.h"
#include "dataplane/sip/memory.h"
#include "dataplane/sip/reports.h"
#include "firmware/base/timers.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

struct ServerTransaction;
struct ClientTransaction;

class TransactionOwner {
 public:
  virtual ~TransactionOwner() = default;
  virtual void on_server_timer(ServerTransaction& server, Instant now) = 0;
  virtual void on_client_timer(ClientTransaction& client, Instant now) = 0;
};

// What names a server transaction (RFC 3261 17.2.3); see matching.h.
struct TransactionKey {
  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const TransactionKey&, const TransactionKey&) = default;
};

// Next hops that one request may be tried at.
inline constexpr size_t kMostTries = 4;

enum class ServerState : uint8_t {
  free,
  proceeding,  // and Trying: no final response yet
  completed,   // INVITE, final response that is no 2xx sent: until ACK or timer H
  accepted,    // INVITE, 2xx sent: until timer L (RFC 6026)
};

// What a branch that ended without a response counts as in ServerTransaction::best, beside the
// status codes. One that was silent counts as 408.
inline constexpr uint16_t kUnreachable = 1;
inline constexpr uint16_t kCongested = 2;  // our own queues or records

// One request received and what became of it: the server transaction and the response context
// of RFC 3261 16.7 together.
struct ServerTransaction final : Timer {
  TransactionOwner* owner = nullptr;
  TransactionKey key;
  ConnectionId source = 0;    // where responses go
  uint32_t next = kNoIndex;   // in its hash bucket, or in the free list
  uint32_t older = kNoIndex;  // in the list of Accepted ones
  uint32_t newer = kNoIndex;
  uint32_t branches = kNoIndex;  // client transactions, latest first
  uint32_t source_peer = 0;      // key of the next hop the request came from, 0 when none
  std::array<uint32_t, kMostTries> tried{};  // keys of the next hops tried
  uint32_t held_size = 0;
  // The best final response in the form in which it leaves, until the last branch has ended; then,
  // of INVITE, until ACK: a repeated INVITE hears it again. Null: none came, or there was no room.
  char* held = nullptr;
  uint16_t best = 0;  // what the branches that have ended amount to; 0 when none has
  Method method = Method::other;
  ServerState state = ServerState::free;
  PeerKind source_kind = PeerKind::stranger;
  uint8_t tries = 0;
  uint8_t breadth = 0;  // Max-Breadth that no branch carries (RFC 5393)
  bool cancelled : 1 = false;
  bool single_target : 1 = false;  // inside a dialog, or too late: no other target will do
  Origin origin : 2 = Origin::found_partner;  // who asks, as header_trust.h has it

 private:
  void on_timer(Instant now) override { owner->on_server_timer(*this, now); }
};

enum class ClientState : uint8_t {
  free,
  calling,     // and Trying: no response yet
  proceeding,  // a provisional response came
  accepted,    // INVITE, 2xx came: until timer M (RFC 6026)
  completed,   // the final response is being worked on; timers D and K are zero
};

// What the client transaction's timer stands for.
enum class Wait : uint8_t {
  first_response,  // R3, then the next target
  timer_b,         // timer F of other requests
  timer_c,
  cancelled,  // CANCEL is out
  timer_m,
};

// One request sent: a branch of its server transaction.
struct ClientTransaction final : Timer {
  TransactionOwner* owner = nullptr;
  uint64_t nonce = 0;           // in our branch beside the index; 0 when free
  ConnectionId connection = 0;  // 0 when it is gone
  char* block = nullptr;        // the request as sent; null once it is not needed any more
  uint32_t block_size = 0;      // of the request
  uint32_t next = kNoIndex;     // on its connection, or in the free list
  uint32_t previous = kNoIndex;
  uint32_t sibling = kNoIndex;  // next branch of the same server transaction
  uint32_t server = kNoIndex;   // kNoIndex when that one has ended
  uint32_t older = kNoIndex;    // in the list of Accepted ones
  uint32_t newer = kNoIndex;
  uint32_t next_hop = 0;  // key
  uint32_t hop = 0;       // its index in the snapshot it was sent by: a hint for Health::find
  Instant started{};
  Method method = Method::other;
  ClientState state = ClientState::free;
  Wait wait = Wait::timer_b;
  HopFailure failure = HopFailure::none;  // what came of it, when that was nothing
  bool passed_over : 1 = false;           // another target is being tried instead
  bool cancel_wanted : 1 = false;         // CANCEL goes out with the first provisional response
  bool may_be_sent : 1 = false;  // the next hop may have seen it: trying another may duplicate
  Origin origin : 2 = Origin::found_partner;  // who answers
  uint8_t breadth = 0;                        // Max-Breadth that it carries, until it has ended

  // Still without its final response, and not given up.
  bool is_live() const { return state == ClientState::calling || state == ClientState::proceeding; }
  // R3: has given no response in time, and is not waited for when there is anything else to do.
  bool is_silent() const { return state == ClientState::calling && wait == Wait::timer_b; }

 private:
  void on_timer(Instant now) override { owner->on_client_timer(*this, now); }
};

static_assert(sizeof(ServerTransaction) <= 128 && sizeof(ClientTransaction) <= 128,
              "a call leaves one of each behind for 32 seconds");

}  // namespace fedge::sip
