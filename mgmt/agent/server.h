// The HTTPS server: listening sockets that init opened, a bounded number of connections, and the
// way of each request to the backend and back.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "firmware/base/counters.h"
#include "firmware/base/loop.h"
#include "mgmt/agent/backend.h"
#include "mgmt/agent/connection.h"

namespace fedge::agent {

struct ServerLimits {
  uint32_t connections = 64;
  http::Limits http;
  Patience patience;
};

class Server final : public Connection::Owner {
 public:
  Server(Loop& loop, Backend& backend, Counters& counters);
  ~Server() override;

  // Counts into another page from now on.
  void count_into(Counters& counters);
  // The certificate and limits of new connections; those there keep theirs.
  void use(std::shared_ptr<pki::TlsContext> tls, const ServerLimits& limits);
  // Accepts on a listening, non-blocking socket. One of the same name is replaced.
  void listen(const std::string& endpoint, Fd socket);
  // Stops accepting on every socket whose name is not among `endpoints`.
  void keep_only(const std::vector<std::string>& endpoints);

  // The backend's answer; nothing happens when the client has gone.
  void deliver(uint64_t id, const Reply& reply);
  // The backend went away: everything outstanding is answered 503.
  void fail_outstanding();
  void stop();
  size_t connections() const { return connections_.size(); }
  // Octets held of bodies that are not whole yet.
  uint64_t held() const;

 private:
  class Listener;
  void accept(Listener& listener);
  // A question to control with this id; its answer goes to the connection.
  uint64_t expect_answer(const Connection& connection);
  void say_nobody_is_there(uint64_t id);
  void make_room();
  void on_head(Connection& connection, const http::Request& head) override;
  void on_request(Connection& connection, http::Request request) override;
  void on_handshake(bool good, const std::string& failure) override;
  void on_bad_request(uint16_t status) override;
  void on_body() override;
  void on_end(Connection& connection) override;

  Loop& loop_;
  Backend& backend_;
  Counters* counters_;
  std::shared_ptr<pki::TlsContext> tls_;
  ServerLimits limits_;
  std::map<std::string, std::unique_ptr<Listener>> listeners_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::unordered_map<uint64_t, uint64_t> outstanding_;  // request → connection
  std::vector<std::unique_ptr<Connection>> ended_;      // destroyed outside their own calls
  Alarm sweeper_;
  uint64_t next_connection_ = 1;
  uint64_t next_request_ = 1;
  uint32_t requests_series_ = 0, handshakes_series_ = 0, failures_series_ = 0, bad_series_ = 0,
           open_series_ = 0;
};

}  // namespace fedge::agent
