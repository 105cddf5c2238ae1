#include "dataplane/signal/output.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace fedge::signal {

namespace {

// One buffer is what one TLS record can carry.
constexpr uint32_t kBuffer = 16384;
constexpr int kRecordsPerCall = 4;
// Kept free for ciphertext: encrypting needs a little more room than the plain text gives back.
constexpr uint32_t kReserve = 16;
// What a TLS stream says by itself behind a socket that takes no more. A peer that asks for
// renegotiation over and over and reads none of the refusals gets so far.
constexpr size_t kMostSunk = 256 * 1024;

ssize_t send_some(int fd, Bytes bytes) {
  ssize_t n;
  do n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n;
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS; }

}  // namespace

Output::Output(size_t memory) : pool_(kBuffer, static_cast<uint32_t>(memory / kBuffer) + kReserve) {
  sunk_.reserve((kRecordsPerCall + 1) * size_t{kBuffer} + 1024);
}

bool Output::append(Connection& connection, Bytes plain) {
  if (pool_.available() < kReserve + plain.size() / kBuffer) return false;
  if (!connection.plain.append(pool_, plain)) return false;
  schedule(connection);
  return true;
}

void Output::append(Bytes ciphertext) {
  sunk_.insert(sunk_.end(), ciphertext.begin(), ciphertext.end());
}

void Output::schedule(Connection& connection) {
  if (connection.dirty) return;
  connection.dirty = true;
  (dirty_last_ == nullptr ? dirty_first_ : dirty_last_->dirty_next) = &connection;
  dirty_last_ = &connection;
}

Connection* Output::next_dirty() {
  Connection* connection = dirty_first_;
  if (connection == nullptr) return nullptr;
  dirty_first_ = connection->dirty_next;
  if (dirty_first_ == nullptr) dirty_last_ = nullptr;
  connection->dirty_next = nullptr;
  connection->dirty = false;
  return connection;
}

void Output::take_ciphertext(Connection& connection, std::vector<std::byte>& into) {
  while (!connection.cipher.empty()) {
    const Bytes front = connection.cipher.front();
    into.insert(into.end(), front.begin(), front.end());
    connection.cipher.consume(pool_, front.size());
  }
}

void Output::release(Connection& connection) {
  connection.plain.clear(pool_);
  connection.cipher.clear(pool_);
  if (!connection.dirty) return;
  Connection* before = nullptr;
  for (Connection* c = dirty_first_; c != &connection; c = c->dirty_next) before = c;
  (before == nullptr ? dirty_first_ : before->dirty_next) = connection.dirty_next;
  if (dirty_last_ == &connection) dirty_last_ = before;
  connection.dirty_next = nullptr;
  connection.dirty = false;
}

Output::Drain Output::send_waiting(Connection& connection, SendQueue& queue, Instant now) {
  while (!queue.empty()) {
    const ssize_t n = send_some(connection.socket.get(), queue.front());
    if (n < 0 && !would_block()) return Drain::failed;
    if (n <= 0) {
      if (connection.blocked_since == never) connection.blocked_since = now;
      return Drain::blocked;
    }
    connection.blocked_since = never;
    queue.consume(pool_, static_cast<size_t>(n));
  }
  return Drain::empty;
}

Output::Drain Output::send_now(Connection& connection, Bytes bytes, SendQueue& leftover,
                               Instant now) {
  const ssize_t n = send_some(connection.socket.get(), bytes);
  if (n < 0 && !would_block()) return Drain::failed;
  const auto sent = static_cast<size_t>(std::max<ssize_t>(n, 0));
  if (sent > 0) connection.blocked_since = never;
  if (sent == bytes.size()) return Drain::empty;
  if (connection.blocked_since == never) connection.blocked_since = now;
  return leftover.append(pool_, bytes.subspan(sent)) ? Drain::blocked : Drain::failed;
}

bool Output::encrypt(Connection& connection) {
  for (int i = 0; i < kRecordsPerCall && !connection.plain.empty(); ++i) {
    const Bytes front = connection.plain.front();
    if (!connection.tls->send(front, *this)) return false;
    connection.plain.consume(pool_, front.size());
  }
  return true;
}

Output::Drain Output::flush(Connection& connection, Instant now) {
  if (connection.state <= ConnectionState::connecting) return Drain::empty;
  const Drain drain = send_waiting(connection, connection.cipher, now);
  if (drain != Drain::empty) return drain;
  if (connection.state != ConnectionState::open) return Drain::empty;
  if (!connection.plain.empty()) connection.last_activity = now;
  if (!connection.uses_tls()) return send_waiting(connection, connection.plain, now);
  while (!connection.plain.empty()) {
    if (!encrypt(connection)) return Drain::failed;
    const Drain sent = send_now(connection, sunk_, connection.cipher, now);
    sunk_.clear();
    if (sent != Drain::empty) return sent;
  }
  return Drain::empty;
}

Output::Drain Output::send_sunk(Connection& connection, Instant now) {
  if (sunk_.empty()) return Drain::empty;
  Drain drain = Drain::blocked;
  if (!connection.cipher.empty()) {
    const bool fits = connection.cipher.size() + sunk_.size() <= kMostSunk;
    if (!fits || !connection.cipher.append(pool_, sunk_)) drain = Drain::failed;
  } else {
    drain = send_now(connection, sunk_, connection.cipher, now);
  }
  sunk_.clear();
  return drain;
}

}  // namespace fedge::signal
