// Limits that a publish raises or lowers hold from then on; nothing starts again.
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class Limits : public ::testing::Test {
 protected:
  Limits() {
    layout.listeners = {{port}};
    layout.front_end.endpoints = {front_end.endpoint()};
  }
  void publish() {
    ASSERT_TRUE(site.publish(layout));
    ++layout.generation;
  }

  Server front_end{"127.0.0.2"};
  const uint16_t port = free_port();
  Layout layout;
  Site site;
};

TEST_F(Limits, R1_ALongerMessageIsTakenOnTheNextConnection) {
  publish();
  const std::string body(700'000, 'x');
  Peer before = site.connect(port);
  before.send(message(1, "ab"));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "ab");
  layout.limits.max_message = 1'000'000;
  publish();
  Peer after = site.connect(port);
  const std::string whole = message(2, body);
  size_t sent = 0;
  std::string received;
  site.until(
      [&] {
        sent += after.send_some(std::string_view(whole).substr(sent));
        fe.receive(received);
        return received.ends_with(body);
      },
      "the long message");
  // And no longer when the limit is lowered again.
  layout.limits.max_message = 65536;
  publish();
  Peer last = site.connect(port);
  last.send(message(3, std::string(70'000, 'x')));
  EXPECT_TRUE(site.expect(last, "\r\n\r\n").starts_with("SIP/2.0 513 "));
}

TEST_F(Limits, R10_MoreTransactionsAreTakenAtOnce) {
  layout.limits.max_transactions = 2;
  publish();
  Peer partner = site.connect(port);
  partner.send(message(1, "ab") + message(2, "ab") + message(3, "ab"));
  EXPECT_TRUE(site.expect(partner, "\r\n\r\n").starts_with("SIP/2.0 503 ")) << "the third";
  layout.limits.max_transactions = 5000;
  publish();
  Peer fe = site.expect_connection(front_end);
  std::string all;
  for (int i = 4; i < 1000; ++i) all += message(i, "ab");
  size_t sent = 0;
  std::string received;
  site.until(
      [&] {
        sent += partner.send_some(std::string_view(all).substr(sent));
        fe.receive(received);
        return received.find("Call-ID: call999\r\n") != std::string::npos;
      },
      "a thousand, none of which is answered");
  // Those that are there stay when fewer are allowed; new ones are refused.
  layout.limits.max_transactions = 100;
  publish();
  partner.send(message(1000, "ab"));
  EXPECT_TRUE(site.expect(partner, "\r\n\r\n").starts_with("SIP/2.0 503 "));
}

TEST_F(Limits, R1_MoreConnectionsAreTaken) {
  layout.limits.max_connections = 2;
  publish();
  std::vector<Peer> peers;
  const auto greet = [&](size_t count) {
    while (peers.size() < count) {
      peers.push_back(site.connect(port, "127.0.1." + std::to_string(peers.size() + 1)));
      peers.back().send("\r\n\r\n");
      site.expect(peers.back(), "\r\n");
    }
  };
  greet(2);
  Peer refused = site.connect(port, "127.0.2.1");
  site.expect_closed(refused);
  layout.limits.max_connections = 60;
  publish();
  greet(60);
  EXPECT_EQ(site.counter("refused_connections_total{limit=\"source\"}"), 0u);
}

}  // namespace
}  // namespace fedge::signal
