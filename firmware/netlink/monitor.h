// Following a namespace's links, neighbours and routes without blocking: first all that is
// there, then every change. Works on a socket that somebody else opened (init, inside the
// namespace) and needs no privilege.
#pragma once

#include <memory>

#include "firmware/netlink/neighbours.h"
#include "firmware/netlink/routes.h"

namespace fedge::netlink {

class MonitorHandler {
 public:
  virtual ~MonitorHandler() = default;
  // What was known may have changed unseen: mark it, all that is there follows. Also at start.
  virtual void on_resync() = 0;
  virtual void on_link(const LinkEvent& event) = 0;
  virtual void on_neighbour(const NeighbourEvent& event) = 0;
  virtual void on_route(const RouteEvent& event) = 0;
  // All that is there was told; what is still marked is gone.
  virtual void on_synced() = 0;
};

// A non-blocking rtnetlink socket for a Monitor, in the calling thread's namespace.
Result<Fd> open_monitor_socket();

class Monitor {
 public:
  explicit Monitor(Fd socket);

  // Wait for this to become readable, then read().
  int fd() const { return socket_.get(); }
  // Asks for all that is there.
  Status start(MonitorHandler& handler);
  // Reads all that waits. Starts over by itself when the kernel lost events. Fails when the
  // socket is of no use any more.
  Status read(MonitorHandler& handler);

 private:
  enum class Stage : uint8_t { idle, links, neighbours, routes_v4, routes_v6, following };
  Status ask(Stage stage);
  Status take(const nlmsghdr& message, MonitorHandler& handler);
  Status on_dump_end(MonitorHandler& handler);

  Fd socket_;
  std::unique_ptr<char[]> buffer_;
  uint32_t sequence_ = 0;
  Stage stage_ = Stage::idle;
  bool again_ = false;  // events were lost during the dump: it starts over when it ends
};

}  // namespace fedge::netlink
