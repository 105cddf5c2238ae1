// One HTTPS connection: TLS, one request at a time, keep-alive, and a limit on every wait.
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
};

class Connection final : public Watcher, private pki::CipherSink, private Timer {
 public:
  // The connection's owner. Every call may destroy the connection once it returns to the loop.
  class Owner {
   public:
    virtual ~Owner() = default;
    // A whole request; the answer goes to reply() of the connection with that id.
    virtual void on_request(Connection& connection, http::Request request) = 0;
    virtual void on_handshake(bool good, const std::string& failure) = 0;
    virtual void on_bad_request(uint16_t status) = 0;
    // The connection is over; the owner destroys it.
    virtual void on_end(Connection& connection) = 0;
  };

  Connection(Loop& loop, Owner& owner, uint64_t id, Fd socket, Endpoint remote,
             std::unique_ptr<pki::TlsStream> tls, const http::Limits& limits,
             const Patience& patience);
  ~Connection() override;

  uint64_t id() const { return id_; }
  std::string client() const { return remote_.text(); }
  // Nothing outstanding and nothing half done: the first to go when there are too many.
  bool idle() const { return !busy_ && !parser_.in_request() && output_.empty(); }
  void reply(const Reply& reply);
  // Answers what is outstanding, then closes.
  void close_soon();

 private:
  void on_ready(uint32_t events) override;
  void on_timer(Instant now) override;
  void append(Bytes ciphertext) override;

  bool receive();
  bool take_plain(Bytes plain);
  bool advance(http::Progress progress);
  void send(const Reply& reply, bool keep_alive);
  bool flush();
  void wait_for_next();
  void end();

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
  bool open_ = false;  // handshake done
  bool busy_ = false;  // a request is with the owner
  bool head_ = false;
  bool keep_alive_ = true;
  bool closing_ = false;  // once output_ is out
  bool ended_ = false;
};

}  // namespace fedge::agent
