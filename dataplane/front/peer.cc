#include "dataplane/front/peer.h"

#include <sys/socket.h>

#include <cerrno>

#include "firmware/net/socket.h"

namespace fedge::front {

namespace {

constexpr int kReadsPerRound = 4;
// What a peer may take for what waits for it after its client has gone.
constexpr Duration kClosing = 10s;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS; }

}  // namespace

Peer::~Peer() {
  if (socket_ && !is_unwatched_) loop_.unwatch(socket_.get(), *this);
}

Status Peer::start() {
  events_ = wanted_events();
  loop_.timers().set(*this, loop_.now() + owner_.peer_wait());
  return loop_.watch(socket_.get(), events_, *this);
}

uint32_t Peer::wanted_events() const {
  if (state_ == State::connecting) return EPOLLOUT;
  const bool reads = client_ != nullptr && !client_is_full_ && !ended_;
  return (reads ? uint32_t{EPOLLIN} : 0) | (out_.empty() ? 0 : uint32_t{EPOLLOUT});
}

void Peer::update_events() {
  if (!socket_) return;
  const uint32_t wanted = wanted_events();
  if (wanted == events_) return;
  events_ = wanted;
  if (is_unwatched_) {
    is_unwatched_ = !loop_.watch(socket_.get(), events_, *this).has_value();
  } else {
    loop_.change(socket_.get(), events_, *this);
  }
}

void Peer::on_ready(uint32_t events) {
  if (state_ == State::connecting) {
    const int error = socket_error(socket_.get());
    if (error == 0) {
      state_ = State::waiting;
      loop_.timers().set(*this, loop_.now() + owner_.peer_wait());
      update_events();
    }
    owner_.on_connected(*this, error);
    if (socket_ && client_ != nullptr) link(*client_);
    return;
  }
  if (events & EPOLLOUT) flush();
  if (!socket_ || !(events & ~uint32_t{EPOLLOUT})) return;
  if (events_ & EPOLLIN) return read();
  // The kernel says these two whether or not anybody asks.
  if (client_ != nullptr && client_is_full_ && !(events & EPOLLERR)) {
    // Both have ended, and the client has not room for the rest yet.
    loop_.unwatch(socket_.get(), *this);
    is_unwatched_ = true;
  } else {
    close();
  }
}

void Peer::on_timer(Instant) {
  if (state_ == State::connecting) return owner_.on_connected(*this, ETIMEDOUT);
  close();
}

bool Peer::join(Connection& client, Bytes success) {
  if (state_ != State::waiting) return false;
  client_ = &client;
  if (!client.join(*this, success)) {
    client_ = nullptr;
    return false;
  }
  if (!socket_) return true;
  state_ = State::joined;
  if (client_ == nullptr) return true;
  cancel();
  update_events();
  return true;
}

void Peer::link(Carrier& client) {
  client_ = &client;
  if (state_ != State::waiting) return;
  state_ = State::joined;
  cancel();
  flush();
}

void Peer::read() {
  for (int i = 0; i < kReadsPerRound && socket_ && (events_ & EPOLLIN); ++i) {
    const MutableBytes room = owner_.room();
    const ssize_t n = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return would_block() ? void() : close();
    if (n == 0) {
      ended_ = true;
      update_events();
      return client_->end_carrying();
    }
    to_client_ += static_cast<uint64_t>(n);
    client_is_full_ = !client_->carry(room.first(static_cast<size_t>(n)));
    update_events();
    if (static_cast<size_t>(n) < room.size()) return;
  }
}

bool Peer::take(Bytes octets) {
  if (!socket_) return true;
  from_client_ += octets.size();
  out_.append(octets);
  flush();
  is_full_ = out_.size() >= kMostWaiting;
  return !is_full_;
}

void Peer::flush() {
  if (state_ == State::connecting) return;
  while (!out_.empty()) {
    const Bytes octets = out_.waiting();
    const ssize_t n =
        ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && would_block()) break;
    if (n < 0) return close();
    out_.consume(static_cast<size_t>(n));
  }
  if (out_.empty() && state_ == State::joined && client_ == nullptr) return close();
  if (out_.empty() && client_ended_ && !told_end_) {
    told_end_ = true;
    ::shutdown(socket_.get(), SHUT_WR);
  }
  update_events();
  if (is_full_ && out_.size() < kMostWaiting / 2) {
    is_full_ = false;
    if (client_ != nullptr) client_->resume();
  }
}

void Peer::on_client_end() {
  client_ended_ = true;
  if (socket_) flush();
}

void Peer::on_client_room() {
  client_is_full_ = false;
  update_events();
}

void Peer::on_client_over() {
  client_ = nullptr;
  if (!socket_) return;
  state_ = State::joined;
  loop_.timers().set(*this, loop_.now() + kClosing);
  flush();
}

void Peer::close() {
  if (!socket_) return;
  cancel();
  if (!is_unwatched_) loop_.unwatch(socket_.get(), *this);
  socket_.reset();
  state_ = State::over;
  if (Carrier* const client = std::exchange(client_, nullptr)) client->part();
  owner_.on_over(*this);
}

}  // namespace fedge::front
