// TLS: mutual authentication in and out, handshake limits, contexts over a publish.
#include "tests/unit/signal/tls_peer.h"

namespace fedge::signal {
namespace {

TEST_F(Tls, R1_ForwardsOverMutualTlsBothWays) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  partner.send(message(1) + message(2));
  TlsPeer fe(site.expect_connection(front_end), certificates().front_end, pki::TlsRole::server, "");
  const std::string both = expect(fe, "call2");
  fe.send(answer(both.substr(0, both.find("hello"))));
  EXPECT_TRUE(expect(partner, "\r\n\r\n").starts_with("SIP/2.0 200 OK\r\n"));
  EXPECT_EQ(site.counter("handshakes_total{result=\"ok\"}"), 2u);
}

TEST_F(Tls, R1_ACertificateThatNamesNobodyIsAStranger) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer stranger = connect(certificates().stranger);
  stranger.send(message(1));
  EXPECT_TRUE(expect(stranger, "\r\n\r\n").starts_with("SIP/2.0 403 "));
}

TEST_F(Tls, P1_APublishThatNamesThePeerTurnsAStrangerIntoAPartner) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer peer = connect(certificates().stranger);
  peer.send(message(1));
  expect(peer, "SIP/2.0 403 ");
  layout.partner.host = "who.example";
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  peer.send(message(2));
  TlsPeer fe(site.expect_connection(front_end), certificates().front_end, pki::TlsRole::server, "");
  expect(fe, "call2");
}

TEST_F(Tls, T2_TheNextHopsNameIsRequiredInItsCertificate) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  partner.send(message(1));
  TlsPeer fe(site.expect_connection(front_end), certificates().stranger, pki::TlsRole::server, "");
  site.until(
      [&] {
        fe.receive(fe.received);
        partner.receive(partner.received);
        return !partner.received.empty();
      },
      "an answer");
  EXPECT_TRUE(partner.received.starts_with("SIP/2.0 500 ")) << partner.received;
  EXPECT_EQ(fe.received, "");
  EXPECT_EQ(site.counter("dials_total{result=\"handshake_failed\"}"), 1u);
}

TEST_F(Tls, R3_ANextHopThatDoesNotFinishItsHandshakeFailsInTime) {
  layout.limits.connect_ms = 50;
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  partner.send(message(1));
  Peer silent = site.expect_connection(front_end);
  EXPECT_TRUE(expect(partner, "\r\n\r\n").starts_with("SIP/2.0 500 "));
  site.expect_closed(silent);
  EXPECT_EQ(site.counter("dials_total{result=\"timed_out\"}"), 1u);
}

// As a load balancer without servers does: the one attempt that a forgotten session deserves is
// not one attempt after another.
TEST_F(Tls, R3_ANextHopThatHangsUpOnAnOfferedSessionIsTriedOnceMoreAndFails) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  partner.send(message(1));
  {
    TlsPeer fe(site.expect_connection(front_end), certificates().front_end, pki::TlsRole::server,
               "");
    const std::string request = expect(fe, "call1");
    fe.send(answer(request));
    expect(partner, "SIP/2.0 200 OK");
  }
  site.until([&] { return site.worker().connections().size() == 1; }, "the worker to notice");
  partner.received.clear();
  partner.send(message(2));
  int connections = 0;
  site.until(
      [&] {
        if (front_end.accept()) ++connections;  // and closes it
        partner.receive(partner.received);
        return !partner.received.empty() || connections > 10;
      },
      "an answer");
  EXPECT_TRUE(partner.received.starts_with("SIP/2.0 500 ")) << partner.received;
  EXPECT_EQ(connections, 2);
  EXPECT_EQ(site.counter("dials_total{result=\"handshake_failed\"}"), 1u);
}

TEST_F(Tls, R1_AHandshakeThatDoesNotEndIsClosed) {
  layout.limits.handshake_ms = 50;
  ASSERT_TRUE(site.publish(layout));
  Peer silent = site.connect(port);
  site.expect_closed(silent);
  EXPECT_EQ(site.counter("closed_total{reason=\"handshake_timeout\"}"), 1u);
}

