// The TCP relay of one MS-TURN client ([MS-TURN] 3.3.5): its one connection carries the streams of
// all its peers. What the active destination sends goes to the client in frames of data, what
// others send in Data indications; the client's frames of data go to the active destination. Frames
// are no messages: where they begin and end means nothing.
#pragma once

#include <map>

#include "dataplane/front/peer.h"

namespace fedge::front {

class MsRelay;

class MsRelayOwner {
 public:
  virtual ~MsRelayOwner() = default;
  // One of our own relay ports by its public form.
  virtual Endpoint resolve(const Endpoint& remote, bool is_inside) const = 0;
  // The connection with that peer, linked; a new one when there is none. Null: it cannot be.
  virtual Peer* reach(MsRelay& relay, const Endpoint& remote, bool is_inside) = 0;
  // It goes on by itself until what waits for it is sent.
  virtual void let_go(Peer& peer) = 0;
};

class MsRelay final : public Partner {
 public:
  // The owner ends it when the allocation does. `worker` and `allocation` are its name.
  MsRelay(MsRelayOwner& owner, Connection& client, uint8_t worker, uint64_t allocation);
  ~MsRelay() override { end(); }

  const uint8_t worker;
  const uint64_t allocation;

  // A Send's data: what cannot be carried is lost, as the client learns from nobody's answering.
  void send(const Endpoint& remote, bool is_inside, Bytes data);
  // `answer` is what the client hears.
  void set_active(const Endpoint& remote, bool is_inside, Bytes answer);
  // From now on the peer is heard.
  void link(Peer& peer);
  // The allocation is over: peers get what waits for them, the client's connection stays.
  void end();

 private:
  // One peer's way to the client.
  struct Link final : Carrier {
    Link(MsRelay& owner, Peer& to) : relay(owner), peer(to) {}
    bool carry(Bytes octets) override { return relay.carry(peer, octets); }
    void end_carrying() override { relay.on_peer_end(peer); }
    void resume() override { relay.resume(); }
    void part() override { relay.on_peer_gone(peer); }
    MsRelay& relay;
    Peer& peer;
  };
  bool is_active(const Peer& peer) const { return peer.remote() == active_; }

  bool take(Bytes octets) override;
  void on_client_end() override {}
  void on_client_room() override;
  void on_client_over() override;

  bool carry(const Peer& peer, Bytes octets);
  void resume();
  void on_peer_end(Peer& peer);
  void on_peer_gone(Peer& peer);
  bool ends_client(const Peer& peer) const;
  void let_go_of_all();

  MsRelayOwner& owner_;
  Connection* client_;
  Endpoint active_;  // without an address: none
  bool active_is_inside_ = false;
  std::map<media::PeerId, Link> links_;
  uint64_t transaction_ = 0;
};

}  // namespace fedge::front
