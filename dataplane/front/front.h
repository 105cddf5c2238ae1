// The clients of media over TCP and TLS, between their sockets and the workers of the fast path.
// One thread. A connection and what the fast path knows of it end together: each says so.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/front/connection_table.h"
#include "dataplane/front/handshakes.h"
#include "dataplane/front/relays.h"
#include "dataplane/front/statistics.h"
#include "dataplane/front/worker_rings.h"
#include "firmware/link/channel.h"
#include "firmware/net/source_table.h"

namespace fedge::front {

struct FrontOptions {
  bool use_devices = true;   // off leaves sockets unbound to interfaces (tests on loopback)
  uint32_t epoch = 0;        // random, of this process
  Duration peer_wait = 30s;  // RFC 6062 sections 5.2 and 5.3: to connect, and for a ConnectionBind
};

class Front final : public ConnectionOwner {
 public:
  Front(Loop& loop, Counters& counters, const FrontOptions& options);
  ~Front() override;

  // Takes up what was published; on failure nothing has changed.
  Status use(std::shared_ptr<const Generation> next);
  const Generation* generation() const { return generation_.get(); }
  // A new link to the fast path: it has just started, or this process has.
  void use_fastpath(Fd link);
  void beat();
  // Sends what waits and closes all; then calls `done`.
  void begin_stop(std::function<void()> done);

 private:
  // Clients (front.cc).
  void on_accept(Fd socket, const Endpoint& remote, const Listener& listener);
  bool make_room();
  uint16_t number_of(std::string_view realm);
  void on_round_end();
  void start_handshakes();
  void close_lost_realms();
  bool deliver(Connection& from, Bytes message) override;
  void on_passed_over(Connection& from) override;
  bool may_handshake(Connection& asking) override;
  void on_handshake_over(Connection& of, bool good) override;
  void schedule(Connection& connection) override;
  void on_over(Connection& connection, CloseReason why) override;
  const Waits& waits() const override { return waits_; }
  MutableBytes cipher_room() override { return cipher_room_; }
  MutableBytes plain_room() override { return plain_room_; }

  // The fast path (workers.cc).
  void on_fastpath(const link::Received& received);
  void on_fastpath_gone();
  void give_ring(uint8_t worker);
  void on_record(uint8_t worker, const media::FrontRecord& record, Bytes octets);
  void listen(uint8_t worker, const media::TcpListen& what);
  void on_relay_record(uint8_t worker, const media::FrontRecord& record, Bytes octets);
  // What did not fit before: who is alive, who has closed, who waits to be read on.
  void catch_up();
  bool tell_alive(uint8_t worker);
  void tell_closed();
  bool needs_to_catch_up() const;

  // A worker that learns which connections there are.
  struct Introduction {
    size_t place = 0;  // of the table: the next to be named
    uint64_t named = 0;
    bool over = false;
  };
  struct Closed {
    uint8_t worker;
    media::ConnectionId connection;
  };

  Loop& loop_;
  FrontOptions options_;
  Statistics statistics_;
  std::shared_ptr<const Generation> generation_;
  Waits waits_{};
  ConnectionTable table_;
  std::unique_ptr<SourceTable> sources_;
  std::vector<std::string> realms_;  // ever seen; their place is their number
  ListeningSockets listeners_;
  std::deque<media::ConnectionId> silent_;  // in the order of their coming; some have spoken since
  std::unique_ptr<Handshakes> handshakes_;
  uint32_t handshakes_begun_ = 0;   // in this round
  std::vector<Connection*> dirty_;  // to be flushed when the round ends
  std::vector<std::unique_ptr<Connection>> dead_;
  std::unique_ptr<link::Channel> fastpath_;
  WorkerRings rings_;
  Relays relays_;
  std::vector<Introduction> introductions_;  // by worker
  uint8_t workers_ = 0;  // that the fast path has, or had when it was last there
  std::vector<media::ConnectionId> held_;
  std::vector<Closed> closed_;  // not told yet; their ids stay taken
  Alarm catch_up_;
  Alarm next_round_;
  std::function<void()> stopped_;
  std::vector<std::byte> cipher_room_, plain_room_;
};

}  // namespace fedge::front
