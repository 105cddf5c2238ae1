// The listening sockets: opened and closed by the difference between two generations. One whose
// realm, address and port stay is not touched, nor are live connections.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/front/generation.h"
#include "firmware/base/loop.h"

namespace fedge::front {

class Listeners {
 public:
  // Takes one accepted socket of a listener of the generation in use.
  using OnAccept = std::function<void(Fd socket, const Endpoint& remote, const Listener& listener)>;

  // `use_devices` off leaves sockets unbound to interfaces (tests on loopback).
  Listeners(Loop& loop, OnAccept on_accept, bool use_devices);
  ~Listeners();

  // Opens what `next` has and this set has not. On failure nothing has changed.
  Status prepare(const Generation& next);
  // After prepare(): starts the new ones and closes those that `next` has not. `next` stays until
  // the next call.
  void commit(const Generation& next);
  void close_all();
  // Stops accepting for a while: out of descriptors.
  void back_off();

 private:
  struct Socket final : Watcher {
    Socket(Listeners& owner, Fd socket) : set(owner), fd(std::move(socket)) {}
    void on_ready(uint32_t) override { set.accept(*this); }
    Listeners& set;
    Fd fd;
    std::string realm;
    Endpoint endpoint;
    const Listener* listener = nullptr;
  };

  void accept(Socket& socket);
  void set_watching(bool watching);
  uint32_t wanted_events() const { return watching_ ? uint32_t{EPOLLIN} : 0; }
  bool has(const Listener& listener) const;

  Loop& loop_;
  OnAccept on_accept_;
  bool use_devices_;
  bool watching_ = true;
  Alarm resume_;
  std::vector<std::unique_ptr<Socket>> open_;
  std::vector<std::unique_ptr<Socket>> prepared_;
};

}  // namespace fedge::front
