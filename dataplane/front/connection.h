// One client's TCP connection: octets in, messages out to its owner, and back. TLS begins by itself
// when the first octets ask for it.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/front/client_stream.h"
#include "dataplane/front/outbox.h"
#include "dataplane/front/patience.h"
#include "firmware/base/loop.h"
#include "firmware/net/address.h"
#include "firmware/pki/tls.h"

namespace fedge::front {

enum class CloseReason : uint8_t {
  peer_closed,
  reset,
  silent,   // no message came in time
  partial,  // a message was begun and not ended
  idle,
  malformed,         // none of the dialects, or no telling where the next message begins
  handshake_failed,  // of TLS; or TLS where none is configured
  asked,             // by the worker
  made_room,         // it had said nothing, and others wanted in
  realm_gone,
  stopping,
};
inline constexpr int kCloseReasons = static_cast<int>(CloseReason::stopping) + 1;
const char* text(CloseReason reason);

class Connection;

// What a client's data connection is joined with (RFC 6062), or what its frames of data are for
// (MS-TURN).
class Partner {
 public:
  virtual ~Partner() = default;
  // Takes all of it. False: no more for now; Connection::resume() goes on.
  virtual bool take(Bytes octets) = 0;
  // The client has no more to say; what it is told goes on.
  virtual void on_client_end() = 0;
  // After Connection::carry() said no.
  virtual void on_client_room() = 0;
  // Its connection is closed.
  virtual void on_client_over() = 0;
};

// Where what a peer sends goes to.
class Carrier {
 public:
  virtual ~Carrier() = default;
  // Octets for the client. False: no more for now; Partner::on_client_room() goes on.
  virtual bool carry(Bytes octets) = 0;
  // There are no more for the client.
  virtual void end_carrying() = 0;
  // After Partner::take() said no.
  virtual void resume() = 0;
  // The peer is gone.
  virtual void part() = 0;
};

// What a connection wants of the process. All calls come from on_ready() or a timer.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  // To the fast path; false while it does not fit: Connection::resume() goes on.
  virtual bool deliver(Connection& from, Bytes message) = 0;
  // A message that is too long, or data for nobody.
  virtual void on_passed_over(Connection& from) = 0;
  // False: not now; Connection::start_handshake() when it is its turn.
  virtual bool may_handshake(Connection& asking) = 0;
  virtual void on_handshake_over(Connection& of, bool good) = 0;
  // Flush it when this round ends.
  virtual void schedule(Connection& connection) = 0;
  // Its socket is closed; it must live until the round ends.
  virtual void on_over(Connection& connection, CloseReason why) = 0;
  virtual const Waits& waits() const = 0;
  // Where octets are read to: the same for all, for the time of a call.
  virtual MutableBytes cipher_room() = 0;
  virtual MutableBytes plain_room() = 0;
};

class Connection final : public Watcher, public Carrier, private Timer {
 public:
  // `head`: what stands in front of each of its messages. `context` may be null: no TLS here.
  Connection(Loop& loop, ConnectionOwner& owner, Fd socket, const media::FrontMessage& head,
             std::shared_ptr<pki::TlsContext> context);
  ~Connection() override;
  Status start();

  media::ConnectionId id() const { return head_.connection; }
  const media::FrontMessage& head() const { return head_; }
  bool open() const { return static_cast<bool>(socket_); }
  bool spoke() const { return patience_.spoke(); }
  bool has_tls() const { return tls_ != nullptr; }

  // A message for the client. False: too much waits for it already, the message is dropped.
  bool reply(Bytes message, bool is_data);
  // Sends what waits, as far as the socket takes it.
  void flush();
  // deliver() has room again.
  void resume() override;
  void start_handshake();

  // --- a data connection (RFC 6062) ---
  // From the answer `success` on it carries octets for `partner`, which stays until it is over or
  // parts. False, and nothing is done: it does not wait for the answer to a ConnectionBind.
  bool join(Partner& partner, Bytes success);
  bool carry(Bytes octets) override;
  // Inside of TLS nothing goes the other way after that either.
  void end_carrying() override;
  void part() override;
  // Nobody will answer what it asked.
  void stop_awaiting();

  // --- a connection whose frames of data are a partner's (MS-TURN) ---
  // All else goes on as before.
  void pair(Partner& partner);
  void unpair();
  // Octets for the client in a frame: data, or with a `head` a message of `head` and octets. False:
  // no more for now.
  bool carry_frame(Bytes head, Bytes octets);
  // Is not read on until resume().
  void hold();

  // When what waits is sent, or at once.
  void close_gently();
  void close(CloseReason why);

  // Media that waits behind more is of no use to anybody.
  static constexpr size_t kMostWaiting = 128 * 1024;

  // The owner's own.
  uint8_t worker = 0;
  bool told = false;  // the worker has seen a message of it
  bool is_scheduled = false;
  bool is_handshaking = false;
  uint16_t realm_number = 0;  // with `source`: of the table of sources
  IpAddress source;

 private:
  void on_ready(uint32_t events) override;
  void on_timer(Instant now) override;
  void read();
  // These go on until the connection waits or is closed.
  void on_cipher(Bytes cipher);
  void on_plain(Bytes plain);
  size_t cut(Bytes octets);
  bool take_data(Bytes octets);
  bool send_waiting();
  void append(Bytes octets);
  void pass(Bytes plain);
  void on_end();
  void update_events();
  bool may_read() const {
    return !held_ && !wants_turn_ && !awaits_bind_ && !closing_ && !client_ended_;
  }

  Loop& loop_;
  ConnectionOwner& owner_;
  Fd socket_;
  media::FrontMessage head_;
  std::shared_ptr<pki::TlsContext> context_;
  std::unique_ptr<pki::TlsStream> tls_;
  ClientStream stream_;
  Patience patience_;
  std::vector<std::byte> rest_;   // came, and is not a whole message yet, or held
  std::vector<std::byte> plain_;  // of this round, for TLS
  Outbox out_;
  uint32_t events_ = 0;
  bool held_ = false;         // deliver() said no
  bool wants_turn_ = false;   // waits for start_handshake()
  bool awaits_bind_ = false;  // what comes behind a ConnectionBind may be the peer's
  bool closing_ = false;

  Partner* partner_ = nullptr;
  bool is_paired_ = false;       // with frames of data only
  bool carried_enough_ = false;  // carry() said no
  bool carrying_ends_ = false;   // when what waits is sent
  bool carrying_ended_ = false;
  bool client_ended_ = false;
  bool is_unwatched_ = false;  // nothing to do, and epoll would tell of the end again and again
};

}  // namespace fedge::front
