// T4: what a partner may name by Route, and how we know that we gave it the name.
#include "dataplane/sip/next_hops.h"
#include "dataplane/sip/route_mac.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {

TEST(RouteMacTest, T4_HoldsForItsNextHopAndItsDialogOnly) {
  RouteMac mac(as_bytes(kRouteKey));
  RouteMacText room;
  const std::string text(mac.write(7, "call-1", room));
  EXPECT_EQ(text.size(), kRouteMacSize);
  EXPECT_TRUE(mac.verify(7, "call-1", text));
  EXPECT_FALSE(mac.verify(8, "call-1", text));
  EXPECT_FALSE(mac.verify(7, "call-2", text));
  EXPECT_FALSE(mac.verify(7, "call-1", ""));
  EXPECT_FALSE(mac.verify(7, "call-1", text.substr(1)));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_FALSE(mac.verify(7, "call-1", changed)) << i;
  }
  EXPECT_TRUE(RouteMac(as_bytes(kRouteKey)).verify(7, "call-1", text));
  EXPECT_FALSE(RouteMac(as_bytes("another key")).verify(7, "call-1", text));
}

class RecordRoute : public World {
 public:
  // A subscription of the partner's at the first front end; its route set is `in` and `out`.
  void subscribe() {
    RequestText request;
    request.method = "SUBSCRIBE";
    receive(from_partner(), request);
    Taken sent = take_request(fe1, Method::subscribe);
    out = value_of(sent.message(), HeaderId::record_route, 0);
    in = value_of(sent.message(), HeaderId::record_route, 1);
    respond(sent, 200);
    take_response(kFromPartner, 200);
  }
  // What the partner sends inside the dialog, to a Contact that no snapshot knows.
  RequestText refresh() const {
    RequestText request;
    request.method = "SUBSCRIBE";
    request.branch = "z9hG4bK-" + std::to_string(++branches_);
    request.uri = "sip:bob@10.2.9.9";
    request.to = "<sip:bob@example.com>;tag=b1";
    request.headers = "Route: " + in + ", " + out + "\r\nMax-Forwards: 70\r\n";
    return request;
  }
  void expect_refused(const RequestText& request) {
    receive(from_partner(), request);
    take_response(kFromPartner, 403);
    EXPECT_TRUE(outbound.empty());
  }
  static std::string with(std::string text, std::string_view old, std::string_view now) {
    const size_t at = text.find(old);
    EXPECT_NE(at, text.npos) << text;
    return text.replace(at, old.size(), now);
  }
  std::string in;
  std::string out;

 private:
  mutable int branches_ = 0;
};

TEST_F(RecordRoute, T4_AProcessThatStartsAgainKnowsWhatItWrote) {
  subscribe();
  const std::string text = refresh().text();
  Proxy restarted({64, 65536}, wheel, outbound, counters, 0x1234, 0, as_bytes(kRouteKey));
  restarted.use(sections.view(), now);
  const auto message = std::make_unique<Message>();
  ASSERT_EQ(parse(text, *message), Defect::none);
  restarted.on_message(from_partner(), *message, now);
  take_request(fe1, Method::subscribe);
  // With another sealing key it is lost: the request is looked up, and the Contact is not ours.
  Proxy other({64, 65536}, wheel, outbound, counters, 0x1234, 0, as_bytes("another key"));
  other.use(sections.view(), now);
  other.on_message(from_partner(), *message, now);
  take_response(kFromPartner, 403);
}

