// Reading: split, glued and broken streams over plain TCP.
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class Streams : public ::testing::Test {
 protected:
  void SetUp() override { start(); }
  void start() {
    layout.listeners = {{port}};
    layout.front_end.endpoints = {front_end.endpoint()};
    ASSERT_TRUE(site.publish(layout));
    partner = site.connect(port);
  }

  Server front_end{"127.0.0.2"};
  uint16_t port = free_port();
  Layout layout;
  Site site;
  Peer partner;
};

TEST_F(Streams, R10_ForwardsBothWays) {
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  const std::string request = site.expect(fe, "\r\n\r\nhello");
  EXPECT_TRUE(request.starts_with("MESSAGE sip:alice@example.com SIP/2.0\r\n")) << request;
  fe.send(answer(request));
  const std::string response = site.expect(partner, "\r\n\r\n");
  EXPECT_TRUE(response.starts_with("SIP/2.0 200 OK\r\n")) << response;
}

TEST_F(Streams, R10_TakesAMessageOctetByOctet) {
  for (const char c : message(1)) {
    partner.send({&c, 1});
    site.loop.run_once(0ms);
  }
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "\r\n\r\nhello");
  site.worker().on_beat();
  EXPECT_EQ(site.counter("partial_messages"), 0u);
}

TEST_F(Streams, R10_TakesMessagesGluedTogether) {
  std::string glued;
  for (int i = 0; i < 50; ++i) glued += message(i);
  glued += "\r\n\r\n";
  partner.send(glued);
  Peer fe = site.expect_connection(front_end);
  std::string received;
  site.until(
      [&] {
        fe.receive(received);
        return received.find("Call-ID: call49\r\n") != std::string::npos;
      },
      "the fiftieth message");
  EXPECT_EQ(site.counter("received_messages_total"), 50u);
  EXPECT_EQ(site.counter("pings_total"), 1u);
}

TEST_F(Streams, R10_TakesALargeMessageInPieces) {
  const std::string body(60000, 'x');
  const std::string whole = message(1, body);
  for (size_t at = 0; at < whole.size(); at += 7000) {
    partner.send(std::string_view(whole).substr(at, 7000));
    site.until(
        [&] { return site.counter("received_bytes_total") >= std::min(at + 7000, whole.size()); },
        "the piece to be read");
  }
  Peer fe = site.expect_connection(front_end);
  EXPECT_NE(site.expect(fe, body).find("Call-ID: call1\r\n"), std::string::npos);
}

TEST_F(Streams, R10_AnswersTheKeepAlive) {
  partner.send("\r\n\r\n");
  EXPECT_EQ(site.expect(partner, "\r\n"), "\r\n");
}

TEST_F(Streams, R10_AnOversizedResponseCostsItsTransactionOnly) {
  partner.send(message(1) + message(2));
  Peer fe = site.expect_connection(front_end);
  std::string requests;
  site.until(
      [&] {
        fe.receive(requests);
        return requests.find("Call-ID: call2\r\n") != std::string::npos &&
               requests.ends_with("hello");
      },
      "both requests");
  const size_t second = requests.find("MESSAGE ", 1);
  std::string large = answer(requests.substr(0, second));
  const std::string_view none = "Content-Length: 0";
  large.replace(large.find(none), none.size(), "Content-Length: 300000");
  large += std::string(300000, 'x') + answer(requests.substr(second));
  size_t sent = 0;
  std::string responses;
  site.until(
      [&] {
        sent += fe.send_some(std::string_view(large).substr(sent));
        partner.receive(responses);
        return responses.find("Call-ID: call2\r\n") != std::string::npos;
      },
      "the answer behind the large one");
  EXPECT_TRUE(responses.starts_with("SIP/2.0 502 ")) << responses;
  EXPECT_NE(responses.find("SIP/2.0 200 OK"), std::string::npos);
  EXPECT_EQ(site.counter("dropped_total{what=\"oversized_response\"}"), 1u);
  partner.send(message(3));
  EXPECT_NE(site.expect(fe, "hello").find("Call-ID: call3\r\n"), std::string::npos)
      << "the same connection";
}

TEST_F(Streams, R10_AnOversizedRequestIsAnsweredAndTheNextOneTaken) {
  partner.send(message(1, std::string(70000, 'x')) + message(2));
  EXPECT_TRUE(site.expect(partner, "\r\n\r\n").starts_with("SIP/2.0 513 "));
  Peer fe = site.expect_connection(front_end);
  EXPECT_NE(site.expect(fe, "hello").find("Call-ID: call2\r\n"), std::string::npos);
}

TEST_F(Streams, R10_ClosesOnGarbage) {
  std::string garbage(100000, 'G');
  partner.send_some(garbage);
  site.expect_closed(partner);
  EXPECT_EQ(site.counter("closed_total{reason=\"malformed\"}"), 1u);
}

TEST_F(Streams, R10_AnswersAMessageWithoutContentLengthAndCloses) {
  std::string request = message(1);
  const size_t at = request.find("Content-Length");
  request.erase(at, request.find("\r\n", at) + 2 - at);
  partner.send(request);
  std::string received;
  site.until([&] { return !partner.receive(received); }, "the end of the connection");
  EXPECT_TRUE(received.starts_with("SIP/2.0 400 ")) << received;
}

TEST_F(Streams, R10_ClosesAMessageThatIsNotFinishedInTime) {
  layout.limits.partial_message_ms = 50;
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  partner.send("MESSAGE sip:a@exa");
  site.expect_closed(partner);
  EXPECT_EQ(site.counter("closed_total{reason=\"partial_timeout\"}"), 1u);
}

TEST_F(Streams, R10_ClosesAnIdleConnection) {
  layout.limits.idle_ms = 50;
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  Peer idle = site.connect(port);
  site.expect_closed(idle);
}

TEST_F(Streams, R1_RefusesAStrangerOverTcp) {
  Peer stranger = site.connect(port, "127.0.0.9");
  stranger.send(message(1));
  EXPECT_TRUE(site.expect(stranger, "\r\n\r\n").starts_with("SIP/2.0 403 "));
}

// Its answers wait with us up to the bound; what it would only add to them is not read.
TEST_F(Streams, R10_WhoDoesNotTakeAnswersIsNotReadAnyFurther) {
  layout.limits.queue_bytes = 400000;
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  std::string request = message(1);
  request.replace(request.find("alice@example.com"), 17, "alice@nowhere.net");
  std::string flood;
  while (flood.size() < 1000000) flood += request;
  size_t sent = 0;
  size_t taken_before = 1;
  Instant quiet_since = now_monotonic();
  // Until nothing moves any more.
  site.until(
      [&] {
        const size_t n = partner.send_some(std::string_view(flood).substr(sent % flood.size()));
        sent += n;
        const uint64_t taken = site.counter("received_bytes_total");
        if (taken != taken_before) quiet_since = now_monotonic();
        taken_before = taken;
        return now_monotonic() - quiet_since > 100ms;
      },
      "the worker to stop reading");
  EXPECT_EQ(site.counter("queue_full_total"), 0u);
  EXPECT_EQ(site.worker().connections().size(), 1u);
  // It reads again, and gets an answer to all that it has sent.
  size_t answers = 0;
  std::string received;
  site.until(
      [&] {
        partner.receive(received);
        for (size_t at; (at = received.find("\r\n\r\n")) != std::string::npos; ++answers) {
          received.erase(0, at + 4);
        }
        return answers == sent / request.size();
      },
      "every answer");
}

}  // namespace
}  // namespace fedge::signal
