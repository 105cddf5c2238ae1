// Relay ports of TCP allocations (RFC 6062, MS-TURN) and the connections of their peers: kernel
// sockets on the realm's tap, and pairs of sockets from one relay port of ours to another. Who may
// be a peer is the worker's to say. An allocation's connections end with it, and its port with
// them.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dataplane/front/generation.h"
#include "dataplane/front/ms_relay.h"
#include "dataplane/front/peer.h"
#include "dataplane/front/statistics.h"
#include "dataplane/front/worker_rings.h"
#include "firmware/net/socket.h"

namespace fedge::front {

struct RelayOptions {
  bool use_devices = true;  // see FrontOptions
  uint32_t first_peer = 0;  // random: names of peers are not told twice after a restart
  Duration wait = 30s;
};

class Relays final : public PeerOwner, public MsRelayOwner {
 public:
  // Connections of one allocation, and those that wait for the client among them.
  static constexpr size_t kMostPeers = 64;
  static constexpr size_t kMostWaiting = 16;

  Relays(Loop& loop, WorkerRings& rings, Statistics& statistics, const RelayOptions& options);
  ~Relays() override;

  void use(std::shared_ptr<const Generation> generation);

  // --- what workers say (media/front_records.h) ---
  // `client`, of bind() too, may be null: it is gone.
  void listen(uint8_t worker, const media::TcpListen& what, Connection* client);
  void unlisten(uint8_t worker, const media::TcpUnlisten& what);
  void connect(uint8_t worker, const media::TcpConnect& what);
  void bind(uint8_t worker, const media::TcpBind& what, Bytes success, Connection* client);
  void drop(const media::TcpDrop& what);
  void accept(const media::TcpAccept& what);
  void send(uint8_t worker, const media::TcpSend& what, Bytes data);
  void set_active(uint8_t worker, const media::TcpActive& what, Bytes answer);
  // Names every connection to the worker.
  void review(uint8_t worker);
  // The worker begins on a new ring: what it does not name again ends.
  void expect_names(uint8_t worker);

  // What did not fit into the rings before.
  bool has_untold() const;
  void catch_up();

  void close_all();
  void on_round_end() { dead_.clear(); }
  void beat();

 private:
  // A worker, and its name for the allocation.
  using Key = std::pair<uint8_t, uint64_t>;
  struct Relay final : Watcher {
    Relay(Relays& owner, Key key) : relays(owner), name(key) {}
    void on_ready(uint32_t) override { relays.take_peers(*this); }
    Relays& relays;
    const Key name;
    uint64_t user = 0;
    Endpoint endpoint;
    Endpoint public_endpoint;
    std::string realm;
    Fd socket;
    std::vector<media::PeerId> peers;
    std::unique_ptr<MsRelay> ms;  // null: RFC 6062
    bool is_named = true;
  };
  using Untold = std::variant<media::TcpConnected, media::TcpFailed, media::TcpIncoming,
                              media::TcpClosed, media::TcpThere>;
  static constexpr size_t kMostUntold = 4096;  // of one worker

  Relay* find(const Key& name) const;
  Relay* find_inside(const Endpoint& remote) const;
  Peer* find_peer(const Relay& relay, const Endpoint& remote) const;
  void take_peers(Relay& relay);
  void tell_incoming(const Peer& peer);
  // Null, and why, when there can be none.
  Peer* connect(Relay& relay, const Endpoint& remote, bool is_inside, media::TcpFailure& why);
  Peer* connect_inside(Relay& relay, const Endpoint& remote);
  Peer* add(Relay& relay, Fd socket, const Endpoint& remote, Peer::State state);
  void close(Relay& relay);
  bool has_room(const Relay& relay) const;
  void fail(const Key& name, const media::Echo& echo, media::TcpFailure why);
  SocketOptions socket_options(const Relay& relay) const;

  void on_connected(Peer& peer, int error) override;
  void on_over(Peer& peer) override;
  Duration peer_wait() const override { return options_.wait; }
  MutableBytes room() override { return room_; }
  Endpoint resolve(const Endpoint& remote, bool is_inside) const override;
  Peer* reach(MsRelay& relay, const Endpoint& remote, bool is_inside) override;
  void let_go(Peer& peer) override;
  // Later, when the ring is full.
  void tell(uint8_t worker, const Untold& what);
  bool push(uint8_t worker, const Untold& what);

  Loop& loop_;
  WorkerRings& rings_;
  Statistics& statistics_;
  RelayOptions options_;
  std::shared_ptr<const Generation> generation_;
  std::map<Key, std::unique_ptr<Relay>> relays_;
  std::unordered_map<media::PeerId, std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Peer>> dead_;
  std::array<std::deque<Untold>, WorkerRings::kMost> untold_;
  uint32_t next_peer_;
  std::vector<std::byte> room_;
};

}  // namespace fedge::front
