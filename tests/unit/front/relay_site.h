// A relay port that front holds for an allocation, and peers around it.
#pragma once

#include <sys/socket.h>

#include "firmware/net/socket.h"
#include "tests/unit/front/site.h"

namespace fedge::front {

inline constexpr uint64_t kAllocation = 0x700000001, kUser = 99;

inline std::string bind_request() { return std::string("\x00\x0b", 2) + stun_message().substr(2); }
inline std::string bind_success() { return std::string("\x01\x0b", 2) + stun_message().substr(2); }

// A peer's end, or its listening port.
struct Listening {
  explicit Listening()
      : fd(*open_listening_socket({*IpAddress::parse("127.0.0.1"), 0}, {})),
        port(local_endpoint(fd.get()).port) {}
  Fd fd;
  uint16_t port;
};

struct WithRelay : Open {
  explicit WithRelay(Duration wait = 30s)
      : Open(1, {.use_devices = false, .epoch = 0x1234, .peer_wait = wait}) {
    listen();
    run_until([this] { return count("fedge_front_relay_ports") == 1; });
  }
  media::TcpListen listening() const {
    media::TcpListen what;
    what.allocation = kAllocation;
    what.user = kUser;
    what.realm = media::realm_name("lo");
    what.address = media::Address::of(*IpAddress::parse("127.0.0.1"));
    // Another one outside.
    what.public_address = media::Address::of(*IpAddress::parse("198.51.100.1"));
    what.port = relay_port;
    return what;
  }
  void listen() { push(listening()); }
  void connect(uint16_t to) {
    media::TcpConnect what;
    what.allocation = kAllocation;
    what.peer_address = media::Address::of(*IpAddress::parse("127.0.0.1"));
    what.peer_port = to;
    what.echo[3] = std::byte{5};
    push(what);
  }
  media::TcpFailure failure() {
    const Kept kept = next(media::FrontKind::tcp_failed);
    return kept.record.as<media::TcpFailed>().failure;
  }
  // Takes the connection that front makes.
  Fd accept(const Listening& at, Endpoint* from = nullptr) {
    Fd peer;
    run_until([&] {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      peer = Fd(::accept4(at.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (peer && from != nullptr) *from = Endpoint::from_sockaddr(address);
      return static_cast<bool>(peer);
    });
    return peer;
  }
  media::PeerId connected(const Listening& at, Fd& peer) {
    connect(at.port);
    peer = accept(at);
    return next(media::FrontKind::tcp_connected).record.as<media::TcpConnected>().peer;
  }
  void join(Client& client, media::PeerId peer, uint64_t user = kUser) {
    client.send(bind_request());
    const Kept asked = next(media::FrontKind::message);
    media::TcpBind what;
    what.connection = asked.record.as<media::FrontMessage>().connection;
    what.user = user;
    what.peer = peer;
    push(what, bind_success());
  }
  std::string read(const Fd& peer, size_t count) {
    std::string out;
    run_until([&] {
      char chunk[65536];
      const ssize_t n = ::recv(peer.get(), chunk, std::min(sizeof chunk, count - out.size()), 0);
      if (n > 0) out.append(chunk, static_cast<size_t>(n));
      return out.size() == count || n == 0;
    });
    return out;
  }
  bool ended(const Fd& peer) {
    char octet;
    ssize_t n = -1;
    run_until([&] {
      n = ::recv(peer.get(), &octet, 1, 0);
      return n >= 0 || errno != EAGAIN;
    });
    return n <= 0;
  }

  uint16_t relay_port = free_port();
};

}  // namespace fedge::front