TEST_F(RecordRoute, T4_AForgedRouteChoosesNothing) {
  subscribe();
  receive(from_partner(), refresh());
  take_request(fe1, Method::subscribe);
  const NextHops hops(sections.routing(), *sections.view().realms);
  char fe2_key[9];
  std::snprintf(fe2_key, sizeof fe2_key, "%08x", hops.key(fe2));
  const std::string right = out;
  const size_t key = right.find("nh=") + 3;
  // Another of our systems, with the MAC of this one; this one without; nothing but a host.
  std::string forged = right;
  out = forged.replace(key, 8, fe2_key);
  expect_refused(refresh());
  out = with(right, right.substr(key + 8, 1 + kRouteMacSize), "");
  expect_refused(refresh());
  out = with(right, right.substr(key + 8, 1 + kRouteMacSize), "." + std::string(24, '0'));
  expect_refused(refresh());
  out = "<sip:10.2.0.1:5061;lr>, <sip:fe2.example.com;lr>";
  expect_refused(refresh());
  // The right one in another dialog, and before any.
  out = right;
  RequestText request = refresh();
  request.call_id = "call-2";
  expect_refused(request);
  request = refresh();
  request.to = "<sip:bob@example.com>";
  expect_refused(request);
}

TEST_F(RecordRoute, T4_ARouteBehindOursChoosesNothingEither) {
  subscribe();
  out += ", <sip:fe2.example.com;lr>";
  receive(from_partner(), refresh());
  Taken sent = take_request(fe1, Method::subscribe);
  EXPECT_EQ(value_of(sent.message(), HeaderId::route), "<sip:fe2.example.com;lr>");
}

TEST_F(RecordRoute, T4_TheLookUpDecidesWhenTheRouteIsForged) {
  subscribe();
  out = "<sip:10.2.0.1:5061;lr>, <sip:fe2.example.com;lr>";
  RequestText request = refresh();
  request.uri = "sip:bob@example.com";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::subscribe);
  EXPECT_EQ(count_of(sent.message(), HeaderId::route), 0u);
}

TEST_F(RecordRoute, T4_TheNextTargetGetsAMacOfItsOwn) {
  outbound.outcomes[fe1] = SendOutcome::queued;
  RequestText request;
  request.method = "SUBSCRIBE";
  receive(from_partner(), request);
  Taken first = take_request(fe1, Method::subscribe);
  proxy.on_send_failed(first.token, SendFailure::connect_refused, now);
  Taken sent = take_request(fe2, Method::subscribe);
  out = value_of(sent.message(), HeaderId::record_route, 0);
  in = value_of(sent.message(), HeaderId::record_route, 1);
  receive(from_partner(), refresh());
  take_request(fe2, Method::subscribe);
}

TEST_F(RecordRoute, T4_ADialogThatWeStartedLeadsBackToItsSystem) {
  RequestText request;
  request.method = "SUBSCRIBE";
  request.uri = "sip:alice@partner.example";
  request.from = "<sip:bob@example.com>;tag=b1";
  request.to = "<sip:alice@partner.example>";
  receive(from_fe2(), request);
  Taken sent = take_request(partner_edge, Method::subscribe);
  RequestText notify;
  notify.method = "NOTIFY";
  notify.branch = "z9hG4bK-n";
  notify.uri = "sip:bob@10.2.9.9";
  notify.to = "<sip:bob@example.com>;tag=b1";
  notify.headers = "Route: " + value_of(sent.message(), HeaderId::record_route, 0) + "," +
                   value_of(sent.message(), HeaderId::record_route, 1) + "\r\n";
  receive(from_partner(), notify);
  take_request(fe2, Method::notify);
}

TEST_F(RecordRoute, T4_OurOwnSystemsNeedNoMac) {
  RequestText request;
  request.method = "SUBSCRIBE";
  receive(from_fe1(), request);
  Taken sent = take_request(fe2, Method::subscribe);
  for (const size_t side : {0u, 1u}) {
    EXPECT_EQ(value_of(sent.message(), HeaderId::record_route, side).find('.', 20),
              std::string::npos);
  }
}

// A hosting provider's edge speaks for each of its domains, and for no other.
TEST_F(RecordRoute, T4_APartnersSecondDomainPasses) {
  RequestText request;
  request.from = "<sip:alice@second.example>;tag=1";
  receive(from_partner(), request);
  take_request(fe1, Method::message);
  request.branch = "z9hG4bK-2";
  request.from = "<sip:alice@sub.second.example>;tag=1";
  receive(from_partner(), request);
  take_response(kFromPartner, 403);
}

}  // namespace fedge::sip
