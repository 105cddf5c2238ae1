// Where a request may go: the decision by itself, targets by weight, dialogs, strict routes.
#include <set>

#include "dataplane/sip/decision.h"
#include "dataplane/sip/next_hops.h"
#include "dataplane/sip/targets.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {

namespace {

const PeerFacts kPartner{PeerKind::partner, "sip.partner.example", "partner.example", partner_edge};
const PeerFacts kFrontEnd{PeerKind::inside, "fe1.example.com", {}, fe1};

Rule rule(const Sections& s, const PeerFacts& peer, const char* from, const char* user,
          const char* host, Method method = Method::message) {
  return decide(s.routing(), peer, method, {"u", from}, {user, host}).rule;
}

}  // namespace

TEST(Decision, R5_PartnersReachOurDomainsOnly) {
  const Sections s;
  EXPECT_EQ(rule(s, kPartner, "partner.example", "bob", "Example.COM"), Rule::route);
  EXPECT_EQ(rule(s, kPartner, "partner.example", "x", "imp.example.com"), Rule::route);
  EXPECT_EQ(rule(s, kPartner, "partner.example", "bob", "other.example"), Rule::not_ours);
  EXPECT_EQ(rule(s, kPartner, "partner.example", "bob", "nowhere.example"), Rule::not_ours);
  EXPECT_EQ(rule(s, kPartner, "elsewhere.example", "bob", "example.com"), Rule::partner_domain);
  EXPECT_EQ(rule(s, {}, "partner.example", "bob", "example.com"), Rule::stranger);
}

TEST(Decision, R2_InsideReachesPartnersAndStaticRoutes) {
  const Sections s;
  const Decision d = decide(s.routing(), kFrontEnd, Method::message, {"bob", "example.com"},
                            {"alice", "partner.example"});
  EXPECT_TRUE(d.forward());
  EXPECT_EQ(s.routing().text(d.route->pattern), "partner.example");
  EXPECT_EQ(rule(s, kFrontEnd, "example.com", "x", "imp.example.com"), Rule::route);
  EXPECT_EQ(rule(s, kFrontEnd, "example.com", "x", "nowhere.example"), Rule::no_route);
}

TEST(Decision, R5_FederationOff) {
  const Sections s(WorldOptions{.federation = 0});
  EXPECT_EQ(rule(s, kPartner, "partner.example", "bob", "example.com"), Rule::federation_off);
  EXPECT_EQ(rule(s, kFrontEnd, "example.com", "a", "partner.example"), Rule::federation_off);
  EXPECT_EQ(rule(s, kFrontEnd, "example.com", "a", "imp.example.com"), Rule::route);
}

TEST(Decision, R7_NotBackToWhereItCameFrom) {
  const Sections s;
  const PeerFacts from_imp{PeerKind::inside, "imp.example.com", {}, imp};
  EXPECT_EQ(rule(s, from_imp, "example.com", "carol", "example.com"), Rule::came_from_there);
  EXPECT_EQ(rule(s, from_imp, "example.com", "bob", "example.com"), Rule::route);
  EXPECT_EQ(status_of(Rule::came_from_there), 482);
}

TEST(Decision, R10_NegotiateFirst) {
  const Sections s;
  EXPECT_EQ(rule(s, {}, "a", "b", "c", Method::negotiate), Rule::negotiate);
  EXPECT_EQ(status_of(Rule::negotiate), 405);
}

TEST(Targets, R2_LowestPriorityThenWeight) {
  const Sections s;
  const NextHops hops(s.routing(), *s.view().realms);
  const std::vector<snapshot::Target> targets = {{fe1, 1, 3}, {fe2, 1, 1}, {imp, 2, 1}};
  TimerWheel wheel{Instant{}};
  FakeAsker asker;
  Health health(wheel, asker, 1, 0);
  health.use(s.routing(), hops, {}, Instant{});
  std::map<uint32_t, int> picks;
  for (uint64_t i = 0; i < 4000; ++i) {
    ++picks[pick_target(targets, hops, health, {}, i * 2654435761u)];
  }
  EXPECT_NEAR(picks[fe1], 3000, 200);
  EXPECT_NEAR(picks[fe2], 1000, 200);
  EXPECT_EQ(picks.count(imp), 0u);
  std::vector<uint32_t> excluded = {hops.key(fe1), hops.key(fe2)};
  EXPECT_EQ(pick_target(targets, hops, health, excluded, 7), imp);
  excluded.push_back(hops.key(imp));
  EXPECT_EQ(pick_target(targets, hops, health, excluded, 7), kNoNextHop);
}