TEST_F(Tls, T7_WhoSaysNothingTakesNoHandshake) {
  layout.limits.max_handshakes = 1;
  layout.limits.handshake_ms = 60000;
  ASSERT_TRUE(site.publish(layout));
  std::vector<Peer> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(site.connect(port, "127.0.0.9"));
  site.until([&] { return site.counter("accepted_total") == 20; }, "the silent ones");
  TlsPeer partner = connect(certificates().partner);
  partner.send("\r\n\r\n");
  expect(partner, "\r\n");
  EXPECT_EQ(site.counter("closed_total{reason=\"handshake_timeout\"}"), 0u);
}

TEST_F(Tls, T7_WhoSaysNothingMakesRoomForAConnection) {
  layout.limits.max_connections = 2;
  ASSERT_TRUE(site.publish(layout));
  Peer first = site.connect(port, "127.0.0.9");
  site.until([&] { return site.counter("accepted_total") == 1; }, "the first");
  Peer second = site.connect(port, "127.0.0.9");
  site.until([&] { return site.counter("accepted_total") == 2; }, "the second");
  TlsPeer partner = connect(certificates().partner);
  site.expect_closed(first);
  partner.send("\r\n\r\n");
  expect(partner, "\r\n");
}

TEST_F(Tls, T7_ABusySourceGivesWayToANewcomer) {
  layout.limits.max_handshakes = 4;
  layout.limits.handshake_ms = 60000;
  ASSERT_TRUE(site.publish(layout));
  std::vector<Peer> flood;
  for (uint64_t i = 1; i <= 12; ++i) {
    flood.push_back(site.connect(port, "127.0.0.9"));
    flood.back().send("\x16\x03\x01\x02");  // begins, and says no more
    site.until([&] { return site.counter("accepted_total") == i; }, "one more of them");
  }
  site.until([&] { return site.counter("received_bytes_total") == 16; }, "four beginnings");
  const Instant start = site.loop.now();
  TlsPeer partner = connect(certificates().partner);
  partner.send("\r\n\r\n");
  expect(partner, "\r\n");
  EXPECT_GE(site.counter("closed_total{reason=\"handshake_timeout\"}"), 1u);
  EXPECT_LT(site.loop.now() - start, 900ms) << "not by the clean-up of each second";
}

TEST_F(Tls, R1_WhenAllHandshakesAreTakenOnesThatFellSilentMakeRoom) {
  layout.limits.max_handshakes = 1;
  layout.limits.handshake_ms = 60000;
  ASSERT_TRUE(site.publish(layout));
  Peer first = site.connect(port, "127.0.0.9");
  first.send("\x16\x03\x01\x02");  // begins, and says no more
  site.until([&] { return site.counter("received_bytes_total") == 4; }, "the beginning");
  TlsPeer partner = connect(certificates().partner);
  site.expect_closed(first);
}

TEST_F(Tls, R1_GarbageInsteadOfAHandshakeIsClosed) {
  ASSERT_TRUE(site.publish(layout));
  Peer peer = site.connect(port);
  peer.send("GET / HTTP/1.1\r\n\r\n");
  site.expect_closed(peer);
  EXPECT_EQ(site.counter("closed_total{reason=\"handshake_failed\"}"), 1u);
}

TEST_F(Tls, C3_ContextsStayWhileTlsAndKeysDo) {
  link::Offer first = compile(layout);
  auto one = open_generation(first, sealing_key(), nullptr);
  ASSERT_TRUE(one);
  // The key section of the first: sealing anew gives other bytes.
  layout.generation = 2;
  link::Offer second = compile(layout);
  second.message.sections.back() = first.message.sections.back();
  auto two = open_generation(second, sealing_key(), one->get());
  ASSERT_TRUE(two);
  EXPECT_EQ((*one)->contexts, (*two)->contexts);
  link::Offer third = compile(layout);
  auto three = open_generation(third, sealing_key(), two->get());
  ASSERT_TRUE(three);
  EXPECT_NE((*one)->contexts, (*three)->contexts);
}

TEST_F(Tls, C6_KeysSealedForSomebodyElseAreRefused) {
  link::Offer compiled = compile(layout);
  const pki::Secret other(as_bytes("another key, also 32 octets long"));
  const auto opened = open_generation(compiled, other, nullptr);
  ASSERT_FALSE(opened);
}

}  // namespace
}  // namespace fedge::signal
