#include "firmware/topology/rules.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/topology/sample.h"

namespace fedge::topology {
namespace {

// The findings about the sample after a change, one a line.
std::string after(const std::function<void(Topology&)>& change, const Environment& env = {}) {
  Topology t = sample();
  change(t);
  return lines(check_rules(t, env));
}

NextHop hop_to(std::string host, std::string address, std::string realm, std::string tls) {
  NextHop hop;
  hop.host = std::move(host);
  if (!address.empty()) hop.addresses = {*IpAddress::parse(address)};
  hop.realm = std::move(realm);
  hop.tls = std::move(tls);
  return hop;
}

TEST(TopologyRules, P2_TheSampleIsGood) {
  EXPECT_EQ(after([](Topology&) {}), "");
}

TEST(TopologyRules, P2_NamesStandOnce) {
  EXPECT_EQ(after([](Topology& t) { t.ports[1].device = "port0"; }),
            "/ports/1/device: found the text \"port0\" (allowed: a name that is not in use; "
            "/ports/0 has it)\n");
  EXPECT_NE(after([](Topology& t) {
              t.realms.push_back(t.realms[0]);
            }).find("/realms/2/name: found the text \"outside\""),
            std::string::npos);
  EXPECT_NE(after([](Topology& t) { t.listeners[1].name = "access-v4"; }).find("/listeners/1/name"),
            std::string::npos);
  EXPECT_NE(after([](Topology& t) {
              t.presence_domains.push_back("example.com");
            }).find("/presence_domains/1: found"),
            std::string::npos);
  EXPECT_NE(after([](Topology& t) {
              t.tls_contexts.push_back(t.tls_contexts[0]);
            }).find("/tls_contexts/2/name"),
            std::string::npos);
  EXPECT_NE(
      after([](Topology& t) { t.partners.push_back(t.partners[0]); }).find("/partners/1/domain"),
      std::string::npos);
}

TEST(TopologyRules, P2_ReferencesLeadSomewhere) {
  EXPECT_EQ(after([](Topology& t) { t.realms[0].port = "dmz"; }),
            "/realms/0/port: found the text \"dmz\" (allowed: a port: wan, lan)\n");
  EXPECT_EQ(after([](Topology& t) { t.listeners[0].tls = "externl"; }),
            "/listeners/0/tls: found the text \"externl\" (allowed: a TLS context: external, "
            "internal)\n");
  EXPECT_EQ(after([](Topology& t) { t.partners[0].realm = "dmz"; }),
            "/partners/0/realm: found the text \"dmz\" (allowed: a realm: outside, inside)\n");
  EXPECT_EQ(after([](Topology& t) { t.static_routes[1].next_hop_pool = "x"; }),
            "/static_routes/1/next_hop_pool: found the text \"x\" (allowed: a next-hop pool: "
            "frontend)\n");
  EXPECT_EQ(after([](Topology& t) { t.resolver->realm = "dmz"; }),
            "/resolver/realm: found the text \"dmz\" (allowed: a realm: outside, inside)\n");
}

TEST(TopologyRules, P2_TheBoardAndTheStoreHaveASay) {
  Environment env;
  env.devices = {"port0", "port2"};
  env.has_certificate = [](const std::string& id) { return id != "access"; };
  env.has_trust = [](const std::string& id) { return id != "inside-ca"; };
  env.has_cipher = [](const std::string&) { return false; };
  EXPECT_EQ(after([](Topology&) {}, env),
            "/ports/1/device: found the text \"port1\" (allowed: a port of this board: port0, "
            "port2)\n"
            "/tls_contexts/0/certificates/0: found the text \"access\" (allowed: the id of an "
            "imported certificate; import it first, or correct the id)\n"
            "/tls_contexts/0/ciphers/0: found the text \"ECDHE-RSA-AES128-GCM-SHA256\" (allowed: a "
            "cipher suite of this build, such as ECDHE-RSA-AES128-GCM-SHA256)\n"
            "/tls_contexts/1/trust/0: found the text \"inside-ca\" (allowed: the id of an imported "
            "CA; import it first, or correct the id)\n");
}

TEST(TopologyRules, B6_RealmsCanLiveTogether) {
  EXPECT_EQ(after([](Topology& t) { t.realms[1].port = "wan"; }),
            "/realms/1/vlan: found the number 0 (allowed: a tag that is free on port wan; "
            "/realms/0 has it)\n");
  EXPECT_EQ(after([](Topology& t) { t.realms[1].port = "wan", t.realms[1].vlan = 5; }), "");
  const auto with_address = [](std::string_view text) {
    return after([&](Topology& t) { t.realms[0].addresses.push_back({*Prefix::parse(text), {}}); });
  };
  EXPECT_NE(with_address("10.3.0.0/24").find("the subnet's own address"), std::string::npos);
  EXPECT_NE(with_address("10.3.0.255/24").find("broadcast"), std::string::npos);
  EXPECT_NE(with_address("224.0.0.1/24").find("which no host can have"), std::string::npos);
  EXPECT_NE(with_address("127.0.0.1/8").find("which no host can have"), std::string::npos);
  EXPECT_NE(with_address("10.1.0.1/24").find("stands once in its realm"), std::string::npos);
  EXPECT_EQ(with_address("10.3.0.1/32"), "");
  EXPECT_EQ(with_address("10.3.0.0/31"), "");
}

TEST(TopologyRules, M8_PublicAddressesFitTheirOwn) {
  EXPECT_EQ(after([](Topology& t) {
              t.realms[0].addresses[1].public_address = *IpAddress::parse("198.51.100.2");
            }),
            "/realms/0/addresses/1/public: found the text \"198.51.100.2\" (allowed: an address of "
            "the same version as fd00:1::1)\n");
  EXPECT_EQ(after([](Topology& t) {
              t.realms[0].addresses[1].public_address = *IpAddress::parse("2001:db8::1");
            }),
            "");
}

TEST(TopologyRules, B6_RoutesGoThroughTheirRealm) {
  const auto with_route = [](std::string_view to, std::string_view via) {
    return after(
        [&](Topology& t) { t.realms[0].routes = {{*Prefix::parse(to), *IpAddress::parse(via)}}; });
  };
  EXPECT_EQ(with_route("10.9.0.0/16", "10.1.0.254"), "");
  EXPECT_NE(with_route("10.9.0.1/16", "10.1.0.254").find("/realms/0/routes/0/to"),
            std::string::npos);
  EXPECT_NE(with_route("10.9.0.0/16", "10.2.0.254").find("inside one of realm outside's subnets"),
            std::string::npos);
  EXPECT_NE(with_route("::/0", "10.1.0.254").find("same IP version"), std::string::npos);
  EXPECT_NE(with_route("0.0.0.0/0", "10.1.0.1").find("/realms/0/routes/0/via"), std::string::npos);
}

TEST(TopologyRules, R11_Ipv6NeedsItsMtu) {
  EXPECT_EQ(after([](Topology& t) { t.realms[1].mtu = 1000; }),
            "/realms/1/mtu: found the number 1000 (allowed: 1280 or more with IPv6 (RFC 8200 "
            "section 5))\n");
}

TEST(TopologyRules, R1_AListenerHasItsAddressToItself) {
  EXPECT_EQ(after([](Topology& t) { t.listeners[0].address = *IpAddress::parse("10.1.0.9"); }),
            "/listeners/0/address: found the text \"10.1.0.9\" (allowed: one of realm outside's "
            "addresses)\n");
  EXPECT_EQ(after([](Topology& t) { t.listeners[1].address = t.listeners[0].address; }),
            "/listeners/1/port: found the number 5061 (allowed: a port that is free on 10.1.0.1; "
            "/listeners/0 has it; an address and port has one service)\n");
  EXPECT_EQ(after([](Topology& t) { t.listeners[0].tls = ""; }),
            "/listeners/0/tls: found nothing (allowed: a TLS context: external, internal)\n");
  EXPECT_EQ(after([](Topology& t) { t.listeners[0].transport = Transport::tcp; }),
            "/listeners/0/tls: found the text \"external\" (allowed: nothing: the transport is "
            "tcp; remove it, or set the transport to tls)\n");
  EXPECT_EQ(after([](Topology& t) { t.listeners[0].service = Service::xmpp; }),
            "/listeners/0/service: found a service that this version does not have (allowed: "
            "access, av or mras)\n");
}

TEST(TopologyRules, R1_MutualTlsNeedsTrust) {
  const char* complaint =
      "/tls_contexts/0/trust: found an empty list (allowed: ids of the CAs whose certificates are "
      "accepted; without one no peer's certificate can be accepted)\n";
  EXPECT_EQ(after([](Topology& t) { t.tls_contexts[0].trust = {}; }), complaint);
  // The partner's edge is checked with the same context, even when clients need no certificate.
  EXPECT_EQ(after([](Topology& t) {
              t.tls_contexts[0].trust = {};
              t.tls_contexts[0].client_certificate = ClientCertificate::none;
            }),
            complaint);
  EXPECT_NE(after([](Topology& t) {
              t.tls_contexts[0].versions = {TlsVersion::tls13};
            }).find("this build has no TLS 1.3"),
            std::string::npos);
}

TEST(TopologyRules, R2_PatternsAreValidForTheirType) {
  const auto with_pattern = [](std::string pattern, RouteType type) {
    return after([&](Topology& t) {
      t.static_routes[0].pattern = pattern;
      t.static_routes[0].type = type;
    });
  };
  EXPECT_EQ(with_pattern("*.sip.com", RouteType::domain), "");
  EXPECT_EQ(with_pattern(".com.domaina.lyncserver", RouteType::domain), "");
  EXPECT_EQ(with_pattern("bob@sip.com", RouteType::domain),
            "/static_routes/0/pattern: found the text \"bob@sip.com\" (allowed: a domain as "
            "example.com, .com.example, *.example.com or .com.example.*; for one user set the "
            "type to user)\n");
  EXPECT_NE(with_pattern("sip.com", RouteType::user).find("user@domain, as the type is user"),
            std::string::npos);
  EXPECT_NE(with_pattern("a..b", RouteType::domain), "");
}

TEST(TopologyRules, R2_ADestinationIsRoutedInOnePlace) {
  EXPECT_EQ(after([](Topology& t) { t.static_routes[0].pattern = ".com.example"; }),
            "/static_routes/0/pattern: found the text \".com.example\", which is a presence domain "
            "(allowed: a destination that is routed in one place; remove it from one of the two, "
            "or route single users)\n");
  EXPECT_NE(after([](Topology& t) {
              t.static_routes[0].pattern = "partner.example";
            }).find("which is a partner's domain"),
            std::string::npos);
  EXPECT_NE(after([](Topology& t) {
              t.partners[0].domain = "example.com";
            }).find("/partners/0/domain: found the text \"example.com\", which is a presence"),
            std::string::npos);
  EXPECT_EQ(after([](Topology& t) { t.static_routes.push_back(t.static_routes[0]); }),
            "/static_routes/3: found the same pattern and target as /static_routes/0 (allowed: "
            "each once; remove one of them)\n");
}

TEST(TopologyRules, R2_ARouteHasOneTarget) {
  EXPECT_EQ(after([](Topology& t) { t.static_routes[0].next_hop_pool = "frontend"; }),
            "/static_routes/0/next_hop_pool: found the text \"frontend\" beside next_hop (allowed: "
            "next_hop or next_hop_pool; remove one of them)\n");
  EXPECT_EQ(after([](Topology& t) { t.static_routes[0].next_hop.reset(); }),
            "/static_routes/0: found a route without a target (allowed: next_hop or "
            "next_hop_pool; add one of them)\n");
}

TEST(TopologyRules, R2_NextHopsCanBeReached) {
  const auto with_hop = [](const NextHop& hop) {
    return after([&](Topology& t) { t.static_routes[0].next_hop = hop; });
  };
  const NextHop named = hop_to("imp.branch.com", "", "inside", "internal");
  EXPECT_EQ(with_hop(named), "");
  EXPECT_EQ(after([&](Topology& t) {
              t.static_routes[0].next_hop = named;
              t.resolver.reset();
            }),
            "/static_routes/0/next_hop/addresses: found nothing (allowed: at least one address of "
            "the text \"imp.branch.com\"; list them, or add /resolver so that the name is looked "
            "up)\n");
  EXPECT_EQ(with_hop(hop_to("10.2.0.9", "", "inside", "internal")), "");
  EXPECT_EQ(with_hop(hop_to("10.9.0.9", "", "inside", "internal")),
            "/static_routes/0/next_hop/addresses/0: found the text \"10.9.0.9\" (allowed: an "
            "address that realm inside reaches: in its subnets or through its routes; add a route "
            "to the realm, or name another realm)\n");
  EXPECT_EQ(with_hop(hop_to("imp.branch.com", "203.0.113.9", "outside", "external")), "");
  EXPECT_NE(with_hop(hop_to("imp.branch.com", "10.2.0.1", "inside", "internal"))
                .find("one of this appliance's own addresses"),
            std::string::npos);
}

TEST(TopologyRules, R4_APartnerIsListedOrFoundByDns) {
  const auto partner = [](auto change) {
    return after([&](Topology& t) { change(t, t.partners[0]); });
  };
  EXPECT_EQ(partner([](Topology&, Partner& p) { p.addresses.clear(); }), "");
  EXPECT_EQ(partner([](Topology&, Partner& p) { p.addresses.clear(), p.edge.clear(); }), "");
  EXPECT_NE(partner([](Topology& t, Partner& p) {
              p.addresses.clear();
              t.resolver.reset();
            }).find("/partners/0/addresses: found nothing"),
            std::string::npos);
  EXPECT_NE(partner([](Topology&, Partner& p) { p.edge.clear(); }).find("/partners/0/edge: found"),
            std::string::npos);
  EXPECT_NE(partner([](Topology&, Partner& p) {
              p.addresses.clear(), p.edge.clear(), p.tls.clear();
              p.transport = Transport::tcp;
            }).find("/partners/0/transport: found the text \"tcp\" (allowed: tls; a partner"),
            std::string::npos);
}

TEST(TopologyRules, R2_RoutesOfAPatternForkAlike) {
  EXPECT_EQ(after([](Topology& t) {
              t.static_routes.push_back(t.static_routes[0]);
              t.static_routes.back().next_hop->port = 5070;
              t.static_routes.back().forking = Forking::all;
            }),
            "/static_routes/3/forking: found another value than /static_routes/0 (allowed: one "
            "value for all routes of a pattern)\n");
}

TEST(TopologyRules, R5_PresenceDomainsNeedTheFederationRoute) {
  EXPECT_EQ(after([](Topology& t) { t.federation_route.reset(); }),
            "/federation_route: found nothing (allowed: the route on which requests for the "
            "presence domains go inside; add it, or remove the presence domains)\n");
  EXPECT_EQ(after([](Topology& t) { t.federation_route->next_hop = "pool9"; }),
            "/federation_route/next_hop: found the text \"pool9\" (allowed: a next-hop pool: "
            "frontend)\n");
  EXPECT_EQ(after([](Topology& t) { t.federation_route->site = "branch"; }),
            "/federation_route/site: found the text \"branch\" (allowed: the appliance's site, the "
            "text \"hq\")\n");
  EXPECT_EQ(after([](Topology& t) { t.edge_pool.reset(); }),
            "/edge_pool: found nothing (allowed: the edge pool that federates with the partners; "
            "add it with federation on, or remove the partners)\n");
}

TEST(TopologyRules, P8_ManagementStandsOutsideTheRealms) {
  EXPECT_EQ(after([](Topology& t) { t.management.addresses = {*IpAddress::parse("10.2.0.7")}; }),
            "/management/addresses/0: found the text \"10.2.0.7\", inside realm inside (allowed: "
            "an address outside every realm; management has a port of its own, which the fast path "
            "does not touch)\n");
}

TEST(TopologyRules, R3_TimersAndLimitsFitTogether) {
  EXPECT_EQ(after([](Topology& t) { t.timers.t1_ms = 50; }),
            "/timers/first_response_ms: found the number 4000 (allowed: below 64 times t1_ms, "
            "3200; the caller gives up then (RFC 3261 timer F))\n");
  EXPECT_NE(after([](Topology& t) {
              t.limits.connections_per_source = 20001;
            }).find("/limits/connections_per_source"),
            std::string::npos);
}

}  // namespace
}  // namespace fedge::topology