TEST(Targets, R3_WhatIsDownIsPickedOnlyWhenNothingElseIsLeft) {
  const Sections s;
  const NextHops hops(s.routing(), *s.view().realms);
  const std::vector<snapshot::Target> targets = {{fe1, 1, 3}, {fe2, 1, 1}, {imp, 2, 1}};
  TimerWheel wheel{Instant{}};
  FakeAsker asker;
  Health health(wheel, asker, 1, 0);
  health.use(s.routing(), hops, {}, Instant{});
  const Instant now = Instant{} + 1h;
  const auto pick = [&](const std::vector<uint32_t>& excluded = {}) {
    return pick_target(targets, hops, health, excluded, 1);
  };
  EXPECT_EQ(pick(), fe1);
  health.on_failure(fe1, HopFailure::refused, now, now);
  EXPECT_EQ(pick(), fe2);  // of the same priority
  health.on_failure(fe2, HopFailure::refused, now, now);
  EXPECT_EQ(pick(), imp);  // of a later one
  EXPECT_EQ(pick({hops.key(imp)}), fe1);
  health.on_failure(imp, HopFailure::refused, now, now);
  EXPECT_EQ(pick(), fe1);  // all down: in order, as if up
  EXPECT_EQ(pick({hops.key(fe1)}), fe2);
}

TEST(NextHopIndex, R10_FindsByNameAddressAndKey) {
  const Sections s;
  const NextHops hops(s.routing(), *s.view().realms);
  EXPECT_EQ(hops.find_host("FE2.example.com", 0), fe2);
  EXPECT_EQ(hops.find_host("10.2.0.20", 5060), imp);
  EXPECT_EQ(hops.find_host("10.2.0.20", 9999), imp);
  EXPECT_EQ(hops.find_host("2001:DB8:2:0::11", 5061), fe6);
  EXPECT_EQ(hops.find_host("fe9.example.com", 0), kNoNextHop);
  std::set<uint32_t> keys;
  for (uint32_t i = fe1; i <= fe6; ++i) {
    EXPECT_EQ(hops.find_key(hops.key(i)), i);
    keys.insert(hops.key(i));
  }
  EXPECT_EQ(keys.size(), 6u);
  EXPECT_EQ(hops.find_key(0), kNoNextHop);
  EXPECT_TRUE(hops.is_partner(partner_edge));
  EXPECT_FALSE(hops.is_partner(fe1));
}

TEST(NextHopIndex, B6_RealmsThatShareASubnetAreToldApartByTheKey) {
  snapshot::Writer w(snapshot::Kind::routing);
  const auto hop = [&](const char* host, uint16_t realm) {
    return snapshot::NextHop{w.text(host), w.slice<Endpoint>({*Endpoint::parse("10.1.0.2:5061")}),
                             realm, 0, snapshot::Transport::tls};
  };
  const auto list =
      w.slice<snapshot::NextHop>({hop("a.example.com", kInside), hop("b.example.com", kOutside)});
  const std::string bytes = w.finish(snapshot::Routing{list, {}, {}, {}, 1});
  const auto routing = snapshot::Section<snapshot::Routing>::open(as_bytes(bytes));
  ASSERT_TRUE(routing) << routing.error().text();
  const Sections s;
  const NextHops hops(*routing, *s.view().realms);
  EXPECT_EQ(hops.find_host("10.1.0.2", 5061), 0u);
  EXPECT_EQ(hops.find_host("10.1.0.2", 5061, 0), 0u);
  EXPECT_EQ(hops.find_host("10.1.0.2", 5061, 1), 1u);
  EXPECT_EQ(hops.find_host("10.1.0.2", 0, hops.find_key(hops.key(1))), 1u);
  EXPECT_EQ(hops.find_host("10.1.0.3", 0, 1), kNoNextHop);
}

using Dialogs = World;

