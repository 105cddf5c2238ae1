// Connections to next hops: dialling, failing, retiring, back-pressure.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "firmware/net/socket.h"
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class Trunks : public ::testing::Test {
 protected:
  void start(std::vector<std::string> endpoints) {
    layout.listeners = {{port}};
    layout.front_end.endpoints = std::move(endpoints);
    ASSERT_TRUE(site.publish(layout));
    partner = site.connect(port);
  }
  // An address where a connection is refused.
  static std::string dead_endpoint() { return "127.0.0.2:" + std::to_string(free_port()); }

  uint16_t port = free_port();
  Layout layout;
  Site site;
  Peer partner;
};

TEST_F(Trunks, R10_OneConnectionServesAllRequests) {
  Server front_end("127.0.0.2");
  start({front_end.endpoint()});
  partner.send(message(1) + message(2));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "call2");
  partner.send(message(3));
  site.expect(fe, "call3");
  EXPECT_FALSE(front_end.accept());
  EXPECT_EQ(site.counter("dials_total{result=\"ok\"}"), 1u);
}

TEST_F(Trunks, R3_TriesTheNextAddressWhenOneRefuses) {
  Server front_end("127.0.0.2");
  start({dead_endpoint(), front_end.endpoint()});
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "call1");
  EXPECT_EQ(site.counter("dials_total{result=\"refused\"}"), 1u);
}

TEST_F(Trunks, R10_16_9_ARefusedConnectionIsAnsweredAndLaterTriedAgain) {
  const std::string endpoint = dead_endpoint();
  start({endpoint});
  partner.send(message(1));
  const std::string refusal = site.expect(partner, "\r\n\r\n");
  EXPECT_TRUE(refusal.starts_with("SIP/2.0 500 ")) << refusal;
  Server front_end("127.0.0.2", Endpoint::parse(endpoint)->port);
  // Until the hold-off is over the answer comes at once.
  Peer fe;
  int number = 2;
  site.until(
      [&] {
        partner.send(message(number++));
        site.loop.run_once(50ms);
        fe = front_end.accept();
        return static_cast<bool>(fe);
      },
      "the worker to come back");
  site.expect(fe, "MESSAGE sip:alice@example.com");
}

TEST_F(Trunks, R10_DialsAgainAfterTheNextHopClosed) {
  Server front_end("127.0.0.2");
  start({front_end.endpoint()});
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  const std::string request = site.expect(fe, "hello");
  fe.send(answer(request));
  site.expect(partner, "200 OK");
  fe.close();
  site.until([&] { return site.worker().connections().size() == 1; }, "the worker to notice");
  partner.send(message(2));
  Peer again = site.expect_connection(front_end);
  site.expect(again, "call2");
}

TEST_F(Trunks, R10_16_9_ALostConnectionFailsWhatWaitsForAnAnswer) {
  Server front_end("127.0.0.2");
  start({front_end.endpoint()});
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "hello");
  fe.close();
  const std::string refusal = site.expect(partner, "\r\n\r\n");
  EXPECT_TRUE(refusal.starts_with("SIP/2.0 500 ")) << refusal;
}

TEST_F(Trunks, P1_ARetiredNextHopGetsNothingNewAndClosesWhenAnswered) {
  Server before("127.0.0.2");
  Server after("127.0.0.2");
  start({before.endpoint()});
  partner.send(message(1));
  Peer old_fe = site.expect_connection(before);
  const std::string request = site.expect(old_fe, "hello");

  layout.front_end.endpoints = {after.endpoint()};
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  partner.send(message(2));
  Peer new_fe = site.expect_connection(after);
  site.expect(new_fe, "call2");
  std::string none;
  EXPECT_TRUE(old_fe.receive(none));
  EXPECT_EQ(none, "");
  // What is in flight is answered first.
  old_fe.send(answer(request));
  site.expect(partner, "SIP/2.0 200 OK");
  site.expect_closed(old_fe);
  EXPECT_EQ(site.counter("closed_total{reason=\"retired\"}"), 1u);
}

TEST_F(Trunks, P1_APublishThatLeavesTheNextHopLeavesItsConnection) {
  Server front_end("127.0.0.2");
  start({front_end.endpoint()});
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "call1");
  layout.generation = 2;
  layout.limits.idle_ms = 500000;
  ASSERT_TRUE(site.publish(layout));
  partner.send(message(2));
  site.expect(fe, "call2");
  EXPECT_FALSE(front_end.accept());
}

