#include "firmware/control/compiler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "firmware/base/time.h"
#include "firmware/pki/tls.h"
#include "firmware/snapshot/routes.h"
#include "firmware/topology/document.h"
#include "tests/unit/topology/sample.h"

namespace fedge::control {
namespace {

using snapshot::Kind;
using snapshot::Section;
using topology::sample;
using topology::Topology;

class Certificates final : public CertificateSource {
 public:
  std::map<std::string, std::vector<Version>> by_id = {
      {"access", {{{"leaf-1", "ca"}, 1, 100}, {{"leaf-2", "ca"}, 2, 900}}},
      {"internal", {{{"leaf-3"}, 3, 0}}},
      {"management", {{{"leaf-4"}, 4, 0}, {{"leaf-5"}, 5, 500}}}};
  std::map<std::string, std::vector<std::string>> trusted = {{"partners", {"root-1", "root-2"}},
                                                             {"inside-ca", {"root-3"}}};
  std::vector<Version> certificate(const std::string& id) const override {
    const auto found = by_id.find(id);
    return found == by_id.end() ? std::vector<Version>{} : found->second;
  }
  std::vector<TokenVersion> token_keys(const std::string&) const override { return {}; }
  std::vector<std::string> trust(const std::string& id) const override {
    const auto found = trusted.find(id);
    return found == trusted.end() ? std::vector<std::string>{} : found->second;
  }
};

// A compiled topology with one section of it open.
template <class Root>
struct Opened {
  Compiled compiled;
  Section<Root> section;
};
template <class Root>
Opened<Root> open(const Topology& t, WallTime now = {}) {
  Opened<Root> out;
  auto compiled = compile(t, Certificates(), now);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().text();
    return out;
  }
  out.compiled = std::move(*compiled);
  auto section = Section<Root>::open(as_bytes(out.compiled.sections.at(Root::kKind)));
  if (!section) {
    ADD_FAILURE() << section.error().text();
    return out;
  }
  out.section = std::move(*section);
  return out;
}

std::string error_of(const Topology& t, const Certificates& certificates = {}) {
  const auto compiled = compile(t, certificates);
  return compiled ? "compiled" : compiled.error().text();
}

TEST(Compiler, P1_MakesEverySectionAndTheSameBytesAgain) {
  const auto first = compile(sample(), Certificates());
  const auto second = compile(sample(), Certificates());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->sections, second->sections);
  std::vector<Kind> kinds;
  for (const auto& [kind, bytes] : first->sections) kinds.push_back(kind);
  EXPECT_EQ(kinds,
            (std::vector{Kind::appliance, Kind::realms, Kind::listeners, Kind::tls, Kind::routing,
                         Kind::signalling, Kind::management, Kind::resolver, Kind::media}));
}

TEST(Compiler, P1_OnlyWhatChangedIsAnotherSection) {
  Topology t = sample();
  t.static_routes.pop_back();
  const auto before = compile(sample(), Certificates());
  const auto after = compile(t, Certificates());
  ASSERT_TRUE(before && after);
  for (const auto& [kind, bytes] : before->sections) {
    EXPECT_EQ(bytes == after->sections.at(kind), kind != Kind::routing);
  }
}

TEST(Compiler, B6_RealmsKeepTheirOrder) {
  const auto [compiled, realms] = open<snapshot::Realms>(sample());
  const auto list = realms.items(realms.root().realms);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(realms.text(list[1].name), "inside");
  EXPECT_EQ(list[1].port, 1);
  EXPECT_EQ(realms.items(list[0].addresses)[0].public_address.text(), "198.51.100.1");
  EXPECT_FALSE(realms.items(list[0].addresses)[1].public_address);
}

TEST(Compiler, R1_ListenersPointAtRealmsAndContexts) {
  Topology t = sample();
  t.listeners[2].transport = topology::Transport::tcp;
  t.listeners[2].tls = "";
  const auto [compiled, listeners] = open<snapshot::Listeners>(t);
  const auto list = listeners.items(listeners.root().listeners);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[1].endpoint.text(), "[fd00:1::1]:5061");
  EXPECT_EQ(list[1].realm, 0);
  EXPECT_EQ(list[1].tls_context, 0);
  EXPECT_EQ(list[2].realm, 1);
  EXPECT_EQ(list[2].tls_context, snapshot::kNone16);
}

TEST(Compiler, C3_ContextsCarrySuccessors) {
  const auto [compiled, tls] = open<snapshot::Tls>(sample());
  const auto contexts = tls.items(tls.root().contexts);
  const auto certificates = tls.items(contexts[0].certificates);
  ASSERT_EQ(certificates.size(), 2u);
  EXPECT_EQ(tls.text(certificates[1].id), "access");
  EXPECT_EQ(tls.text(tls.items(certificates[1].chain)[0]), "leaf-2");
  EXPECT_EQ(certificates[1].key, 2u);
  EXPECT_EQ(certificates[1].effective_from, 900);
  EXPECT_EQ(tls.items(contexts[0].trust).size(), 2u);
  const auto suites = tls.items(contexts[0].ciphersuites);
  ASSERT_EQ(suites.size(), 1u);
  EXPECT_EQ(suites[0], 0xc02f);
  EXPECT_EQ(tls.items(contexts[1].ciphersuites).size(), pki::ciphersuite_names().size());
}

TEST(Compiler, C3_ManagementTakesTheCertificateInForce) {
  const auto key_at = [](int64_t seconds) {
    const auto opened =
        open<snapshot::Management>(sample(), WallTime(std::chrono::seconds(seconds)));
    return opened.section.root().certificate.key;
  };
  EXPECT_EQ(key_at(0), 4u);
  EXPECT_EQ(key_at(499), 4u);
  EXPECT_EQ(key_at(500), 5u);
}

