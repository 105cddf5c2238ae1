#include "dataplane/front/relays.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "firmware/base/log.h"
#include "firmware/net/socket.h"

namespace fedge::front {

using media::TcpFailure;

namespace {

constexpr size_t kRoom = 32 * 1024;
// Of one port in one round, so that live connections are served in between.
constexpr int kAcceptsPerRound = 8;
// A peer that is gone without a word is found out in two minutes; one that does not answer the
// first word has until our own time is over.
constexpr int kKeepAliveAfter = 60, kKeepAliveEvery = 15, kKeepAliveProbes = 4;
constexpr int kUnacknowledgedMs = 120'000;

void set_option(const Fd& fd, int level, int name, int value) {
  ::setsockopt(fd.get(), level, name, &value, sizeof value);
}

void prepare_socket(const Fd& fd) {
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveAfter);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveEvery);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

}  // namespace

Relays::Relays(Loop& loop, WorkerRings& rings, Statistics& statistics, const RelayOptions& options)
    : loop_(loop),
      rings_(rings),
      statistics_(statistics),
      options_(options),
      next_peer_(options.first_peer),
      room_(kRoom) {}

Relays::~Relays() { close_all(); }

void Relays::use(std::shared_ptr<const Generation> generation) {
  generation_ = std::move(generation);
}

SocketOptions Relays::socket_options(const Relay& relay) const {
  SocketOptions options;
  options.shares_port = true;
  if (options_.use_devices) options.device = relay.realm;
  if (generation_ == nullptr) return options;
  for (const auto& realm : generation_->realms.items(generation_->realms.root().realms)) {
    if (generation_->realms.text(realm.name) == relay.realm) options.dscp = realm.dscp_media;
  }
  return options;
}

Relays::Relay* Relays::find(const Key& name) const {
  const auto it = relays_.find(name);
  return it == relays_.end() ? nullptr : it->second.get();
}

// A port that cannot be opened leaves the allocation without peers: each Connect is refused.
void Relays::listen(uint8_t worker, const media::TcpListen& what, Connection* client) {
  const Key name{worker, what.allocation};
  if (Relay* const known = find(name)) {
    known->is_named = true;
    return;
  }
  if (what.client != 0 && client == nullptr) return;
  auto relay = std::make_unique<Relay>(*this, name);
  relay->user = what.user;
  relay->endpoint = {what.address.ip(), what.port};
  relay->public_endpoint = {what.public_address.ip(), what.port};
  relay->realm = media::text_of(what.realm);
  auto socket = open_listening_socket(relay->endpoint, socket_options(*relay));
  if (!socket) {
    statistics_.add(statistics_.peers_refused);
    return log::error("front", "relay port: {}", socket.error().text());
  }
  relay->socket = std::move(*socket);
  if (!loop_.watch(relay->socket.get(), EPOLLIN, *relay)) return;
  if (what.client != 0)
    relay->ms = std::make_unique<MsRelay>(*this, *client, worker, what.allocation);
  relays_.emplace(name, std::move(relay));
}

void Relays::unlisten(uint8_t worker, const media::TcpUnlisten& what) {
  if (what.allocation == 0) {
    std::erase_if(relays_, [&](const auto& entry) {
      const bool is_over = entry.first.first == worker && !entry.second->is_named;
      if (is_over) close(*entry.second);
      return is_over;
    });
  } else if (const auto it = relays_.find({worker, what.allocation}); it != relays_.end()) {
    close(*it->second);
    relays_.erase(it);
  }
}

void Relays::expect_names(uint8_t worker) {
  for (const auto& [name, relay] : relays_) {
    if (name.first == worker) relay->is_named = false;
  }
}

void Relays::close_all() {
  for (const auto& [name, relay] : relays_) close(*relay);
  relays_.clear();
}

void Relays::close(Relay& relay) {
  loop_.unwatch(relay.socket.get(), relay);
  relay.socket.reset();
  if (relay.ms != nullptr) relay.ms->end();
  const std::vector<media::PeerId> peers = std::exchange(relay.peers, {});
  for (const media::PeerId id : peers) {
    if (const auto it = peers_.find(id); it != peers_.end()) it->second->close();
  }
}

bool Relays::has_room(const Relay& relay) const {
  const size_t most = generation_ == nullptr ? 0 : generation_->limits.max_connections;
  const auto waiting = std::ranges::count_if(relay.peers, [this](media::PeerId id) {
    const auto it = peers_.find(id);
    return it != peers_.end() && it->second->state() != Peer::State::joined;
  });
  return relay.peers.size() < kMostPeers && static_cast<size_t>(waiting) < kMostWaiting &&
         peers_.size() < most;
}

Peer* Relays::find_peer(const Relay& relay, const Endpoint& remote) const {
  for (const media::PeerId id : relay.peers) {
    const auto it = peers_.find(id);
    if (it != peers_.end() && it->second->remote() == remote) return it->second.get();
  }
  return nullptr;
}