TEST_F(Dialogs, R10_16_4_PreloadedRouteToUsIsTakenOff) {
  RequestText request;
  request.uri = "sip:alice@partner.example";
  request.from = "<sip:bob@example.com>;tag=1";
  request.headers = "Route: <sip:sip.example.com;lr>\r\nMax-Forwards: 70\r\n";
  receive(from_fe1(), request);
  Taken sent = take_request(partner_edge, Method::message);
  EXPECT_EQ(count_of(sent.message(), HeaderId::route), 0u);
}

TEST_F(Dialogs, T4_APartnersRouteBeforeTheDialogChoosesNothing) {
  RequestText request;
  request.uri = "sip:x@evil.example";
  request.headers = "Route: <sip:fe2.example.com;lr>\r\nMax-Forwards: 70\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 403);
  // The domain is looked up, wherever the Route points.
  request.branch = "z9hG4bK-3";
  request.uri = "sip:bob@example.com";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(count_of(sent.message(), HeaderId::route), 0u);  // the front end would follow it
  // A strict one would take the place of the Request-URI that was looked up.
  request.branch = "z9hG4bK-4";
  request.headers = "Route: <sip:eve@fe2.example.com>\r\nRoute: <sip:imp.example.com;lr>\r\n";
  receive(from_partner(), request);
  sent = take_request(fe1, Method::message);
  EXPECT_EQ(sent.message().request_uri, "sip:bob@example.com");
  EXPECT_EQ(count_of(sent.message(), HeaderId::route), 0u);
  request.uri = "sip:x@evil.example";
  request.branch = "z9hG4bK-2";
  request.headers = "Route: <sip:198.51.100.1:5061;lr>\r\nMax-Forwards: 70\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 403);
}

TEST_F(Dialogs, R10_16_6_NextRouteNamesTheNextHop) {
  RequestText request;
  request.to = "<sip:bob@example.com>;tag=9";
  request.method = "BYE";
  request.uri = "sip:bob@10.9.9.9";
  request.headers =
      "Route: <sip:198.51.100.1:5061;lr>,<sip:10.2.0.1:5061;lr> , <sip:fe2.example.com;lr>\r\n"
      "Route: <sip:deep.example.com;lr>\r\nMax-Forwards: 70\r\n";
  receive(from_fe1(), request);
  Taken sent = take_request(fe2, Method::bye);
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 0), "<sip:fe2.example.com;lr>");
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 1), "<sip:deep.example.com;lr>");
  EXPECT_EQ(sent.message().request_uri, "sip:bob@10.9.9.9");
}

TEST_F(Dialogs, R10_16_4_StrictRouterBeforeUs) {
  RequestText request;
  request.to = "<sip:bob@example.com>;tag=9";
  request.method = "BYE";
  request.uri = "sip:198.51.100.1:5061;transport=tls;lr;nh=12345679";
  request.headers =
      "Route: <sip:10.2.0.1:5061;lr>, <sip:fe2.example.com;lr>, <sip:bob@10.9.9.9>\r\n"
      "Max-Forwards: 70\r\n";
  receive(from_fe1(), request);
  Taken sent = take_request(fe2, Method::bye);
  EXPECT_EQ(sent.message().request_uri, "sip:bob@10.9.9.9");
  EXPECT_EQ(value_of(sent.message(), HeaderId::route), "<sip:fe2.example.com;lr>");
  EXPECT_EQ(count_of(sent.message(), HeaderId::route), 1u);

  request.branch = "z9hG4bK-2";
  request.headers = "Route: <sip:bob@fe2.example.com>\r\nMax-Forwards: 70\r\n";
  receive(from_fe1(), request);
  sent = take_request(fe2, Method::bye);
  EXPECT_EQ(sent.message().request_uri, "sip:bob@fe2.example.com");
  EXPECT_EQ(count_of(sent.message(), HeaderId::route), 0u);
}

