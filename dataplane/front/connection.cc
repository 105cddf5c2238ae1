#include "dataplane/front/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "firmware/wire/ms_turn/stream.h"

namespace fedge::front {

namespace {

// One connection's reads in one round of the loop; the others come next.
constexpr int kReadsPerRound = 4;
// A busy moment does not cost memory for ever.
constexpr size_t kKept = 16 * 1024;

// What a client that is to be closed may take for what waits for it.
constexpr Duration kClosing = 10s;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS; }

// RFC 6062 section 6.1, a message of any class.
bool is_connection_bind(Bytes message) {
  if (message.size() < 2) return false;
  const unsigned type = static_cast<unsigned>(message[0]) << 8 | static_cast<unsigned>(message[1]);
  return (type & ~0x0110u) == 0x000b;
}

}  // namespace

const char* text(CloseReason reason) {
  static constexpr const char* kTexts[kCloseReasons] = {
      "peer_closed",      "reset", "silent",    "partial",    "idle",    "malformed",
      "handshake_failed", "asked", "made_room", "realm_gone", "stopping"};
  return kTexts[static_cast<int>(reason)];
}

Connection::Connection(Loop& loop, ConnectionOwner& owner, Fd socket,
                       const media::FrontMessage& head, std::shared_ptr<pki::TlsContext> context)
    : loop_(loop),
      owner_(owner),
      socket_(std::move(socket)),
      head_(head),
      context_(std::move(context)),
      patience_(loop.now()) {}

Connection::~Connection() {
  if (socket_ && !is_unwatched_) loop_.unwatch(socket_.get(), *this);
}

Status Connection::start() {
  events_ = EPOLLIN;
  loop_.timers().set(*this, patience_.due(owner_.waits()));
  return loop_.watch(socket_.get(), events_, *this);
}

void Connection::update_events() {
  if (!socket_) return;
  const uint32_t wanted =
      (may_read() ? uint32_t{EPOLLIN} : 0) | (out_.empty() ? 0 : uint32_t{EPOLLOUT});
  if (wanted == events_) return;
  events_ = wanted;
  if (is_unwatched_) {
    is_unwatched_ = !loop_.watch(socket_.get(), events_, *this).has_value();
  } else {
    loop_.change(socket_.get(), events_, *this);
  }
}

void Connection::on_ready(uint32_t events) {
  if (events & EPOLLOUT) flush();
  if (!socket_ || !(events & ~uint32_t{EPOLLOUT})) return;
  if (may_read()) return read();
  // The kernel says these two whether or not anybody asks.
  if (partner_ != nullptr && held_ && !(events & EPOLLERR)) {
    // Both have ended, and the peer has not room for the rest yet.
    loop_.unwatch(socket_.get(), *this);
    is_unwatched_ = true;
  } else if (events & (EPOLLHUP | EPOLLERR)) {
    close(CloseReason::reset);
  }
}

// The deadline moves with each message; the timer follows when it comes.
void Connection::on_timer(Instant now) {
  if (closing_) return close(CloseReason::asked);
  // Then we let the client wait, not it us.
  switch (held_ || wants_turn_ || awaits_bind_ ? Patience::End::none
                                               : patience_.judge(owner_.waits(), now)) {
    case Patience::End::silent:
      return close(CloseReason::silent);
    case Patience::End::partial:
      return close(CloseReason::partial);
    case Patience::End::idle:
      return close(CloseReason::idle);
    case Patience::End::none:
      break;
  }
  loop_.timers().set(*this, std::max(patience_.due(owner_.waits()), now + 100ms));
}

void Connection::read() {
  for (int i = 0; i < kReadsPerRound && socket_ && may_read(); ++i) {
    const MutableBytes room = owner_.cipher_room();
    const ssize_t n = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (n == 0) return on_end();
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return would_block() ? void() : close(CloseReason::reset);
    const Bytes octets = room.first(static_cast<size_t>(n));
    tls_ != nullptr ? on_cipher(octets) : on_plain(octets);
    if (static_cast<size_t>(n) < room.size()) break;
  }
  update_events();
}

