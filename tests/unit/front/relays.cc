// TCP relays (RFC 6062): peers on loopback, a test in the worker's place.
#include "tests/unit/front/relay_site.h"

namespace fedge::front {
namespace {

using media::FrontKind;

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

// The kernel would not carry it: it goes through front alone.
TEST(Relays, M9_ReachEachOther) {
  WithRelay site;
  const uint16_t other_port = free_port();
  media::TcpListen other = site.listening();
  other.allocation = kAllocation + 1;
  other.user = kUser + 1;
  other.port = other_port;
  site.push(other);
  media::TcpConnect what;
  what.allocation = kAllocation;
  what.peer_address = other.public_address;
  what.peer_port = other_port;
  what.is_inside = 1;
  site.push(what);
  const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  EXPECT_EQ(told.allocation, kAllocation + 1);
  EXPECT_EQ(told.peer_address, other.public_address);
  EXPECT_EQ(told.peer_port, site.relay_port);
  const auto made = site.next(FrontKind::tcp_connected).record.as<media::TcpConnected>();
  Client one(site.loop, site.port), two(site.loop, site.port);
  site.join(one, made.peer);
  site.join(two, told.peer, kUser + 1);
  one.receive(bind_success().size());
  two.receive(bind_success().size());
  one.send("there");
  EXPECT_EQ(two.receive(5), "there");
  two.send("and back");
  EXPECT_EQ(one.receive(8), "and back");
  two.close();
  EXPECT_TRUE(one.ended());
}

TEST(Relays, M9_OneThatIsDroppedInsideIsGoneAtBothEnds) {
  WithRelay site;
  media::TcpListen other = site.listening();
  other.allocation = kAllocation + 1;
  other.port = free_port();
  site.push(other);
  media::TcpConnect what;
  what.allocation = kAllocation;
  what.peer_address = other.public_address;
  what.peer_port = other.port;
  what.is_inside = 1;
  for (int i = 0; i < 2; ++i) {
    site.push(what);
    const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
    site.push(media::TcpDrop{told.peer});
    site.next(FrontKind::tcp_closed);
    site.next(FrontKind::tcp_closed);
  }
  what.peer_port = free_port();
  site.push(what);
  EXPECT_EQ(site.failure(), media::TcpFailure::refused) << "nobody has that port";
}

TEST(Relays, M5_AreNamedWhenTheRulesAreOthers) {
  WithRelay site;
  Listening there;
  Fd peer;
  const media::PeerId id = site.connected(there, peer);
  site.push(media::TcpReview{});
  const auto named = site.next(FrontKind::tcp_there).record.as<media::TcpThere>();
  EXPECT_EQ(named.allocation, kAllocation);
  EXPECT_EQ(named.peer, id);
  site.push(media::TcpDrop{id});
  EXPECT_TRUE(site.ended(peer));
}

// What a full ring had no room for is said when there is some.
TEST(Relays, M9_AFullRingLosesNothing) {
  WithRelay site;
  Listening there;
  // Nobody reads the ring: the largest fill it up to the last octets, which are the small ones'.
  std::deque<Client> clients;
  for (const auto& [size, count] : {std::pair(8000, 140), {400, 40}, {40, 40}, {0, 40}}) {
    Client& client = clients.emplace_back(site.loop, site.port);
    const uint64_t before = site.count("fedge_front_held_total");
    for (int i = 0; i < count; ++i) client.send(stun_message(static_cast<size_t>(size)));
    site.run_until([&] { return site.count("fedge_front_held_total") > before + 2; });
  }
  site.connect(there.port);
  const Fd peer = site.accept(there);
  Client incoming(site.loop, site.relay_port);
  site.run_until([&] { return site.count("fedge_front_peers") == 2; });
  const auto made = site.next(FrontKind::tcp_connected).record.as<media::TcpConnected>();
  EXPECT_EQ(made.echo[3], std::byte{5});
  const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  EXPECT_EQ(told.peer_port, incoming.local().port);
}

}  // namespace
}  // namespace fedge::front
