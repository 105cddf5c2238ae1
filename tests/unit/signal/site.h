// A crew on loopback, between a partner (127.0.0.3) and a front end (127.0.0.2), in one thread: the
// tests' sockets and the workers' take turns.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/signal/crew.h"
#include "firmware/snapshot/writer.h"

namespace fedge::signal {

using snapshot::Kind;
using snapshot::Transport;

// A configuration in few words; compile() makes the sections of it.
struct Layout {
  struct Listener {
    uint16_t port;
    Transport transport = Transport::tcp;
    std::string address = "127.0.0.1";
    snapshot::Service service = snapshot::Service::access;
  };
  struct NextHop {
    std::string host;
    std::vector<std::string> endpoints;
    Transport transport = Transport::tcp;
    snapshot::Lookup lookup = snapshot::Lookup::none;
    uint16_t port = 0;  // when looked up
  };
  Layout();

  std::string realm = "lo";
  std::string address = "127.0.0.1/8";  // the realm's
  std::vector<Listener> listeners;
  NextHop front_end{"fe1.example.com", {"127.0.0.2:9"}};
  NextHop partner{"sip.partner.example", {"127.0.0.3:9"}};
  std::string partner_peer;  // its name as a peer when that is not the next hop's
  std::vector<std::string> name_servers;
  snapshot::Signalling limits;
  // PEM, for the one TLS context; empty: no context.
  std::string chain, key, trust;
  uint64_t generation = 1;
};

// Every section, the key section sealed with sealing_key().
link::Offer compile(const Layout& layout);
const pki::Secret& sealing_key();

// A port of 127.0.0.1 that nobody listens on.
uint16_t free_port();

// One end of a TCP connection in the test.
class Peer {
 public:
  Peer() = default;
  explicit Peer(Fd fd) : fd_(std::move(fd)) {}

  // What arrived since it was last taken; false when there is no more to come.
  bool receive(std::string& into);
  void send(std::string_view bytes);
  // As much as the socket takes.
  size_t send_some(std::string_view bytes);
  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  Fd fd_;
};

// A listening socket in the test: the front end's.
class Server {
 public:
  explicit Server(const std::string& address, uint16_t port = 0);
  std::string endpoint() const { return endpoint_; }
  Peer accept();  // empty when nobody waits
  void close() { fd_.reset(); }

 private:
  Fd fd_;
  std::string endpoint_;
};

class Site {
 public:
  explicit Site(uint32_t workers = 1) : workers_(workers) {}

  // Until all workers run it.
  Status publish(const Layout& layout);
  Worker& worker(uint32_t number = 0) { return crew_->worker(number); }
  Crew& crew() { return *crew_; }
  // Of the whole crew.
  uint64_t counter(std::string_view name);

  // From `source` to the worker's listener at `port`.
  Peer connect(uint16_t port, const std::string& source = "127.0.0.3");
  // Runs the loop until it holds; fails the test after ten seconds.
  void until(const std::function<bool()>& condition, const char* what);
  // What `peer` sent once it contains `text`.
  std::string expect(Peer& peer, std::string_view text);
  void expect_closed(Peer& peer);
  Peer expect_connection(Server& server);

  Loop loop;
  Counters counters;

 private:
  uint32_t workers_;
  std::unique_ptr<Crew> crew_;
};

// A request of the partner's to alice@example.com.
std::string message(int number, std::string_view body = "hello");
// The answer to a request as the front end received it.
std::string answer(const std::string& request, std::string_view status = "200 OK");

}  // namespace fedge::signal
