// The way out: what a round of the loop wants sent is gathered per connection and leaves at the
// round's end in as few TLS records and socket calls as possible. What a socket does not take
// waits, bounded, in buffers of one pool.
#pragma once

#include <string_view>
#include <vector>

#include "dataplane/signal/connection.h"

namespace fedge::signal {

class Output final : public pki::CipherSink {
 public:
  // `memory`: octets that may wait in all, of every connection.
  explicit Output(size_t memory);

  // Copies one message behind what waits already. False when memory is used up.
  bool append(Connection& connection, Bytes plain);

  enum class Drain : uint8_t { empty, blocked, failed };
  // Encrypts and sends until nothing waits or the socket takes no more.
  Drain flush(Connection& connection, Instant now);
  // Flushes the connection at the end of the round even if nothing is appended.
  void schedule(Connection& connection);
  // A connection that append() or schedule() touched since it was last returned here, null when
  // none is left.
  Connection* next_dirty();

  // Collects what a TLS stream says by itself (handshake, alerts): send_sunk() sends it behind
  // what waits, and fails when too much does.
  void append(Bytes ciphertext) override;
  Drain send_sunk(Connection& connection, Instant now);

  // What waits was meant for another socket; plain text stays for the next.
  void forget_ciphertext(Connection& connection) { connection.cipher.clear(pool_); }
  // What waits already encrypted, for another worker to send.
  void take_ciphertext(Connection& connection, std::vector<std::byte>& into);
  // Before a connection goes.
  void release(Connection& connection);

  static size_t waiting(const Connection& c) { return c.plain.size() + c.cipher.size(); }
  const BufferPool& pool() const { return pool_; }

 private:
  Drain send_waiting(Connection& connection, SendQueue& queue, Instant now);
  Drain send_now(Connection& connection, Bytes bytes, SendQueue& leftover, Instant now);
  bool encrypt(Connection& connection);

  BufferPool pool_;
  std::vector<std::byte> sunk_;
  Connection* dirty_first_ = nullptr;
  Connection* dirty_last_ = nullptr;
};

}  // namespace fedge::signal
