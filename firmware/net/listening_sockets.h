// The listening sockets of a program: opened and closed by the difference between what is
// listened on and what is to be. One whose realm, address and port stay is not touched, nor are
// connections.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/loop.h"
#include "firmware/net/address.h"

namespace fedge {

struct ListeningPlace {
  std::string name;  // for people
  std::string realm;
  Endpoint endpoint;
  uint8_t dscp = 0;
  uint16_t number = 0;  // by which its owner knows it
};

class ListeningSockets {
 public:
  // Takes one accepted socket; `number` is its place's in the list committed last.
  using OnAccept = std::function<void(Fd socket, const Endpoint& remote, uint16_t number)>;

  // `program` names it in the log. `use_devices` off leaves sockets unbound to interfaces (tests
  // on loopback).
  ListeningSockets(Loop& loop, std::string_view program, bool use_devices, OnAccept on_accept);
  ~ListeningSockets();

  // Opens what is in `next` and not open yet. On failure nothing has changed.
  Status prepare(std::vector<ListeningPlace> next);
  // After prepare(): starts the new ones and closes those that are not in that list.
  void commit();
  void close_all();

 private:
  struct Socket final : Watcher {
    Socket(ListeningSockets& owner, Fd socket) : set(owner), fd(std::move(socket)) {}
    void on_ready(uint32_t) override { set.accept(*this); }
    ListeningSockets& set;
    Fd fd;
    ListeningPlace place;
  };

  void accept(Socket& socket);
  // Stops accepting for a while: out of descriptors.
  void back_off();
  void set_watching(bool watching);
  uint32_t wanted_events() const { return watching_ ? uint32_t{EPOLLIN} : 0; }

  Loop& loop_;
  std::string_view program_;
  OnAccept on_accept_;
  bool use_devices_;
  bool watching_ = true;
  Alarm resume_;
  std::vector<ListeningPlace> next_;
  std::vector<std::unique_ptr<Socket>> open_;
  std::vector<std::unique_ptr<Socket>> prepared_;
};

}  // namespace fedge
