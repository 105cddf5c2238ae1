// Clients over TCP and TLS, and what the fast path hears of them.
#include <sys/socket.h>
#include <unistd.h>

#include <deque>

#include "dataplane/media/sessions.h"
#include "tests/unit/front/site.h"

namespace fedge::front {
namespace {

using media::FrontKind;

TEST(Clients, M2_AreHeardAndAnsweredInTheirDialect) {
  Open site;
  Client turn(site.loop, site.port);
  turn.send(stun_message(8));
  const Kept first = site.next();
  ASSERT_EQ(first.record.kind, FrontKind::message);
  EXPECT_EQ(first.octets, stun_message(8));
  const auto head = first.record.as<media::FrontMessage>();
  EXPECT_NE(head.connection, 0u);
  EXPECT_EQ(media::text_of(head.realm), "lo");
  EXPECT_EQ((Endpoint{head.client.ip(), head.client_port}), turn.local());
  EXPECT_EQ((Endpoint{head.server.ip(), head.server_port}),
            (Endpoint{*IpAddress::parse("127.0.0.1"), site.port}));
  EXPECT_EQ(head.is_tls, 0);
  EXPECT_EQ(head.is_data, 0);
  site.push(media::FrontReply{head.connection, 0}, stun_message(4, 'r'));
  site.push(media::FrontReply{head.connection, 0}, channel_data("abc", false));
  const std::string expected = stun_message(4, 'r') + channel_data("abc", true);
  EXPECT_EQ(turn.receive(expected.size()), expected);

  Client ms(site.loop, site.port);
  ms.send(ms_hello() + ms_frame(2, "allocate") + ms_frame(3, "for nobody") + ms_frame(2, "next"));
  EXPECT_EQ(ms.receive(server_hello().size()), server_hello());
  const Kept control = site.next();
  EXPECT_EQ(control.octets, "allocate");
  const auto ms_head = control.record.as<media::FrontMessage>();
  EXPECT_NE(ms_head.connection, head.connection);
  EXPECT_EQ(site.next().octets, "next");
  site.push(media::FrontReply{ms_head.connection, 0}, "answer");
  EXPECT_EQ(ms.receive(10), ms_frame(2, "answer"));
}

TEST(Clients, M2_AreToldApartWhenTheyEnd) {
  Open site;
  Client client(site.loop, site.port);
  client.send(stun_message());
  const auto head = site.next().record.as<media::FrontMessage>();
  client.close();
  const Kept closed = site.next();
  ASSERT_EQ(closed.record.kind, FrontKind::closed);
  EXPECT_EQ(closed.record.as<media::FrontClosed>().connection, head.connection);
  Client other(site.loop, site.port);
  other.send(stun_message());
  EXPECT_NE(site.next().record.as<media::FrontMessage>().connection, head.connection);
  // Late words for the first reach nobody.
  site.push(media::FrontReply{head.connection, 0}, stun_message(0, 'x'));
  site.run_until([&] {
    return site.count("fedge_front_dropped_messages_total{reason=\"client_gone\"}") == 1;
  });
  // Who never said anything whole is not told of.
  Client silent(site.loop, site.port);
  silent.send("\x00\x01");
  silent.close();
  site.run_until(
      [&] { return site.count("fedge_front_closed_total{reason=\"peer_closed\"}") == 2; });
  EXPECT_FALSE(site.has_next());
}

TEST(Clients, M2_EndWhenTheWorkerSaysSo) {
  Open site;
  Client client(site.loop, site.port);
  client.send(stun_message());
  const auto head = site.next().record.as<media::FrontMessage>();
  site.push(media::FrontReply{head.connection, 0}, stun_message(0, 'z'));
  site.push(media::FrontClose{head.connection});
  EXPECT_EQ(client.receive(20), stun_message(0, 'z')) << "what was said before comes first";
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(site.next().record.kind, FrontKind::closed);
}

TEST(Clients, M2_GoToTheWorkerThatOwnsThem) {
  Open site(2);
  std::deque<Client> clients;
  std::array<int, 2> heard{};
  for (int i = 0; i < 32; ++i) {
    clients.emplace_back(site.loop, site.port).send(stun_message());
    const Endpoint from = clients.back().local();
    const uint8_t owner = media::owner_of_client(media::Address::of(from.address), from.port, 2);
    const auto head = site.next(owner).record.as<media::FrontMessage>();
    EXPECT_EQ(head.client_port, from.port);
    ++heard[owner];
  }
  EXPECT_GT(heard[0], 0);
  EXPECT_GT(heard[1], 0);
}

// The allocation that it moved to this connection (RFC 8016) is another worker's.
TEST(Clients, M2_M1_GoToTheWorkerThatAnswersThemFromThenOn) {
  Open site(2);
  Client client(site.loop, site.port);
  client.send(stun_message());
  const Endpoint from = client.local();
  const uint8_t owner = media::owner_of_client(media::Address::of(from.address), from.port, 2);
  const auto other = static_cast<uint8_t>(1 - owner);
  const auto head = site.next(owner).record.as<media::FrontMessage>();
  site.push(media::FrontReply{head.connection, 0}, stun_message(0, 'a'), other);
  EXPECT_EQ(client.receive(20), stun_message(0, 'a'));
  client.send(stun_message(4));
  EXPECT_EQ(site.next(other).octets, stun_message(4));
  // Also of a fast path that has started again with its sessions.
  site.stop_fastpath();
  site.start_fastpath(2);
  const Kept alive = site.next(other);
  ASSERT_EQ(alive.record.kind, FrontKind::alive);
  EXPECT_EQ(alive.record.as<media::FrontAlive>().connection, head.connection);
  EXPECT_EQ(site.next(owner).record.as<media::FrontAllAlive>().count, 0u);
  client.close();
  EXPECT_EQ(site.next(FrontKind::closed, other).record.as<media::FrontClosed>().connection,
            head.connection);
}

TEST(Clients, M2_StayOverARestartOfTheFastPath) {
  Open site;
  Client stays(site.loop, site.port);
  Client goes(site.loop, site.port);
  stays.send(stun_message());
  const auto first = site.next().record.as<media::FrontMessage>();
  goes.send(stun_message());
  (void)site.next();
  site.stop_fastpath();
  goes.close();
  stays.send(stun_message(4));  // waits
  site.run_until(
      [&] { return site.count("fedge_front_closed_total{reason=\"peer_closed\"}") == 1; });
  site.start_fastpath();
  const Kept alive = site.next();
  ASSERT_EQ(alive.record.kind, FrontKind::alive);
  EXPECT_EQ(alive.record.as<media::FrontAlive>().connection, first.connection);
  const Kept all = site.next();
  ASSERT_EQ(all.record.kind, FrontKind::all_alive);
  EXPECT_EQ(all.record.as<media::FrontAllAlive>().count, 1u);
  const Kept waited = site.next();
  EXPECT_EQ(waited.octets, stun_message(4));
  EXPECT_EQ(waited.record.as<media::FrontMessage>().connection, first.connection);
}

TEST(Clients, M2_AreHeldBackWhileTheFastPathIsBusyAndLoseNothing) {
  Open site;
  Client client(site.loop, site.port);
  client.send(stun_message());
  (void)site.next();
  // More than the ring holds: the rest waits in sockets, and comes when there is room.
  constexpr int kMessages = 4000;
  std::string octets;
  for (int i = 0; i < kMessages; ++i) {
    octets += channel_data(std::string(1000, static_cast<char>(i % 251)), true);
  }
  size_t sent = 0;
  const auto send_some = [&] {
    const ssize_t n = ::send(client.fd(), &octets[sent], octets.size() - sent, MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
  };
  site.run_until([&] {
    send_some();
    return site.count("fedge_front_held_total") > 0;
  });
  for (int i = 0; i < kMessages; ++i) {
    if (sent < octets.size()) send_some();
    const Kept kept = site.next();
    ASSERT_EQ(kept.octets.size(), 1004u);
    ASSERT_EQ(kept.octets[4], static_cast<char>(i % 251)) << i;
  }
}

TEST(Clients, M2_ThatReadTooSlowlyLoseMessagesAndNobodyElseDoes) {
  Open site;
  Client slow(site.loop, site.port);
  Client quick(site.loop, site.port);
  slow.send(stun_message());
  const auto slow_head = site.next().record.as<media::FrontMessage>();
  quick.send(stun_message());
  const auto quick_head = site.next().record.as<media::FrontMessage>();
  const std::string message = channel_data(std::string(1000, 'x'), false);
  const std::string dropped = "fedge_front_dropped_messages_total{reason=\"slow_client\"}";
  for (int i = 0; i < 100000 && site.count(dropped) == 0; ++i) {
    site.push(media::FrontReply{slow_head.connection, 0}, message);
    site.loop.run_once(0ms);
  }
  EXPECT_GT(site.count(dropped), 0u);
  site.push(media::FrontReply{quick_head.connection, 0}, message);
  EXPECT_EQ(quick.receive(1004), message);
}

TEST(Clients, M2_ThatSpeakNothingWeKnowAreClosed) {
  Open site;
  Client web(site.loop, site.port);
  web.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(web.ended());
  std::string tls = ms_hello();
  tls[3] = 1;
  Client secure(site.loop, site.port);  // no certificate there
  secure.send(tls);
  EXPECT_TRUE(secure.ended());
  EXPECT_EQ(site.count("fedge_front_closed_total{reason=\"malformed\"}"), 1u);
  EXPECT_EQ(site.count("fedge_front_closed_total{reason=\"handshake_failed\"}"), 1u);
}

TEST(Clients, M2_AreLimitedAndTheSilentMakeRoom) {
  Open site;
  site.layout.limits.max_connections = 2;
  site.layout.generation = 2;
  ASSERT_TRUE(site.publish(site.layout));
  Client speaks(site.loop, site.port);
  speaks.send(stun_message());
  (void)site.next();
  Client silent(site.loop, site.port);
  site.run_until([&] { return site.count("fedge_front_accepted_total") == 2; });
  Client third(site.loop, site.port);
  EXPECT_TRUE(silent.ended());
  third.send(stun_message());
  EXPECT_EQ(site.next().record.kind, FrontKind::message);
  Client fourth(site.loop, site.port);
  EXPECT_TRUE(fourth.ended()) << "everybody has spoken";
}

TEST(Clients, M2_ThatSayNothingAreClosedInTime) {
  Open site;
  site.layout.limits.handshake_ms = 50;
  site.layout.limits.partial_message_ms = 50;
  site.layout.generation = 2;
  ASSERT_TRUE(site.publish(site.layout));
  Client silent(site.loop, site.port);
  EXPECT_TRUE(silent.ended());
  Client partial(site.loop, site.port);
  partial.send(stun_message() + stun_message().substr(0, 7));
  EXPECT_TRUE(partial.ended());
  EXPECT_EQ(site.count("fedge_front_closed_total{reason=\"silent\"}"), 1u);
  EXPECT_EQ(site.count("fedge_front_closed_total{reason=\"partial\"}"), 1u);
}

TEST(Clients, M2_GetANewRingWhenOneIsDamaged) {
  Open site;
  Client client(site.loop, site.port);
  client.send(stun_message());
  const auto head = site.next().record.as<media::FrontMessage>();
  auto memory = Mapping::read_write(site.rings[0].fds()[0]);
  reinterpret_cast<media::FrontRingMemory*>(memory->data())->to_front.tail = 77;
  const uint64_t one = 1;
  ASSERT_EQ(::write(site.rings[0].fds()[2], &one, sizeof one), 8);
  site.run_until([&] { return site.count("fedge_front_rings_broken_total") == 1; });
  EXPECT_EQ(site.next(FrontKind::alive).record.as<media::FrontAlive>().connection, head.connection);
  client.send(stun_message(4));
  EXPECT_EQ(site.next(FrontKind::message).octets, stun_message(4));
}

}  // namespace
}  // namespace fedge::front
