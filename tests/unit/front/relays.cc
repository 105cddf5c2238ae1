// TCP relays (RFC 6062): peers on loopback, a test in the worker's place.
#include <arpa/inet.h>
#include <sys/socket.h>

#include "firmware/net/socket.h"
#include "tests/unit/front/site.h"

namespace fedge::front {
namespace {

using media::FrontKind;

constexpr uint64_t kAllocation = 0x700000001, kUser = 99;

std::string bind_request() { return std::string("\x00\x0b", 2) + stun_message().substr(2); }
std::string bind_success() { return std::string("\x01\x0b", 2) + stun_message().substr(2); }

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
  void listen() {
    media::TcpListen what;
    what.allocation = kAllocation;
    what.user = kUser;
    what.realm = media::realm_name("lo");
    what.address = media::Address::of(*IpAddress::parse("127.0.0.1"));
    what.port = relay_port;
    push(what);
  }
  void connect(uint16_t to) {
    media::TcpConnect what;
    what.allocation = kAllocation;
    what.peer_address = media::Address::of(*IpAddress::parse("127.0.0.1"));
    what.peer_port = to;
    what.echo[3] = std::byte{5};
    push(what);
  }
  media::TcpFailure failure() {
    const Kept kept = next(FrontKind::tcp_failed);
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
    return next(FrontKind::tcp_connected).record.as<media::TcpConnected>().peer;
  }
  void join(Client& client, media::PeerId peer, uint64_t user = kUser) {
    client.send(bind_request());
    const Kept asked = next(FrontKind::message);
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

TEST(Relays, M9_ConnectFromTheRelayPortAndCarryBothWays) {
  WithRelay site;
  Listening there;
  site.connect(there.port);
  Endpoint from;
  const Fd peer = site.accept(there, &from);
  EXPECT_EQ(from.port, site.relay_port);
  const auto made = site.next(FrontKind::tcp_connected).record.as<media::TcpConnected>();
  EXPECT_EQ(made.allocation, kAllocation);
  EXPECT_EQ(made.echo[3], std::byte{5});
  ASSERT_EQ(::send(peer.get(), "early", 5, 0), 5);
  Client client(site.loop, site.port);
  // What a client sends right behind its ConnectionBind is the peer's.
  client.send(bind_request() + "pipelined");
  const Kept asked = site.next(FrontKind::message);
  media::TcpBind what;
  what.connection = asked.record.as<media::FrontMessage>().connection;
  what.user = kUser;
  what.peer = made.peer;
  site.push(what, bind_success());
  EXPECT_EQ(client.receive(bind_success().size()), bind_success());
  EXPECT_EQ(client.receive(5), "early");
  EXPECT_EQ(site.read(peer, 9), "pipelined");
  client.send("GET / HTTP/1.1");
  EXPECT_EQ(site.read(peer, 14), "GET / HTTP/1.1");
  ASSERT_EQ(::send(peer.get(), "200", 3, 0), 3);
  EXPECT_EQ(client.receive(3), "200");
}

TEST(Relays, M9_AHalfThatEndedLeavesTheOther) {
  WithRelay site;
  Listening there;
  Fd peer;
  const media::PeerId id = site.connected(there, peer);
  Client client(site.loop, site.port);
  site.join(client, id);
  client.receive(bind_success().size());
  client.send("question");
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(site.read(peer, 8), "question");
  EXPECT_TRUE(site.ended(peer));
  ASSERT_EQ(::send(peer.get(), "answer", 6, 0), 6);
  EXPECT_EQ(client.receive(6), "answer");
  peer.reset();
  EXPECT_TRUE(client.ended());
  const auto closed = site.next(FrontKind::tcp_closed).record.as<media::TcpClosed>();
  EXPECT_EQ(closed.peer, id);
  EXPECT_EQ(closed.from_client, 8u);
  EXPECT_EQ(closed.to_client, 6u);
}

TEST(Relays, M9_APeerThatConnectsInIsTold) {
  WithRelay site;
  Client peer(site.loop, site.relay_port);
  const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  EXPECT_EQ(told.allocation, kAllocation);
  EXPECT_EQ(told.peer_port, peer.local().port);
  peer.send("first");
  Client stranger(site.loop, site.port);
  site.join(stranger, told.peer, kUser + 1);
  EXPECT_EQ(site.failure(), media::TcpFailure::unknown_peer) << "of another user";
  Client client(site.loop, site.port);
  site.join(client, told.peer);
  EXPECT_EQ(client.receive(bind_success().size() + 5), bind_success() + "first");
  Client second(site.loop, site.port);
  site.join(second, told.peer);
  EXPECT_EQ(site.failure(), media::TcpFailure::unknown_peer) << "it is bound";
}

TEST(Relays, M9_WhatIsNotWantedIsClosed) {
  WithRelay site;
  Client peer(site.loop, site.relay_port);
  const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  site.push(media::TcpDrop{told.peer});
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(site.next().record.as<media::TcpClosed>().peer, told.peer);
}

TEST(Relays, M9_RefuseWhatCannotBe) {
  WithRelay site;
  site.connect(free_port());
  EXPECT_EQ(site.failure(), media::TcpFailure::refused);
  Listening there;
  Fd peer;
  site.connected(there, peer);
  site.connect(there.port);
  EXPECT_EQ(site.failure(), media::TcpFailure::known);
  media::TcpConnect unknown;
  unknown.allocation = 1;
  site.push(unknown);
  EXPECT_EQ(site.failure(), media::TcpFailure::limit);
}

TEST(Relays, M9_APeerThatNobodyBindsIsClosedInTime) {
  WithRelay site(50ms);
  Client peer(site.loop, site.relay_port);
  EXPECT_TRUE(peer.ended());
  site.next(FrontKind::tcp_closed);
}

TEST(Relays, M9_EndWithTheAllocation) {
  WithRelay site;
  Listening there;
  Fd peer;
  const media::PeerId id = site.connected(there, peer);
  Client client(site.loop, site.port);
  site.join(client, id);
  client.receive(bind_success().size());
  site.push(media::TcpUnlisten{kAllocation});
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(site.ended(peer));
  Client late(site.loop, site.relay_port);
  EXPECT_TRUE(late.ended());
}

TEST(Relays, M9_OutliveTheFastPathWhenItNamesThemAgain) {
  WithRelay site;
  Listening there;
  Fd peer;
  const media::PeerId id = site.connected(there, peer);
  Client client(site.loop, site.port);
  site.join(client, id);
  client.receive(bind_success().size());
  site.start_fastpath();
  site.next(FrontKind::all_alive);
  site.listen();
  site.push(media::TcpUnlisten{});
  client.send("on");
  EXPECT_EQ(site.read(peer, 2), "on");
  site.start_fastpath();
  site.next(FrontKind::all_alive);
  site.push(media::TcpUnlisten{});
  EXPECT_TRUE(client.ended());
}

TEST(Relays, M9_HoldBackWhoeverIsFaster) {
  WithRelay site;
  Listening there;
  Fd peer;
  const media::PeerId id = site.connected(there, peer);
  Client client(site.loop, site.port);
  site.join(client, id);
  client.receive(bind_success().size());
  // Until nobody takes any more, front among them.
  const std::string block(1 << 20, 'x');
  size_t sent = 0;
  for (int idle = 0; idle < 50;) {
    const ssize_t n = ::send(client.fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    idle = n > 0 ? 0 : idle + 1;
    ASSERT_LT(sent, 64u << 20);
    site.loop.run_once(1ms);
  }
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(site.read(peer, sent).size(), sent);
  EXPECT_TRUE(site.ended(peer));
  // And the other way.
  sent = 0;
  for (int idle = 0; idle < 50;) {
    const ssize_t n = ::send(peer.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    idle = n > 0 ? 0 : idle + 1;
    ASSERT_LT(sent, 64u << 20);
    site.loop.run_once(1ms);
  }
  peer.reset();
  EXPECT_EQ(client.receive(sent).size(), sent);
  EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace fedge::front