// Null when it cannot be watched.
Peer* Relays::add(Relay& relay, Fd socket, const Endpoint& remote, Peer::State state) {
  prepare_socket(socket);
  media::PeerId id;
  do {
    id = next_peer_++ << 3 | (relay.name.first & 7u);
  } while (peers_.contains(id));
  auto peer = std::make_unique<Peer>(loop_, *this, std::move(socket), id, remote, state);
  peer->worker = relay.name.first;
  peer->allocation = relay.name.second;
  if (!peer->start()) return nullptr;
  relay.peers.push_back(id);
  return peers_.emplace(id, std::move(peer)).first->second.get();
}

void Relays::take_peers(Relay& relay) {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd socket(::accept4(relay.socket.get(), reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    const Endpoint remote = Endpoint::from_sockaddr(address);
    // There is one connection from there to here: the one that was is over, and nobody said so.
    if (Peer* const former = find_peer(relay, remote)) former->close();
    Peer* const peer =
        has_room(relay) ? add(relay, std::move(socket), remote, Peer::State::waiting) : nullptr;
    if (peer == nullptr) {
      statistics_.add(statistics_.peers_dropped);
    } else {
      tell_incoming(*peer);
    }
  }
}

void Relays::tell_incoming(const Peer& peer) {
  const Endpoint& remote = peer.remote();
  tell(peer.worker, media::TcpIncoming{peer.allocation, media::Address::of(remote.address),
                                       peer.id(), remote.port, 0});
  statistics_.add(statistics_.peers_taken);
}

// --- to peers ----------------------------------------------------------------------------------

void Relays::fail(const Key& name, const media::Echo& echo, TcpFailure why) {
  statistics_.add(statistics_.peers_refused);
  tell(name.first, media::TcpFailed{name.second, why, 0, echo});
}

void Relays::connect(uint8_t worker, const media::TcpConnect& what) {
  const Key name{worker, what.allocation};
  Relay* const relay = find(name);
  if (relay == nullptr) return fail(name, what.echo, TcpFailure::limit);
  const bool is_inside = what.is_inside != 0;
  const Endpoint remote = resolve({what.peer_address.ip(), what.peer_port}, is_inside);
  if (find_peer(*relay, remote) != nullptr) return fail(name, what.echo, TcpFailure::known);
  TcpFailure why{};
  Peer* const peer = connect(*relay, remote, is_inside, why);
  if (peer == nullptr) return fail(name, what.echo, why);
  peer->echo = what.echo;
}

Peer* Relays::connect(Relay& relay, const Endpoint& remote, bool is_inside, TcpFailure& why) {
  why = TcpFailure::limit;
  if (!has_room(relay)) return nullptr;
  if (is_inside) {
    why = TcpFailure::refused;
    return connect_inside(relay, remote);
  }
  auto socket = open_connecting_socket(relay.endpoint, remote, socket_options(relay));
  if (!socket) {
    log::debug("front", "peer {}: {}", remote.text(), socket.error().text());
    why = TcpFailure::refused;
    return nullptr;
  }
  return add(relay, std::move(*socket), remote, Peer::State::connecting);
}

Relays::Relay* Relays::find_inside(const Endpoint& remote) const {
  for (const auto& [name, relay] : relays_) {
    if (relay->endpoint == remote || relay->public_endpoint == remote) return relay.get();
  }
  return nullptr;
}

Endpoint Relays::resolve(const Endpoint& remote, bool is_inside) const {
  const Relay* const there = is_inside ? find_inside(remote) : nullptr;
  return there == nullptr ? remote : there->public_endpoint;
}

// The kernel sends nothing of its own through a tap: what would go from one relay port of ours to
// another goes through a pair of sockets, and is at either end as if it had come from outside.
Peer* Relays::connect_inside(Relay& relay, const Endpoint& remote) {
  Relay* const there = find_inside(remote);
  if (there == nullptr || there == &relay || !has_room(*there)) return nullptr;
  if (find_peer(*there, relay.public_endpoint) != nullptr) return nullptr;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return nullptr;
  }
  Fd near(ends[0]), far(ends[1]);
  Peer* const peer = add(relay, std::move(near), there->public_endpoint, Peer::State::connecting);
  if (peer == nullptr) return nullptr;
  Peer* const twin = add(*there, std::move(far), relay.public_endpoint, Peer::State::waiting);
  if (twin == nullptr) {
    peer->close();
    return nullptr;
  }
  peer->twin = twin->id();
  twin->twin = peer->id();
  tell_incoming(*twin);
  return peer;
}

void Relays::on_connected(Peer& peer, int error) {
  const Key name{peer.worker, peer.allocation};
  const Relay* const relay = find(name);
  const bool is_asked = relay != nullptr && relay->ms == nullptr;
  if (error != 0) {
    if (is_asked) fail(name, peer.echo, TcpFailure::refused);
    return peer.close();
  }
  statistics_.add(statistics_.peers_connected);
  if (is_asked) tell(name.first, media::TcpConnected{name.second, peer.id(), 0, peer.echo});
}

