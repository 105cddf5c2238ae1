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

Relays::~Relays() {
  for (const auto& [name, relay] : relays_) {
    if (relay->socket) loop_.unwatch(relay->socket.get(), *relay);
  }
}

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

// A port that cannot be opened leaves the allocation without peers: each Connect is refused.
void Relays::listen(uint8_t worker, const media::TcpListen& what) {
  const Key name{worker, what.allocation};
  if (const auto it = relays_.find(name); it != relays_.end()) {
    it->second->is_named = true;
    return;
  }
  auto relay = std::make_unique<Relay>(*this, name);
  relay->user = what.user;
  relay->endpoint = {what.address.ip(), what.port};
  relay->realm = media::text_of(what.realm);
  auto socket = open_listening_socket(relay->endpoint, socket_options(*relay));
  if (!socket) {
    statistics_.add(statistics_.peers_refused);
    return log::error("front", "relay port: {}", socket.error().text());
  }
  relay->socket = std::move(*socket);
  if (!loop_.watch(relay->socket.get(), EPOLLIN, *relay)) return;
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

bool Relays::knows(const Relay& relay, const Endpoint& remote) const {
  return std::ranges::any_of(relay.peers, [&](media::PeerId id) {
    const auto it = peers_.find(id);
    return it != peers_.end() && it->second->remote() == remote;
  });
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

void Relays::accept(Relay& relay) {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd socket(::accept4(relay.socket.get(), reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    const Endpoint remote = Endpoint::from_sockaddr(address);
    Peer* const peer =
        has_room(relay) ? add(relay, std::move(socket), remote, Peer::State::waiting) : nullptr;
    const media::TcpIncoming told{relay.name.second, media::Address::of(remote.address),
                                  peer == nullptr ? 0 : peer->id(), remote.port, 0};
    if (peer == nullptr || !rings_.push(relay.name.first, told)) {
      statistics_.add(statistics_.peers_dropped);
      if (peer != nullptr) peer->close();
      continue;
    }
    statistics_.add(statistics_.peers_taken);
  }
}

void Relays::fail(const Key& name, const media::Echo& echo, TcpFailure why) {
  statistics_.add(statistics_.peers_refused);
  (void)rings_.push(name.first, media::TcpFailed{name.second, why, 0, echo});
}

void Relays::connect(uint8_t worker, const media::TcpConnect& what) {
  const Key name{worker, what.allocation};
  const auto it = relays_.find(name);
  if (it == relays_.end()) return fail(name, what.echo, TcpFailure::limit);
  Relay& relay = *it->second;
  const Endpoint remote{what.peer_address.ip(), what.peer_port};
  if (knows(relay, remote)) return fail(name, what.echo, TcpFailure::known);
  if (!has_room(relay)) return fail(name, what.echo, TcpFailure::limit);
  auto socket = open_connecting_socket(relay.endpoint, remote, socket_options(relay));
  if (!socket) {
    log::debug("front", "peer {}: {}", remote.text(), socket.error().text());
    return fail(name, what.echo, TcpFailure::refused);
  }
  Peer* const peer = add(relay, std::move(*socket), remote, Peer::State::connecting);
  if (peer == nullptr) return fail(name, what.echo, TcpFailure::limit);
  peer->echo = what.echo;
}

void Relays::on_connected(Peer& peer, int error) {
  const Key name{peer.worker, peer.allocation};
  if (error != 0) {
    fail(name, peer.echo, TcpFailure::refused);
    return peer.close();
  }
  statistics_.add(statistics_.peers_connected);
  if (!rings_.push(name.first, media::TcpConnected{name.second, peer.id(), 0, peer.echo})) {
    peer.close();
  }
}

void Relays::bind(uint8_t worker, const media::TcpBind& what, Bytes success, Connection* client) {
  if (client == nullptr) return;
  const auto it = peers_.find(what.peer);
  if (it != peers_.end()) {
    Peer& peer = *it->second;
    const auto relay = relays_.find({peer.worker, peer.allocation});
    if (relay != relays_.end() && relay->second->user == what.user && peer.join(*client, success)) {
      return;
    }
  }
  fail({worker, 0}, what.echo, TcpFailure::unknown_peer);
}

void Relays::drop(const media::TcpDrop& what) {
  const auto it = peers_.find(what.peer);
  if (it == peers_.end()) return;
  statistics_.add(statistics_.peers_dropped);
  it->second->close();
}

void Relays::on_over(Peer& peer) {
  statistics_.add(statistics_.to_peers, peer.from_client());
  statistics_.add(statistics_.from_peers, peer.to_client());
  if (const auto relay = relays_.find({peer.worker, peer.allocation}); relay != relays_.end()) {
    std::erase(relay->second->peers, peer.id());
  }
  (void)rings_.push(peer.worker, media::TcpClosed{peer.allocation, peer.from_client(),
                                                  peer.to_client(), peer.id(), 0});
  const auto it = peers_.find(peer.id());
  dead_.push_back(std::move(it->second));
  peers_.erase(it);
}

void Relays::beat() {
  statistics_.counters.set(statistics_.relay_ports, relays_.size());
  statistics_.counters.set(statistics_.peers, peers_.size());
}

}  // namespace fedge::front
