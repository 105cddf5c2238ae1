// One HTTPS connection: TLS, one request at a time, keep-alive, and a limit on every wait. While
// a request is being answered or an answer is being written nothing is read: a client that asks
// faster than it listens waits, and costs a buffer's worth of memory.
#pragma once

#include <memory>
#include <string>

#include "firmware/base/loop.h"
#include "firmware/http/request.h"
#include "firmware/net/address.h"
#include "firmware/pki/tls.h"
#include "mgmt/agent/backend.h"

namespace fedge::agent {

// How long a client may take for each part.
struct Patience {
  Duration handshake = 5s;
  Duration header = 10s;
  Duration body = 60s;
  Duration answer = 125s;  // control's, above the longest publish?wait=
  Duration write = 60s;
  Duration idle = 60s;
  Duration linger = 2s;  // for the client to hang up first, so that it reads the last answer
};

class Connection final : public Watcher, private pki::CipherSink, private Timer {
 public:
  // The connection's owner.
  class Owner {
   public:
    virtual ~Owner() = default;
    // A request whose body is still to come, none of which is read until reply() says 100; any
    // other answer is the last one here. Inside this call or later.
    virtual void on_head(Connection& connection, const http::Request& head) = 0;
    // A whole request; the answer goes to reply(), inside this call or later.
    virtual void on_request(Connection& connection, http::Request request) = 0;
    virtual void on_handshake(bool good, const std::string& failure) = 0;
    // Answered by the connection itself: 400 and its like, 408, 504.
    virtual void on_bad_request(uint16_t status) = 0;
    // More of a body has arrived. May end any connection, this one too.
    virtual void on_body() = 0;
    // The connection is over; the owner destroys it, but not inside this call.
    virtual void on_end(Connection& connection) = 0;
  };

  Connection(Loop& loop, Owner& owner, uint64_t id, Fd socket, Endpoint remote,
             std::unique_ptr<pki::TlsStream> tls, const http::Limits& limits,
             const Patience& patience);
  ~Connection() override;

  uint64_t id() const { return id_; }
  std::string client() const { return remote_.text(); }
  // Nothing outstanding and nothing half done: the first to go when there are too many.
  bool idle() const { return phase_ == Phase::idle || phase_ == Phase::linger; }
  // Waits for its client, not for control: the next to go.
  bool waits_for_client() const { return phase_ != Phase::answer && phase_ != Phase::head; }
  // The answer to what on_request() or on_head() brought; nothing happens when it has been given
  // up.
  void reply(const Reply& reply);
  // Ends now when idle, else with the answer that is outstanding.
  void close_soon();
  // Octets held of a body that is not whole yet.
  size_t held() const { return parser_.body_octets(); }
  // Lets go of the half request and answers it with `reply`, the last one here.
  void give_up(const Reply& reply);
  // Ends now, whatever is half done.
  void end();

 private:
  enum class Phase : uint8_t { handshake, idle, header, head, body, answer, write, linger };

  void on_ready(uint32_t events) override;
  void on_timer(Instant now) override;
  void append(Bytes ciphertext) override;

  void receive();
  void discard();
  void decrypt(Bytes cipher);
  void pump();
  bool next_request();
  bool announce(http::Progress progress);
  void admit_body();
  void send(const Reply& reply, bool keep_alive);
  bool flush();
  void enter(Phase phase);
  Duration limit_of(Phase phase) const;
  void update_interest();

  Loop& loop_;
  Owner& owner_;
  uint64_t id_;
  Fd socket_;
  Endpoint remote_;
  std::unique_ptr<pki::TlsStream> tls_;
  http::RequestParser parser_;
  Patience patience_;
  std::string output_;  // ciphertext waiting for the socket
  size_t sent_ = 0;
  uint32_t interest_ = 0;  // what epoll watches for
  Phase phase_ = Phase::handshake;
  bool head_ = false;
  bool may_come_ = false;  // the body of the request at hand
  bool expects_continue_ = false;
  bool keep_alive_ = true;
  bool last_ = false;     // what is in output_ ends the connection
  bool pumping_ = false;  // pump() is on the stack: reply() leaves the rest to it
  bool ended_ = false;
};

}  // namespace fedge::agent