void Relays::bind(uint8_t worker, const media::TcpBind& what, Bytes success, Connection* client) {
  if (client == nullptr) return;
  const auto it = peers_.find(what.peer);
  if (it != peers_.end()) {
    Peer& peer = *it->second;
    const Relay* const relay = find({peer.worker, peer.allocation});
    const bool may = relay != nullptr && relay->ms == nullptr && relay->user == what.user;
    if (may && peer.join(*client, success)) return;
  }
  fail({worker, 0}, what.echo, TcpFailure::unknown_peer);
}

void Relays::drop(const media::TcpDrop& what) {
  const auto it = peers_.find(what.peer);
  if (it == peers_.end()) return;
  statistics_.add(statistics_.peers_dropped);
  const auto twin = peers_.find(it->second->twin);
  it->second->close();
  // At once, so that the next connection of the two finds nothing of this one.
  if (twin != peers_.end()) twin->second->close();
}

// --- MS-TURN -----------------------------------------------------------------------------------

void Relays::accept(const media::TcpAccept& what) {
  const auto it = peers_.find(what.peer);
  if (it == peers_.end() || it->second->state() != Peer::State::waiting) return;
  const Relay* const relay = find({it->second->worker, it->second->allocation});
  if (relay != nullptr && relay->ms != nullptr) relay->ms->link(*it->second);
}

void Relays::send(uint8_t worker, const media::TcpSend& what, Bytes data) {
  const Relay* const relay = find({worker, what.allocation});
  if (relay == nullptr || relay->ms == nullptr) return;
  relay->ms->send({what.peer_address.ip(), what.peer_port}, what.is_inside != 0, data);
}

void Relays::set_active(uint8_t worker, const media::TcpActive& what, Bytes answer) {
  const Relay* const relay = find({worker, what.allocation});
  if (relay == nullptr || relay->ms == nullptr) return;
  relay->ms->set_active({what.peer_address.ip(), what.peer_port}, what.is_inside != 0, answer);
}

// One that has come and was not judged yet is permitted by the client's sending to it.
Peer* Relays::reach(MsRelay& ms, const Endpoint& remote, bool is_inside) {
  Relay* const relay = find({ms.worker, ms.allocation});
  if (relay == nullptr) return nullptr;
  const Endpoint there = resolve(remote, is_inside);
  Peer* peer = find_peer(*relay, there);
  if (peer == nullptr) {
    TcpFailure why{};
    peer = connect(*relay, there, is_inside, why);
    if (peer == nullptr) {
      statistics_.add(statistics_.peers_refused);
      return nullptr;
    }
  }
  ms.link(*peer);
  return peer;
}

void Relays::let_go(Peer& peer) {
  if (Relay* const relay = find({peer.worker, peer.allocation})) {
    std::erase(relay->peers, peer.id());
  }
}

// --- what workers are told ---------------------------------------------------------------------

void Relays::review(uint8_t worker) {
  for (const auto& [id, peer] : peers_) {
    if (peer->worker != worker) continue;
    tell(worker,
         media::TcpThere{peer->allocation, media::Address::of(peer->remote().address), id, 0});
  }
}

bool Relays::push(uint8_t worker, const Untold& what) {
  return std::visit([&](const auto& record) { return rings_.push(worker, record); }, what);
}

void Relays::tell(uint8_t worker, const Untold& what) {
  if (worker >= untold_.size()) return;
  auto& untold = untold_[worker];
  if (untold.empty() && push(worker, what)) return;
  if (untold.size() < kMostUntold) untold.push_back(what);
}

bool Relays::has_untold() const {
  return std::ranges::any_of(untold_, [](const auto& untold) { return !untold.empty(); });
}

void Relays::catch_up() {
  for (uint8_t i = 0; i < untold_.size(); ++i) {
    auto& untold = untold_[i];
    if (rings_.count() != 0 && i >= rings_.count()) untold.clear();
    while (!untold.empty() && push(i, untold.front())) untold.pop_front();
  }
}

void Relays::on_over(Peer& peer) {
  statistics_.add(statistics_.to_peers, peer.from_client());
  statistics_.add(statistics_.from_peers, peer.to_client());
  let_go(peer);
  tell(peer.worker,
       media::TcpClosed{peer.allocation, peer.from_client(), peer.to_client(), peer.id(), 0});
  const auto it = peers_.find(peer.id());
  dead_.push_back(std::move(it->second));
  peers_.erase(it);
}

void Relays::beat() {
  statistics_.counters.set(statistics_.relay_ports, relays_.size());
  statistics_.counters.set(statistics_.peers, peers_.size());
}

}  // namespace fedge::front
