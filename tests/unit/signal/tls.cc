// TLS: mutual authentication in and out, handshake limits, contexts over a publish.
#include <optional>

#include "tests/unit/pki/authority.h"
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

// Made once: certificates are slow.
struct Certificates {
  pki::Authority authority{"Test CA"};
  pki::Authority::Pair edge = authority.issue("sip.example.com", "DNS:sip.example.com");
  pki::Authority::Pair front_end = authority.issue("fe1.example.com", "DNS:fe1.example.com");
  pki::Authority::Pair partner = authority.issue("sip.partner.example", "DNS:sip.partner.example");
  pki::Authority::Pair stranger = authority.issue("who.example", "DNS:who.example");
};
const Certificates& certificates() {
  static const Certificates made;
  return made;
}

// The other end of a TLS connection: the library's stream over the test's socket.
class TlsPeer final : public pki::CipherSink {
 public:
  TlsPeer(Peer peer, const pki::Authority::Pair& pair, pki::TlsRole role,
          const std::string& server_name)
      : peer_(std::move(peer)) {
    Layout layout;
    layout.chain = pair.chain;
    layout.key = pair.key;
    layout.trust = certificates().authority.certificate();
    const Compiled compiled = compile(layout);
    auto generation = open_generation(compiled.offer, compiled.fds, sealing_key(), nullptr);
    EXPECT_TRUE(generation) << generation.error().text();
    stream_ =
        std::move(*pki::TlsStream::make((*generation)->contexts[0], role, server_name, now_wall()));
    if (role == pki::TlsRole::client) stream_->start(*this);
  }

  void append(Bytes ciphertext) override { peer_.send(as_text(ciphertext)); }
  // Moves the handshake on and decrypts; false when the connection has ended.
  bool receive(std::string& into) {
    std::string cipher;
    const bool open = peer_.receive(cipher);
    Bytes left = as_bytes(cipher);
    std::vector<std::byte> plain(65536);
    while (!left.empty()) {
      const auto progress = stream_->receive(left, plain, *this);
      into += as_text(Bytes(plain).first(progress.produced));
      left = left.subspan(progress.consumed);
      if (progress.state == pki::TlsState::failed || progress.state == pki::TlsState::closed) {
        return false;
      }
    }
    return open;
  }
  bool is_open() {
    receive(received);
    return stream_->state() == pki::TlsState::open;
  }
  void send(std::string_view text) { EXPECT_TRUE(stream_->send(as_bytes(text), *this)); }

  std::string received;

 private:
  Peer peer_;
  std::unique_ptr<pki::TlsStream> stream_;
};

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    layout.chain = certificates().edge.chain;
    layout.key = certificates().edge.key;
    layout.trust = certificates().authority.certificate();
    layout.listeners = {{port, Transport::tls}};
    layout.front_end = {"fe1.example.com", {front_end.endpoint()}, Transport::tls};
    layout.partner = {"sip.partner.example", {"127.0.0.3:9"}, Transport::tls};
  }
  TlsPeer connect(const pki::Authority::Pair& pair) {
    TlsPeer peer(site.connect(port), pair, pki::TlsRole::client, "sip.example.com");
    site.until([&] { return peer.is_open(); }, "the TLS handshake");
    return peer;
  }
  std::string expect(TlsPeer& peer, std::string_view text) {
    site.until(
        [&] {
          peer.receive(peer.received);
          return peer.received.find(text) != std::string::npos;
        },
        std::string(text).c_str());
    return peer.received;
  }

  Server front_end{"127.0.0.2"};
  uint16_t port = free_port();
  Layout layout;
  Site site;
};

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

// The partner's edge, which cannot be dialled: its address in the layout is dead.
class Aliases : public Tls {
 protected:
  // A request from the partner whose Via carries `parameter`.
  static std::string from_partner(int number, const std::string& parameter = ";alias") {
    std::string text = message(number);
    text.insert(text.find(";branch"), parameter);
    return text;
  }
  static std::string from_inside(int number) {
    std::string text = message(number);
    for (const auto& [from, to] :
         {std::pair{"sip:alice@example.com", "sip:bob@partner.example"},
          std::pair{"From: <sip:bob@partner.example>", "From: <sip:alice@example.com>"}}) {
      text.replace(text.find(from), std::string_view(from).size(), to);
    }
    return text;
  }
  // The partner sends a request that is answered by the front end, which then sends one back.
  void exchange(TlsPeer& partner, const std::string& request) {
    partner.send(request);
    if (!fe) {
      fe.emplace(site.expect_connection(front_end), certificates().front_end, pki::TlsRole::server,
                 "");
    }
    const std::string arrived = expect(*fe, "hello");
    fe->received.clear();
    fe->send(answer(arrived));
    expect(partner, "SIP/2.0 200 OK");
    partner.received.clear();
    fe->send(from_inside(90));
  }
  std::optional<TlsPeer> fe;
};

TEST_F(Aliases, R10_5923_AConnectionThatThePeerMadeCarriesRequestsBack) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  exchange(partner, from_partner(1));
  const std::string back = expect(partner, "hello");
  EXPECT_TRUE(back.starts_with("MESSAGE sip:bob@partner.example")) << back;
  EXPECT_NE(back.find(";alias;branch="), std::string::npos) << "we take requests back too";
  partner.send(answer(back));
  // Also shows that a request is taken on the connection that we dialled.
  expect(*fe, "SIP/2.0 200 OK");
  EXPECT_EQ(site.counter("dials_total{result=\"ok\"}"), 1u) << "to the front end only";
}

