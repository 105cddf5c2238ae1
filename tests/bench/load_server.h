// The load generator's server: 200 to everything, 180 before it to an INVITE.
#pragma once

#include <map>
#include <memory>

#include "tests/bench/load_pool.h"
#include "tests/bench/load_sip.h"

namespace load {

class Server final : public Owner, public Pollable {
 public:
  explicit Server(const Options& options)
      : context_(make_context(options.files, true)),
        contact_("<sip:bob@" + options.bind + ";transport=tls>") {
    sockaddr_in address = address_of(options.bind);
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(fd_, 4096) != 0)
      give_up("cannot listen on " + options.bind);
    epoll_event event{EPOLLIN, {.ptr = static_cast<Pollable*>(this)}};
    epoll_ctl(poll_.fd(), EPOLL_CTL_ADD, fd_, &event);
  }
  [[noreturn]] void run() {
    for (;;) poll_.run_once(-1);
  }

 private:
  void on_ready(uint32_t) override {
    for (int fd; (fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      auto connection = std::make_unique<Connection>(poll_.fd(), fd, context_, true, *this);
      Connection* key = connection.get();
      connections_[key] = std::move(connection);
    }
  }
  void on_message(Connection& connection, std::string_view request) override {
    if (request.starts_with("ACK ") || request.starts_with("SIP/2.0 ")) return;
    answer_.clear();
    const bool invite = request.starts_with("INVITE ");
    const std::string_view contact = invite ? std::string_view(contact_) : std::string_view();
    if (invite) append_response(answer_, request, "180 Ringing", contact);
    append_response(answer_, request, "200 OK", contact);
    connection.send(answer_);
  }
  void on_closed(Connection& connection, bool) override {
    poll_.bury(std::move(connections_[&connection]));
    connections_.erase(&connection);
  }

  Poll poll_;
  SSL_CTX* context_;
  std::string contact_;
  int fd_;
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
  std::string answer_;
};

}  // namespace load
