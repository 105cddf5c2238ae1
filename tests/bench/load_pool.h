// What the load generator is told, its event loop, and the connections it opens.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "tests/bench/load_measure.h"
#include "tests/bench/load_tls.h"

namespace load {

struct Options {
  std::string mode, netns, bind, connect, source, what = "message";
  std::string from = "partner.example", to = "example.com";
  Files files;
  std::vector<int> pids;
  size_t connections = 4, window = 64, body = 100;
  double rate = 0, warm = 1, seconds = 5, drain = 0;
};

// One epoll for everything; connections that closed are freed between rounds.
class Poll {
 public:
  Poll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  int fd() const { return fd_; }
  void run_once(int milliseconds) {
    epoll_event events[256];
    const int n = epoll_wait(fd_, events, 256, milliseconds);
    for (int i = 0; i < n; ++i)
      static_cast<Pollable*>(events[i].data.ptr)->on_ready(events[i].events);
    dead_.clear();
  }
  void bury(std::unique_ptr<Connection> connection) { dead_.push_back(std::move(connection)); }

 private:
  int fd_;
  std::vector<std::unique_ptr<Connection>> dead_;
};

// Connections that a client opened, a few handshakes at a time.
class Pool {
 public:
  Pool(const Options& options, Poll& poll, Owner& owner)
      : options_(options),
        poll_(poll),
        owner_(owner),
        context_(make_context(options.files, false)) {}

  // Opens until all are there; false when `seconds` were not enough.
  bool open_all(double seconds) {
    constexpr size_t kHandshakesAtOnce = 16;
    const uint64_t deadline = now_ns() + uint64_t(seconds * 1e9);
    while (opened < options_.connections && now_ns() < deadline) {
      while (all.size() < options_.connections + lost &&
             all.size() - opened - lost < kHandshakesAtOnce)
        open_one();
      poll_.run_once(10);
      if (lost > 20) return false;
    }
    return opened >= options_.connections;
  }

  std::deque<std::unique_ptr<Connection>> all;
  size_t opened = 0;
  size_t lost = 0;  // before or after the handshake

 private:
  void open_one() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) give_up("no more sockets: raise the limit of open files");
    const int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in address = address_of(options_.source);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      give_up("cannot send from " + options_.source);
    address = address_of(options_.connect);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS)
      give_up("cannot connect to " + options_.connect);
    all.push_back(std::make_unique<Connection>(poll_.fd(), fd, context_, false, owner_));
  }

  const Options& options_;
  Poll& poll_;
  Owner& owner_;
  SSL_CTX* context_;
};

}  // namespace load