void Connection::on_cipher(Bytes cipher) {
  const MutableBytes room = owner_.plain_room();
  for (;;) {
    const auto progress = tls_->receive(cipher, room, out_);
    cipher = cipher.subspan(progress.consumed);
    if (!out_.empty()) owner_.schedule(*this);
    if (is_handshaking && progress.state != pki::TlsState::handshaking) {
      is_handshaking = false;
      owner_.on_handshake_over(*this, progress.state == pki::TlsState::open);
      patience_.on_open(loop_.now());
    }
    if (progress.produced != 0) on_plain(room.first(progress.produced));
    if (!socket_) return;
    if (progress.state == pki::TlsState::failed) {
      flush();  // the alert says why
      return close(spoke() ? CloseReason::malformed : CloseReason::handshake_failed);
    }
    if (progress.state == pki::TlsState::closed) return on_end();
    if (cipher.empty() && progress.produced < room.size()) return;
  }
}

void Connection::on_plain(Bytes plain) {
  if (partner_ != nullptr && !is_paired_) return pass(plain);
  const bool joins = !rest_.empty();
  if (joins) rest_.insert(rest_.end(), plain.begin(), plain.end());
  const Bytes octets = joins ? Bytes(rest_) : plain;
  const size_t taken = held_ || wants_turn_ || awaits_bind_ ? 0 : cut(octets);
  if (!socket_) return;
  if (joins) {
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(taken));
  } else {
    rest_.assign(plain.begin() + static_cast<ptrdiff_t>(taken), plain.end());
  }
  if (rest_.empty() && rest_.capacity() > kKept) rest_ = {};
  patience_.on_rest(!rest_.empty(), loop_.now());
  if (wants_turn_ && owner_.may_handshake(*this)) start_handshake();
}

// How many octets were taken.
size_t Connection::cut(Bytes octets) {
  size_t taken = 0;
  for (;;) {
    const Piece piece = stream_.take(octets.subspan(taken));
    switch (piece.kind) {
      case Piece::Kind::need_more:
        if (piece.size == 0) return taken;
        break;
      case Piece::Kind::message:
        if (piece.is_data) {
          patience_.on_message(loop_.now());
          if (take_data(piece.message)) break;
          held_ = true;
          return taken + piece.size;
        }
        if (!owner_.deliver(*this, piece.message)) {
          held_ = true;
          return taken;
        }
        patience_.on_message(loop_.now());
        if (is_connection_bind(piece.message)) {
          awaits_bind_ = true;
          return taken + piece.size;
        }
        break;
      case Piece::Kind::too_long:
        owner_.on_passed_over(*this);
        break;
      case Piece::Kind::hello:
        out_.append(ms_turn::kServerHello);
        owner_.schedule(*this);
        break;
      case Piece::Kind::tls:
        if (context_ == nullptr) {
          close(CloseReason::handshake_failed);
        } else {
          wants_turn_ = true;
        }
        return taken;
      case Piece::Kind::bad:
        close(CloseReason::malformed);
        return taken;
    }
    taken += piece.size;
  }
}

bool Connection::take_data(Bytes octets) {
  if (partner_ != nullptr) return partner_->take(octets);
  owner_.on_passed_over(*this);
  return true;
}

// What came so far is the client's hello.
void Connection::start_handshake() {
  wants_turn_ = false;
  is_handshaking = true;
  auto made = pki::TlsStream::make(context_, pki::TlsRole::server, {}, now_wall());
  if (!made) return close(CloseReason::handshake_failed);
  tls_ = std::move(*made);
  head_.is_tls = 1;
  stream_ = ClientStream(true);
  const std::vector<std::byte> hello = std::exchange(rest_, {});
  patience_.on_rest(false, loop_.now());
  patience_.on_open(loop_.now());  // it had to wait for its turn
  on_cipher(hello);
  update_events();
}

void Connection::resume() {
  if (!socket_ || !held_) return;
  held_ = false;
  patience_.on_rest(false, loop_.now());
  on_plain({});
  update_events();
}

bool Connection::reply(Bytes message, bool is_data) {
  // Of a paired connection the peers' octets fill the first half.
  const size_t most = is_paired_ ? 2 * kMostWaiting : kMostWaiting;
  if (!socket_ || closing_ || out_.size() + plain_.size() + message.size() > most) return false;
  const ClientStream::Framing framing = stream_.frame(message, is_data);
  static constexpr std::array<std::byte, 4> kZeros{};
  const Bytes parts[] = {Bytes(framing.before).first(framing.before_size), message,
                         Bytes(kZeros).first(framing.padding)};
  for (const Bytes part : parts) append(part);
  patience_.on_message(loop_.now());
  owner_.schedule(*this);
  if (!is_data && is_connection_bind(message)) stop_awaiting();
  return true;
}