TEST_F(Trunks, P1_APublishThatTakesAnAddressAwayClosesItsConnections) {
  Server front_end("127.0.0.2");
  start({front_end.endpoint()});
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "call1");
  layout.address = "127.0.0.7/8";
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  site.expect_closed(fe);
  site.expect_closed(partner);
  EXPECT_EQ(site.counter("closed_total{reason=\"address_gone\"}"), 2u);
  partner = site.connect(port);
  partner.send(message(2));
  Peer again = site.expect_connection(front_end);
  site.expect(again, "call2");
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(::getpeername(again.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(Endpoint::from_sockaddr(address).address.text(), "127.0.0.7");
}

TEST_F(Trunks, R3_ANextHopThatGoesDarkIsGivenUpInTime) {
  Server front_end("127.0.0.2");
  const auto socket = open_connecting_socket(*IpAddress::parse("127.0.0.1"),
                                             *Endpoint::parse(front_end.endpoint()), {});
  ASSERT_TRUE(socket);
  int timeout = 0;
  socklen_t size = sizeof timeout;
  ASSERT_EQ(::getsockopt(socket->get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size), 0);
  EXPECT_EQ(timeout, 15000);
}

TEST_F(Trunks, R10_AFrontEndThatDoesNotReadHoldsBackAndIsBounded) {
  layout.limits.queue_bytes = 200000;
  layout.limits.max_transactions = 20000;
  Server front_end("127.0.0.2");
  start({front_end.endpoint()});
  partner.send(message(0));
  Peer fe = site.expect_connection(front_end);
  const std::string body(900, 'x');
  std::string stream;
  for (int i = 1; i <= 5000; ++i) stream += message(i, body);
  size_t sent = 0;
  std::string answers;
  site.until(
      [&] {
        sent += partner.send_some(std::string_view(stream).substr(sent));
        partner.receive(answers);
        return sent == stream.size() && answers.find("SIP/2.0 503 ") != std::string::npos;
      },
      "requests to be refused");
  EXPECT_GT(site.counter("held_back_total"), 0u);
  EXPECT_GT(site.counter("queue_full_total"), 0u);
  site.worker().on_beat();
  EXPECT_LT(site.counter("waiting_bytes"), 8u * 1024 * 1024);
  // The front end reads again: what was taken arrives, and new requests go through.
  std::string received;
  int number = 50000;
  site.until(
      [&] {
        fe.receive(received);
        if (received.size() > 1000000) received.erase(0, received.size() - 1000);
        partner.receive(answers);
        partner.send_some(message(number++));
        site.loop.run_once(1ms);
        return received.find("call5000") != std::string::npos;
      },
      "a request after the jam");
}

TEST(Tokens, R10_AreAListPerConnection) {
  ConnectionTable table;
  struct None final : ConnectionEvents {
    void on_connection_ready(Connection&, uint32_t) override {}
    void on_connection_due(Connection&, Instant) override {}
  } none;
  Connection* a = table.add(none);
  Connection* b = table.add(none);
  SendTokens tokens(3);
  tokens.add(*a, 11);
  tokens.add(*b, 21);
  tokens.add(*a, 12);
  EXPECT_TRUE(tokens.full());
  EXPECT_EQ(tokens.take(*a), 11u);
  EXPECT_EQ(tokens.take(*a), 12u);
  EXPECT_EQ(tokens.take(*a), 0u);
  tokens.add(*a, 13);
  EXPECT_EQ(tokens.take(*a), 13u);
  tokens.clear(*b);
  EXPECT_EQ(tokens.take(*b), 0u);
}

// Answers to a renegotiation, for one: no limit of messages counts them.
TEST(Sending, R10_BoundsWhatTlsSaysByItself) {
  ConnectionTable table;
  struct None final : ConnectionEvents {
    void on_connection_ready(Connection&, uint32_t) override {}
    void on_connection_due(Connection&, Instant) override {}
  } none;
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  const Fd never_reads(ends[1]);
  Connection& connection = *table.add(none);
  connection.socket = Fd(ends[0]);
  connection.state = ConnectionState::open;
  Output output(16u << 20);
  const std::string alert(1000, 'a');
  size_t said = 0;
  Output::Drain drain = Output::Drain::empty;
  while (drain != Output::Drain::failed && said < (8u << 20)) {
    output.append(as_bytes(alert));
    drain = output.send_sunk(connection, now_monotonic());
    said += alert.size();
  }
  EXPECT_EQ(drain, Output::Drain::failed);
  EXPECT_LE(Output::waiting(connection), 256u * 1024);
  output.release(connection);
}

TEST(Table, R10_NeverNamesTwoConnectionsAlike) {
  ConnectionTable table;
  struct None final : ConnectionEvents {
    void on_connection_ready(Connection&, uint32_t) override {}
    void on_connection_due(Connection&, Instant) override {}
  } none;
  Connection* first = table.add(none);
  const sip::ConnectionId id = first->id;
  EXPECT_EQ(table.find(id), first);
  table.remove(*first);
  EXPECT_EQ(table.find(id), nullptr);
  Connection* second = table.add(none);
  EXPECT_EQ(second, first);
  EXPECT_NE(second->id, id);
  EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.find(0), nullptr);
}

TEST(Queue, R10_TakesAllOrNothing) {
  BufferPool pool(100, 3);
  SendQueue queue;
  const std::string text(250, 'a');
  ASSERT_TRUE(queue.append(pool, as_bytes(text)));
  EXPECT_FALSE(queue.append(pool, as_bytes(std::string(300, 'b'))));
  EXPECT_EQ(queue.size(), 250u);
  std::string out;
  while (!queue.empty()) {
    const Bytes front = queue.front();
    const size_t n = std::min<size_t>(front.size(), 7);
    out += as_text(front.first(n));
    queue.consume(pool, n);
  }
  EXPECT_EQ(out, text);
  EXPECT_EQ(pool.in_use(), 0u);
}

}  // namespace
}  // namespace fedge::signal
