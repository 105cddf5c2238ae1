// Relay ports of TCP allocations (RFC 6062) and the connections of their peers: kernel sockets on
// the realm's tap. Who may be a peer is the worker's to say. An allocation's connections end with
// it, and its port with them.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dataplane/front/generation.h"
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

class Relays final : public PeerOwner {
 public:
  // Connections of one allocation, and those that wait for the client among them.
  static constexpr size_t kMostPeers = 64;
  static constexpr size_t kMostWaiting = 16;

  Relays(Loop& loop, WorkerRings& rings, Statistics& statistics, const RelayOptions& options);
  ~Relays() override;

  void use(std::shared_ptr<const Generation> generation);

  // --- what workers say (media/front_records.h) ---
  void listen(uint8_t worker, const media::TcpListen& what);
  void unlisten(uint8_t worker, const media::TcpUnlisten& what);
  void connect(uint8_t worker, const media::TcpConnect& what);
  // `client` may be null: it is gone.
  void bind(uint8_t worker, const media::TcpBind& what, Bytes success, Connection* client);
  void drop(const media::TcpDrop& what);
  // The worker begins on a new ring: what it does not name again ends.
  void expect_names(uint8_t worker);

  void close_all();
  void on_round_end() { dead_.clear(); }
  void beat();

 private:
  // A worker, and its name for the allocation.
  using Key = std::pair<uint8_t, uint64_t>;
  struct Relay final : Watcher {
    Relay(Relays& owner, Key key) : relays(owner), name(key) {}
    void on_ready(uint32_t) override { relays.accept(*this); }
    Relays& relays;
    const Key name;
    uint64_t user = 0;
    Endpoint endpoint;
    std::string realm;
    Fd socket;
    std::vector<media::PeerId> peers;
    bool is_named = true;
  };

  void accept(Relay& relay);
  Peer* add(Relay& relay, Fd socket, const Endpoint& remote, Peer::State state);
  void close(Relay& relay);
  bool has_room(const Relay& relay) const;
  bool knows(const Relay& relay, const Endpoint& remote) const;
  void fail(const Key& name, const media::Echo& echo, media::TcpFailure why);
  SocketOptions socket_options(const Relay& relay) const;

  void on_connected(Peer& peer, int error) override;
  void on_over(Peer& peer) override;
  Duration peer_wait() const override { return options_.wait; }
  MutableBytes room() override { return room_; }

  Loop& loop_;
  WorkerRings& rings_;
  Statistics& statistics_;
  RelayOptions options_;
  std::shared_ptr<const Generation> generation_;
  std::map<Key, std::unique_ptr<Relay>> relays_;
  std::unordered_map<media::PeerId, std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Peer>> dead_;
  uint32_t next_peer_;
  std::vector<std::byte> room_;
};

}  // namespace fedge::front