void Connection::stop_awaiting() {
  if (!socket_ || !std::exchange(awaits_bind_, false)) return;
  patience_.on_rest(false, loop_.now());
  on_plain({});
  update_events();
}

bool Connection::join(Partner& partner, Bytes success) {
  if (!socket_ || !awaits_bind_ || closing_) return false;
  partner_ = &partner;
  cancel();  // keep-alive finds out who is gone, and the allocation has its lifetime
  if (!reply(success, false)) close(CloseReason::asked);
  return true;
}

void Connection::pass(Bytes plain) {
  const std::vector<std::byte> rest = std::exchange(rest_, {});
  bool has_room = rest.empty() || partner_->take(rest);
  if (partner_ != nullptr && !plain.empty()) has_room = partner_->take(plain);
  if (!has_room) held_ = true;
}

void Connection::append(Bytes octets) {
  if (tls_ != nullptr) {
    plain_.insert(plain_.end(), octets.begin(), octets.end());
  } else {
    out_.append(octets);
  }
}

void Connection::pair(Partner& partner) {
  partner_ = &partner;
  is_paired_ = true;
}

void Connection::unpair() {
  partner_ = nullptr;
  is_paired_ = false;
  resume();
}

void Connection::hold() {
  held_ = true;
  update_events();
}

bool Connection::carry_frame(Bytes head, Bytes octets) {
  std::array<std::byte, ms_turn::kFrameHeaderSize> frame;
  ms_turn::write_frame_header(frame, head.empty() ? ms_turn::kDataFrame : ms_turn::kControlFrame,
                              static_cast<uint16_t>(head.size() + octets.size()));
  if (!socket_ || closing_) return true;
  append(frame);
  append(head);
  return carry(octets);
}

bool Connection::carry(Bytes octets) {
  if (!socket_ || closing_) return true;
  append(octets);
  owner_.schedule(*this);
  carried_enough_ = out_.size() + plain_.size() >= kMostWaiting;
  return !carried_enough_;
}

void Connection::end_carrying() {
  carrying_ends_ = true;
  if (tls_ != nullptr) return close_gently();
  owner_.schedule(*this);
}

void Connection::part() {
  partner_ = nullptr;
  if (!closing_) close_gently();
}

// Inside of TLS there are no halves (RFC 5246 section 7.2.1).
void Connection::on_end() {
  if (partner_ == nullptr || is_paired_ || tls_ != nullptr || carrying_ended_) {
    return close(CloseReason::peer_closed);
  }
  client_ended_ = true;
  update_events();
  partner_->on_client_end();
}

// One record for what a round of the loop made.
void Connection::flush() {
  if (!socket_) return;
  if (!plain_.empty() && tls_->state() == pki::TlsState::open) {
    const bool good = tls_->send(plain_, out_).has_value();
    plain_.clear();
    if (plain_.capacity() > kKept) plain_ = {};
    if (!good) return close(CloseReason::malformed);
  }
  if (!send_waiting()) return close(CloseReason::reset);
  if (closing_ && out_.empty()) return close(CloseReason::asked);
  if (carrying_ends_ && !carrying_ended_ && out_.empty()) {
    ::shutdown(socket_.get(), SHUT_WR);
    carrying_ended_ = true;
    if (client_ended_) return close(CloseReason::peer_closed);
  }
  update_events();
  if (carried_enough_ && out_.size() < kMostWaiting / 2) {
    carried_enough_ = false;
    if (partner_ != nullptr) partner_->on_client_room();
  }
}

bool Connection::send_waiting() {
  while (!out_.empty()) {
    const Bytes octets = out_.waiting();
    const ssize_t n =
        ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return would_block();
    out_.consume(static_cast<size_t>(n));
  }
  return true;
}

void Connection::close_gently() {
  if (!socket_) return;
  if (tls_ != nullptr && tls_->state() == pki::TlsState::open) {
    if (!plain_.empty() && !tls_->send(plain_, out_)) out_ = {};
    plain_.clear();
    tls_->close_notify(out_);
  }
  closing_ = true;
  loop_.timers().set(*this, loop_.now() + kClosing);
  flush();
}

void Connection::close(CloseReason why) {
  if (!socket_) return;
  cancel();
  if (!is_unwatched_) loop_.unwatch(socket_.get(), *this);
  socket_.reset();
  if (std::exchange(is_handshaking, false)) owner_.on_handshake_over(*this, false);
  if (Partner* const partner = std::exchange(partner_, nullptr)) partner->on_client_over();
  owner_.on_over(*this, why);
}

}  // namespace fedge::front
