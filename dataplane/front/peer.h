// One connection of a peer with a relay port: made or taken, then it waits, unread, for the
// client's ConnectionBind (RFC 6062) or for the worker's permission (MS-TURN), then octets go both
// ways until both sides have ended.
#pragma once

#include "dataplane/front/connection.h"

namespace fedge::front {

class Peer;

// All calls come from on_ready() or a timer.
class PeerOwner {
 public:
  virtual ~PeerOwner() = default;
  // A connection that was on its way stands (0) or does not (errno).
  virtual void on_connected(Peer& peer, int error) = 0;
  // Its socket is closed; it must live until the round ends.
  virtual void on_over(Peer& peer) = 0;
  virtual Duration peer_wait() const = 0;
  virtual MutableBytes room() = 0;
};

class Peer final : public Watcher, public Partner, private Timer {
 public:
  enum class State : uint8_t { connecting, waiting, joined, over };

  Peer(Loop& loop, PeerOwner& owner, Fd socket, media::PeerId id, const Endpoint& remote,
       State state)
      : loop_(loop),
        owner_(owner),
        socket_(std::move(socket)),
        id_(id),
        remote_(remote),
        state_(state) {}
  ~Peer() override;
  // It has PeerOwner::peer_wait() to connect, and so long again until it is joined.
  Status start();
  // With a client's data connection; `success` is what the client hears. False: not now.
  bool join(Connection& client, Bytes success);
  // With a client's stream of frames (MS-TURN), as soon as the connection stands.
  void link(Carrier& client);
  void close();

  // --- what the client has for it ---
  bool take(Bytes octets) override;
  void on_client_end() override;
  void on_client_room() override;
  void on_client_over() override;

  media::PeerId id() const { return id_; }
  const Endpoint& remote() const { return remote_; }
  State state() const { return state_; }
  uint64_t from_client() const { return from_client_; }
  uint64_t to_client() const { return to_client_; }

  // Of the client's octets: more is not read of it while so many wait for the peer.
  static constexpr size_t kMostWaiting = 128 * 1024;

  // The owner's own.
  uint64_t allocation = 0;
  uint8_t worker = 0;
  media::PeerId twin = 0;  // the other end, at another relay port of ours
  media::Echo echo{};      // while connecting

 private:
  void on_ready(uint32_t events) override;
  void on_timer(Instant now) override;
  void read();
  void flush();
  void update_events();
  uint32_t wanted_events() const;

  Loop& loop_;
  PeerOwner& owner_;
  Fd socket_;
  const media::PeerId id_;
  const Endpoint remote_;
  State state_;
  Carrier* client_ = nullptr;
  Outbox out_;
  uint32_t events_ = 0;
  bool client_is_full_ = false;
  bool is_full_ = false;       // take() said no
  bool client_ended_ = false;  // and the peer hears it when what waits is sent
  bool ended_ = false;         // the peer has
  bool told_end_ = false;
  bool is_unwatched_ = false;  // nothing to do, and epoll would tell of the end again and again
  uint64_t from_client_ = 0;   // octets
  uint64_t to_client_ = 0;
};

}  // namespace fedge::front
