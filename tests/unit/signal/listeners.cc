// Publishing: what opens, moves, closes and stays; and the limits on accepting.
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

TEST(Listeners, R1_OpenAndCloseLiveWithoutTouchingTheOthers) {
  Site site;
  Layout layout;
  const uint16_t first = free_port();
  const uint16_t second = free_port();
  const uint16_t third = free_port();
  layout.listeners = {{first}, {second}};
  ASSERT_TRUE(site.publish(layout));
  Peer on_first = site.connect(first);
  Peer on_second = site.connect(second);
  on_first.send("\r\n\r\n");
  on_second.send("\r\n\r\n");
  site.expect(on_first, "\r\n");
  site.expect(on_second, "\r\n");

  layout.listeners = {{third}, {second}};
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  // Nobody is thrown out, not even from the listener that went.
  on_first.send("\r\n\r\n");
  on_second.send("\r\n\r\n");
  site.expect(on_first, "\r\n");
  site.expect(on_second, "\r\n");
  for (const uint16_t port : {second, third}) {
    Peer fresh = site.connect(port);
    fresh.send("\r\n\r\n");
    site.expect(fresh, "\r\n");
  }
  Peer refused = site.connect(first);
  std::string ignored;
  EXPECT_TRUE(!refused || !refused.receive(ignored));
}

TEST(Listeners, M2_LeavesMediaToTheOthers) {
  Site site;
  Layout layout;
  const uint16_t port = free_port();
  Server taken("127.0.0.1");  // as fedge-front has it
  const uint16_t media = Endpoint::parse(taken.endpoint())->port;
  layout.listeners = {{media, snapshot::Transport::tcp, "127.0.0.1", snapshot::Service::av},
                      {port}};
  ASSERT_TRUE(site.publish(layout));
  Peer peer = site.connect(port);
  peer.send("\r\n\r\n");
  site.expect(peer, "\r\n");
}

TEST(Listeners, P1_APortInUseRefusesThePublishAndTheOldOneRunsOn) {
  Site site;
  Layout layout;
  const uint16_t port = free_port();
  layout.listeners = {{port}};
  ASSERT_TRUE(site.publish(layout));
  Server taken("127.0.0.1");
  const uint16_t other = Endpoint::parse(taken.endpoint())->port;
  layout.listeners = {{other}};
  layout.generation = 2;
  const Status refused = site.publish(layout);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("listener l" + std::to_string(other)), std::string::npos);
  EXPECT_EQ(site.worker().generation()->number, 1u);
  Peer peer = site.connect(port);
  peer.send("\r\n\r\n");
  site.expect(peer, "\r\n");
}

TEST(Listeners, P1_ADamagedSectionIsRefusedWithTheReason) {
  Site site;
  Layout layout;
  layout.listeners = {{free_port()}};
  ASSERT_TRUE(site.publish(layout));
  link::Offer compiled = compile(layout);
  std::string bytes;
  const auto mapping = Mapping::read_only(compiled.fds[4].get());
  bytes = as_text(mapping->bytes());
  bytes[bytes.size() / 2] ^= 1;
  compiled.fds[4] = std::move(*make_sealed_memfd("damaged", as_bytes(bytes)));
  const auto opened = open_generation(compiled, sealing_key(), nullptr);
  ASSERT_FALSE(opened);
  EXPECT_FALSE(opened.error().text().empty());
}

TEST(Listeners, R1_ConnectionsOfOneSourceAreLimited) {
  Site site;
  Layout layout;
  const uint16_t port = free_port();
  layout.listeners = {{port}};
  layout.limits.max_connections_per_source = 2;
  ASSERT_TRUE(site.publish(layout));
  Peer first = site.connect(port);
  Peer second = site.connect(port);
  site.until([&] { return site.counter("accepted_total") == 2; }, "two connections");
  Peer third = site.connect(port);
  site.expect_closed(third);
  EXPECT_EQ(site.counter("refused_connections_total{limit=\"source\"}"), 1u);
  Peer other = site.connect(port, "127.0.0.4");
  other.send("\r\n\r\n");
  site.expect(other, "\r\n");
  first.close();
  site.until([&] { return site.counter("closed_total{reason=\"peer_closed\"}") == 1; }, "a close");
  Peer fourth = site.connect(port);
  fourth.send("\r\n\r\n");
  site.expect(fourth, "\r\n");
}

TEST(Listeners, R1_ConnectionsInAllAreLimited) {
  Site site;
  Layout layout;
  const uint16_t port = free_port();
  layout.listeners = {{port}};
  layout.limits.max_connections = 1;
  ASSERT_TRUE(site.publish(layout));
  Peer first = site.connect(port);
  site.until([&] { return site.counter("accepted_total") == 1; }, "a connection");
  Peer second = site.connect(port, "127.0.0.4");
  site.expect_closed(second);
  EXPECT_EQ(site.counter("refused_connections_total{limit=\"connections\"}"), 1u);
}

TEST(Source, R1_CountsByAddressAndForgets) {
  SourceTable table(8);
  const auto a = *IpAddress::parse("192.0.2.1");
  const auto six = *IpAddress::parse("2001:db8::1");
  const auto same_net = *IpAddress::parse("2001:db8::2:1");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(table.add(0, a));
  ASSERT_TRUE(table.add(1, a));
  ASSERT_TRUE(table.add(0, six));
  EXPECT_EQ(table.connections(0, a), 3u);
  EXPECT_EQ(table.connections(1, a), 1u);
  EXPECT_EQ(table.connections(0, same_net), 1u);
  for (int i = 0; i < 3; ++i) table.remove(0, a);
  EXPECT_EQ(table.connections(0, a), 0u);
  table.remove(0, a);
  EXPECT_EQ(table.connections(0, a), 0u);
  EXPECT_EQ(table.connections(0, six), 1u);
}

TEST(Source, R1_RefusesNewSourcesWhenFullAndSurvivesChurn) {
  SourceTable table(7);
  const auto source = [](uint32_t n) { return IpAddress::v4(0x0a000000 + n); };
  uint32_t taken = 0;
  while (table.add(0, source(taken))) ++taken;
  EXPECT_GE(taken, 7u);
  for (uint32_t round = 0; round < 1000; ++round) {
    table.remove(0, source(round));
    EXPECT_EQ(table.connections(0, source(round)), 0u);
    ASSERT_TRUE(table.add(0, source(round + taken)));
    for (uint32_t n = round + 1; n <= round + taken; ++n) {
      ASSERT_EQ(table.connections(0, source(n)), 1u);
    }
  }
}

}  // namespace
}  // namespace fedge::signal
