// The listening sockets: opened, moved and closed by the difference between two generations.
// A listener whose realm, address and port stay is not touched, nor are live connections.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/signal/generation.h"
#include "firmware/base/loop.h"
#include "firmware/net/socket.h"

namespace fedge::signal {

class ListenerSet {
 public:
  // Takes one accepted socket; `listener` is an index into the generation in use.
  using OnAccept = std::function<void(Fd socket, const Endpoint& remote, uint16_t listener)>;

  // `use_devices` off leaves sockets unbound to interfaces (tests on loopback).
  ListenerSet(Loop& loop, OnAccept on_accept, bool use_devices);
  ~ListenerSet();

  // Opens what `next` has and this set has not. On failure nothing has changed.
  Status prepare(const Generation& next);
  // After prepare(): starts the new ones and closes those that `next` has not.
  void commit(const Generation& next);
  // Forgets what prepare() opened.
  void abandon() { prepared_.clear(); }
  void close_all();

  // Stops accepting for a while: out of descriptors.
  void back_off(Duration pause);

  size_t size() const { return open_.size(); }

 private:
  struct Socket final : Watcher {
    Socket(ListenerSet& owner, Fd socket) : set(owner), fd(std::move(socket)) {}
    void on_ready(uint32_t) override { set.accept(*this); }
    ListenerSet& set;
    Fd fd;
    std::string realm;
    Endpoint endpoint;
    uint16_t index = snapshot::kNone16;
  };

  void accept(Socket& socket);
  void watch(Socket& socket);
  void set_watching(bool watching);
  uint32_t wanted_events() const { return watching_ ? uint32_t{EPOLLIN} : 0; }
  Socket* find(std::string_view realm, const Endpoint& endpoint);

  Loop& loop_;
  OnAccept on_accept_;
  bool use_devices_;
  bool watching_ = true;
  Alarm resume_;
  std::vector<std::unique_ptr<Socket>> open_;
  std::vector<std::unique_ptr<Socket>> prepared_;
};

}  // namespace fedge::signal