TEST(Compiler, P2_MissingCertificatesAreNamed) {
  Certificates none;
  none.by_id.erase("internal");
  EXPECT_EQ(error_of(sample(), none),
            "/tls_contexts/1/certificates/0: no certificate is imported under \"internal\" (import "
            "it, or correct the id)");
  none = {};
  none.trusted.erase("partners");
  EXPECT_EQ(error_of(sample(), none),
            "/tls_contexts/0/trust/0: no CA is imported under \"partners\" (import it, or correct "
            "the id)");
  none = {};
  none.by_id.erase("management");
  EXPECT_EQ(error_of(sample(), none),
            "/management/certificate: no certificate is imported under \"management\" (import it, "
            "or correct the id)");
}

TEST(Compiler, P2_UncheckedNamesDoNotCrash) {
  Topology t = sample();
  t.listeners[0].realm = "gone";
  EXPECT_EQ(error_of(t),
            "/listeners: found \"gone\", which leads nowhere (validate the topology again)");
  t = sample();
  t.federation_route.reset();
  EXPECT_NE(error_of(t), "compiled");
  t = sample();
  t.static_routes[0].pattern = "..";
  EXPECT_NE(error_of(t), "compiled");
}

// Hosts of the targets of the route that serves the address, in order.
std::string way(const Section<snapshot::Routing>& routing, std::string_view user,
                std::string_view domain) {
  const snapshot::Route* route = snapshot::find_route(routing, user, domain);
  if (!route) return "-";
  std::string out;
  for (const snapshot::Target& target : routing.items(route->targets)) {
    const auto& hop = routing.items(routing.root().next_hops)[target.next_hop];
    out.append(routing.text(hop.host)).append(" ").append(std::to_string(target.priority));
    out.append(", ");
  }
  return out.append(routing.text(route->path));
}

TEST(Compiler, R2_RoutesLeadWhereTheTopologySays) {
  const auto [compiled, routing] = open<snapshot::Routing>(sample());
  EXPECT_EQ(way(routing, "bob", "example.com"),
            "fe1.example.com 1, fe2.example.com 2, /presence_domains/0");
  EXPECT_EQ(way(routing, "alice", "example.com"),
            "fe1.example.com 1, fe2.example.com 2, /static_routes/2");
  EXPECT_EQ(way(routing, "x", "partner.example"), "sip.partner.example 1, /partners/0");
  // Two rules of one pattern, reversed and plain, are one fail-over set; the pool's own order
  // stands behind the rule's.
  EXPECT_EQ(way(routing, "x", "branch.com"),
            "imp.branch.com 1, fe1.example.com 2, fe2.example.com 3, /static_routes/0");
  EXPECT_EQ(way(routing, "x", "elsewhere.example"), "-");
  EXPECT_EQ(routing.root().next_hops.count, 4u);
  EXPECT_EQ(routing.root().federation, 1);
}

TEST(Compiler, R11_NextHopsKeepBothFamilies) {
  const auto [compiled, routing] = open<snapshot::Routing>(sample());
  const auto& fe1 = routing.items(routing.root().next_hops)[0];
  const auto endpoints = routing.items(fe1.endpoints);
  ASSERT_EQ(endpoints.size(), 2u);
  EXPECT_EQ(endpoints[0].text(), "10.2.0.2:5061");
  EXPECT_EQ(endpoints[1].text(), "[fd00:2::2]:5061");
  EXPECT_EQ(fe1.realm, 1);
}

TEST(Compiler, R1_PeersAreKnownByNameAndSide) {
  const auto [compiled, routing] = open<snapshot::Routing>(sample());
  const std::string_view edge[] = {"sip.partner.example"};
  const std::string_view inside[] = {"fe2.example.com"};
  const std::string_view target[] = {"imp.branch.com"};
  const snapshot::Peer* peer = snapshot::find_peer(routing, edge, 0);
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(peer->side, snapshot::PeerSide::partner);
  EXPECT_EQ(routing.text(peer->domain), "partner.example");
  EXPECT_EQ(snapshot::find_peer(routing, edge, 1), nullptr);
  peer = snapshot::find_peer(routing, inside, 1);
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(peer->side, snapshot::PeerSide::inside);
  EXPECT_EQ(snapshot::find_peer(routing, target, 1), nullptr);
}

TEST(Compiler, R5_FederationCanBeOff) {
  Topology t = sample();
  t.edge_pool->federation = false;
  EXPECT_EQ(open<snapshot::Routing>(t).section.root().federation, 0);
}

TEST(Compiler, P1_FactoryCompiles) {
  const auto [compiled, management] = open<snapshot::Management>(
      topology::factory("edge.example.com", *Endpoint::parse("127.0.0.1:8443")));
  EXPECT_EQ(management.items(management.root().endpoints)[0].text(), "127.0.0.1:8443");
}

TEST(Compiler, R2_AHundredThousandRoutesCompileInTime) {
  Topology t = sample();
  for (int i = 0; i < 100000; ++i) {
    topology::StaticRoute route;
    route.pattern = ".example.d" + std::to_string(i);
    route.next_hop_pool = "frontend";
    t.static_routes.push_back(route);
  }
  const Instant start = now_monotonic();
  const auto compiled = compile(t, Certificates());
  const Duration taken = now_monotonic() - start;
  ASSERT_TRUE(compiled) << compiled.error().text();
  RecordProperty("milliseconds", static_cast<int>(taken / 1ms));
  EXPECT_LT(taken, 2s);  // 0.1 s on an idle core; sanitizers and neighbours take more
}

}  // namespace
}  // namespace fedge::control