TEST_F(Aliases, R10_5923_NotWithoutTheParameter) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  exchange(partner, from_partner(1, ""));
  EXPECT_TRUE(expect(*fe, "\r\n\r\n").starts_with("SIP/2.0 5"));
  partner.receive(partner.received);
  EXPECT_EQ(partner.received, "");
}

// Two edges with certificates of one authority: each carries its own requests only.
TEST_F(Aliases, R10_5923_OnlyForTheAuthenticatedName) {
  layout.partner.host = "who.example";  // federates for partner.example from now on
  ASSERT_TRUE(site.publish(layout));
  TlsPeer other = connect(certificates().partner);
  other.send(from_partner(1));
  EXPECT_TRUE(expect(other, "\r\n\r\n").starts_with("SIP/2.0 403 "));
  other.received.clear();
  TlsPeer partner = connect(certificates().stranger);
  exchange(partner, from_partner(2));
  EXPECT_TRUE(expect(partner, "hello").starts_with("MESSAGE "));
  other.receive(other.received);
  EXPECT_EQ(other.received, "");
}

TEST_F(Aliases, R10_5923_EndsWhenAPublishSaysWhoThePeerIs) {
  ASSERT_TRUE(site.publish(layout));
  TlsPeer partner = connect(certificates().partner);
  exchange(partner, from_partner(1));
  partner.send(answer(expect(partner, "hello")));
  expect(*fe, "SIP/2.0 200 OK");
  fe->received.clear();
  partner.received.clear();
  layout.partner.host = "who.example";
  layout.generation = 2;
  ASSERT_TRUE(site.publish(layout));
  fe->send(from_inside(91));
  EXPECT_TRUE(expect(*fe, "\r\n\r\n").starts_with("SIP/2.0 5"));
  partner.receive(partner.received);
  EXPECT_EQ(partner.received, "");
}

TEST_F(Aliases, R10_5923_EndsWithItsConnection) {
  ASSERT_TRUE(site.publish(layout));
  {
    TlsPeer partner = connect(certificates().partner);
    exchange(partner, from_partner(1));
    partner.send(answer(expect(partner, "hello")));
    expect(*fe, "SIP/2.0 200 OK");
  }
  site.until([&] { return site.worker().connections().size() == 1; }, "the worker to notice");
  fe->received.clear();
  fe->send(from_inside(91));
  EXPECT_TRUE(expect(*fe, "\r\n\r\n").starts_with("SIP/2.0 5"));
}

// Found by SRV: any host of the domain is the partner, but an alias is one that SRV names.
TEST_F(Aliases, R10_5923_ForHostsThatSrvNames) {
  layout.partner = {"partner.example", {}, Transport::tls, snapshot::Lookup::srv, 5061};
  layout.partner_peer = "*.partner.example";
  ASSERT_TRUE(site.publish(layout));
  const Generation& g = *site.worker().generation();
  const auto tell = [&](const std::string& host) {
    site.worker().on_found(std::make_shared<const Found>(
        Found{name_of(g, g.next_hops()[1]), {{*Endpoint::parse("127.0.0.3:9"), host, 10, 1}}, ""}));
  };
  TlsPeer partner = connect(certificates().partner);
  exchange(partner, from_partner(1));
  site.until([&] { return site.worker().connections().size() == 3; }, "a connection that waits");
  tell("other.partner.example");
  EXPECT_TRUE(expect(*fe, "\r\n\r\n").starts_with("SIP/2.0 5"));
  fe->received.clear();
  tell("sip.partner.example");
  exchange(partner, from_partner(2));
  EXPECT_TRUE(expect(partner, "hello").starts_with("MESSAGE "));
  // And no longer than it does.
  tell("other.partner.example");
  fe->received.clear();
  fe->send(from_inside(92));
  EXPECT_TRUE(expect(*fe, "\r\n\r\n").starts_with("SIP/2.0 5"));
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

TEST_F(Tls, R1_WhenAllHandshakesAreTakenSilentOnesMakeRoom) {
  layout.limits.max_handshakes = 2;
  layout.limits.handshake_ms = 60000;
  ASSERT_TRUE(site.publish(layout));
  Peer first = site.connect(port, "127.0.0.9");
  Peer second = site.connect(port, "127.0.0.9");
  site.until([&] { return site.counter("accepted_total") == 2; }, "two handshakes");
  // Waits in the kernel's queue, then gets through.
  TlsPeer partner = connect(certificates().partner);
  partner.send("\r\n\r\n");
  expect(partner, "\r\n");
  EXPECT_GE(site.counter("closed_total{reason=\"handshake_timeout\"}"), 1u);
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
  Compiled first = compile(layout);
  auto one = open_generation(first.offer, first.fds, sealing_key(), nullptr);
  ASSERT_TRUE(one);
  // The key section of the first: sealing anew gives other bytes.
  layout.generation = 2;
  Compiled second = compile(layout);
  second.offer.sections.back() = first.offer.sections.back();
  auto two = open_generation(second.offer, second.fds, sealing_key(), one->get());
  ASSERT_TRUE(two);
  EXPECT_EQ((*one)->contexts, (*two)->contexts);
  Compiled third = compile(layout);
  auto three = open_generation(third.offer, third.fds, sealing_key(), two->get());
  ASSERT_TRUE(three);
  EXPECT_NE((*one)->contexts, (*three)->contexts);
}

TEST_F(Tls, C6_KeysSealedForSomebodyElseAreRefused) {
  Compiled compiled = compile(layout);
  const pki::Secret other(as_bytes("another key, also 32 octets long"));
  const auto opened = open_generation(compiled.offer, compiled.fds, other, nullptr);
  ASSERT_FALSE(opened);
}

}  // namespace
}  // namespace fedge::signal