TEST_F(Dialogs, R10_16_6_StrictRouterBehindUs) {
  RequestText request;
  request.to = "<sip:bob@example.com>;tag=9";
  request.method = "BYE";
  request.uri = "sip:bob@10.9.9.9";
  request.headers =
      "Route: <sip:10.2.0.1:5061;lr>, <sip:fe2.example.com>, <sip:deep.example.com>\r\n"
      "Max-Forwards: 70\r\n";
  receive(from_fe1(), request);
  Taken sent = take_request(fe2, Method::bye);
  EXPECT_EQ(sent.message().request_uri, "sip:fe2.example.com");
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 0), "<sip:deep.example.com>");
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 1), "<sip:bob@10.9.9.9>");
}

TEST_F(Dialogs, R10_16_6_StrictRouterBehindUsGetsALongRequestUriWhole) {
  RequestText request;
  request.to = "<sip:bob@example.com>;tag=9";
  request.method = "BYE";
  request.uri = "sip:bob@10.9.9.9;x=" + std::string(15000, 'x');
  request.headers = "Route: <sip:10.2.0.1:5061;lr>, <sip:fe2.example.com>\r\nMax-Forwards: 70\r\n";
  receive(from_fe1(), request);
  Taken sent = take_request(fe2, Method::bye);
  EXPECT_EQ(sent.message().request_uri, "sip:fe2.example.com");
  EXPECT_EQ(value_of(sent.message(), HeaderId::route), "<" + request.uri + ">");
}

TEST_F(Dialogs, R10_DialogWithAPartnerNeedsOurRecordRouteOnly) {
  RequestText request;
  request.method = "SUBSCRIBE";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::subscribe);
  const std::string out = value_of(sent.message(), HeaderId::record_route, 0);
  const std::string in = value_of(sent.message(), HeaderId::record_route, 1);
  respond(sent, 200);
  take_response(kFromPartner, 200);
  // Another process, with nothing in memory, from another member of the pool.
  Proxy restarted({64, 65536}, wheel, outbound, counters, 0x1234);
  restarted.use(sections.view(), now);
  RequestText notify;
  notify.method = "NOTIFY";
  notify.uri = "sip:alice@10.77.0.1";
  notify.from = "<sip:bob@example.com>;tag=b1";
  notify.to = "<sip:alice@partner.example>;tag=a1";
  notify.headers = "Route: " + out + "," + in + "\r\nMax-Forwards: 70\r\n";
  const auto message = std::make_unique<Message>();
  const std::string text = notify.text();
  ASSERT_EQ(parse(text, *message), Defect::none);
  restarted.on_message(from_fe2(), *message, now);
  take_request(partner_edge, Method::notify);
}

TEST_F(Dialogs, T4_PartnersReachNoPartnerThroughUs) {
  RequestText request;
  request.headers =
      "Route: <sip:198.51.100.1:5061;lr>, <sip:sip.other.example;lr>\r\nMax-Forwards: 70\r\n";
  request.uri = "sip:x@other.example";
  receive(from_partner(), request);
  take_response(kFromPartner, 403);
  receive(from_stranger(), request);
  take_response(kFromStranger, 403);
  expect_idle();
}

TEST_F(Dialogs, R10_MalformedRouteIsRefused) {
  RequestText request;
  request.headers = "Route: <sip:198.51.100.1:5061;lr\r\nMax-Forwards: 70\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 400);
}

TEST_F(Dialogs, R10_16_4_ARouteThatCannotBeARequestUriIsRefused) {
  for (const char* route : {"<sip:x@fe1.example.com?Subject=1>", "<mailto:x@fe1.example.com>"}) {
    RequestText request;
    request.headers = std::string("Route: ") + route + "\r\n";
    receive(from_fe2(), request);
    take_response(kFromFe2, 400);
    // The last one, from a strict router.
    request.uri = "sip:10.2.0.1:5061;lr;nh=12345679";
    request.headers = std::string("Route: <sip:fe1.example.com;lr>, ") + route + "\r\n";
    receive(from_fe2(), request);
    take_response(kFromFe2, 400);
  }
  expect_idle();
}

TEST_F(Dialogs, R10_16_6_SipsIsRecordedAsSips) {
  RequestText request;
  request.method = "INVITE";
  request.uri = "sips:bob@example.com";
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken sent = take_request(fe1, Method::invite);
  EXPECT_TRUE(value_of(sent.message(), HeaderId::record_route).starts_with("<sips:10.2.0.1:5061"));
}

}  // namespace fedge::sip
