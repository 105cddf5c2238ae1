// Connections that a peer made carry our requests to it (RFC 5923).
#include <optional>

#include "tests/unit/signal/tls_peer.h"

namespace fedge::signal {
namespace {

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

}  // namespace
}  // namespace fedge::signal
