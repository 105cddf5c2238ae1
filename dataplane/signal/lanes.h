// What crosses between workers, and the way it takes: a ring from each worker to each other one,
// and a bell for each that wakes it, rung once a round.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/signal/ring.h"
#include "dataplane/sip/arrival.h"
#include "firmware/base/loop.h"

namespace fedge::signal {

// A record's head; the body is one message, or empty.
struct Crossing {
  enum class Kind : uint32_t {
    // Messages: refused or lost when the ring is full.
    to_next_hop,    // to the owner of `next_hop`: send the body to it
    to_connection,  // to the owner of `connection`: send the body on it
    response,       // to the one whose client transaction the body answers
    // What must not be lost.
    placed,        // the request of `token` went out on `connection`
    failed,        // the request of `token` could not be sent: `detail` is the SendFailure
    closed,        // `connection`, which carried requests of yours, is no more
    ask_awaited,   // do you wait for an answer on `connection`?
    not_awaited,   // no
    anchor_ended,  // the anchored call `token` is over: its ports are free if they are yours
  };
  Kind kind;
  uint32_t next_hop = 0;    // its key, see sip::NextHops
  uint64_t generation = 0;  // the sender's, as the crew counts them
  sip::SendToken token = 0;
  sip::ConnectionId connection = 0;
  // Of to_next_hop: its index in the sender's generation; of response: the sip::PeerKind who gave
  // it.
  uint32_t detail = 0;
  uint32_t reserved = 0;
};

// The rings and bells of all workers.
class Exchange {
 public:
  // `most_message`: octets of the longest body; a few may be up to longest_message().
  Exchange(uint32_t workers, size_t most_message);

  uint32_t workers() const { return workers_; }
  size_t capacity() const { return capacity_; }  // octets of each ring
  // What a message may have to cross; a worker alone has no bound here.
  uint32_t longest_message() const;
  Ring& ring(uint32_t from, uint32_t to) { return *rings_[from * workers_ + to]; }
  const Fd& bell(uint32_t worker) const { return bells_[worker]; }

 private:
  uint32_t workers_;
  size_t capacity_;
  std::vector<std::unique_ptr<Ring>> rings_;
  std::vector<Fd> bells_;
};

class CrossingEvents {
 public:
  virtual ~CrossingEvents() = default;
  virtual void on_crossing(uint32_t from, const Crossing& crossing, Bytes body) = 0;
};

// One worker's ends of it. One thread.
class Lanes final : private Watcher {
 public:
  Lanes(Loop& loop, Exchange& exchange, uint32_t worker, CrossingEvents& events);
  ~Lanes() override;

  // False when the ring has no room for a message; what must not be lost waits for room instead.
  bool send(uint32_t to, const Crossing& crossing, Bytes body = {});
  // At the end of a round: wakes those that were sent something.
  void ring_bells();

 private:
  struct Lane {
    Ring* ring = nullptr;
    std::deque<std::string> waiting;  // behind a full ring, in order
    bool used = false;                // since its bell was rung last
  };

  void on_ready(uint32_t events) override;
  void send_waiting(Lane& lane);

  Loop& loop_;
  Exchange& exchange_;
  uint32_t worker_;
  CrossingEvents& events_;
  std::vector<Lane> lanes_;  // by destination
};

}  // namespace fedge::signal
