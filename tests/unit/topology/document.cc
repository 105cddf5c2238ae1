#include "firmware/topology/document.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "firmware/base/fd.h"
#include "tests/unit/topology/sample.h"

namespace fedge::topology {
namespace {

TEST(TopologyDocument, P1_ReadsTheSampleWithItsDefaults) {
  const Topology t = sample();
  EXPECT_EQ(t.appliance.fqdn, "sip.example.com");
  ASSERT_EQ(t.realms.size(), 2u);
  EXPECT_EQ(t.realms[0].addresses[0].public_address->text(), "198.51.100.1");
  EXPECT_EQ(t.realms[1].mtu, 1500);
  EXPECT_EQ(t.realms[1].dscp.media, 46);
  EXPECT_EQ(t.tls_contexts[1].client_certificate, ClientCertificate::required);
  EXPECT_EQ(t.tls_contexts[1].versions, std::vector{TlsVersion::tls12});
  EXPECT_EQ(t.listeners[1].port, 5061);
  EXPECT_EQ(t.listeners[1].transport, Transport::tls);
  EXPECT_EQ(t.next_hop_pools[0].members[1].priority, 2);
  EXPECT_EQ(t.static_routes[0].next_hop->host, "imp.branch.com");
  EXPECT_EQ(t.static_routes[2].type, RouteType::user);
  EXPECT_EQ(t.timers.timer_c_ms, 181000u);
  EXPECT_EQ(t.management.certificate, "management");
}

TEST(TopologyDocument, P1_CanonicalTextReadsBackTheSame) {
  const Topology t = sample();
  for (const auto style : {json::Writer::Style::compact, json::Writer::Style::pretty}) {
    const std::string text = encode(t, style);
    const Reading again = decode(text);
    EXPECT_TRUE(again.good()) << lines(again.findings);
    EXPECT_EQ(again.topology, t);
    EXPECT_EQ(encode(again.topology, style), text);
  }
}

TEST(TopologyDocument, P1_NamesAreReadInLowerCase) {
  const Reading r =
      decode(changed("\"sip.example.com\", \"site\"", "\"SIP.Example.COM\", \"site\""));
  ASSERT_TRUE(r.good()) << lines(r.findings);
  EXPECT_EQ(r.topology, sample());
}

TEST(TopologyDocument, P2_EveryErrorAtOnceWithItsPath) {
  const Reading r = decode(R"({
    "version": 2, "extra": 1,
    "appliance": {"name": "", "site": 7},
    "ports": {},
    "realms": [{"name": "Outside_1", "port": "wan", "vlan": 4095, "mtuu": 1500,
                "addresses": [{"address": "10.1.0.1"}, {"address": "10.1.0.300/24"}, null]}],
    "listeners": [{"name": "a", "realm": "outside", "address": "::1", "port": "5061",
                   "transport": "sctp"}],
    "management": {"addresses": []}
  })");
  EXPECT_EQ(
      lines(r.findings),
      "/version: found the number 2 (allowed: the number 1)\n"
      "/appliance/name: found the text \"\" (allowed: 1 to 63 letters, digits and . _ -, beginning "
      "with a letter or digit)\n"
      "/appliance/fqdn: found nothing (allowed: What Via, Record-Route and certificates call this "
      "edge.; add \"fqdn\")\n"
      "/appliance/site: found the number 7 (allowed: text of at most 255 octets without control "
      "characters)\n"
      "/ports: found an object (allowed: an array)\n"
      "/realms/0/name: found the text \"Outside_1\" (allowed: 1 to 15 of a-z, 0-9 and inner "
      "hyphens, but not lo (it names an interface too))\n"
      "/realms/0/vlan: found the number 4095 (allowed: a whole number from 0 to 4094)\n"
      "/realms/0/addresses/0/address: found the text \"10.1.0.1\" (allowed: an address with a "
      "length such as 192.0.2.1/24 or 2001:db8::1/64)\n"
      "/realms/0/addresses/1/address: found the text \"10.1.0.300/24\" (allowed: an address with a "
      "length such as 192.0.2.1/24 or 2001:db8::1/64)\n"
      "/realms/0/addresses/2: found null (allowed: an object)\n"
      "/realms/0/mtuu: found an unknown key (allowed: name, port, vlan, mtu, dscp, addresses, "
      "routes; did you mean \"mtu\"?)\n"
      "/listeners/0/port: found the text \"5061\" (allowed: a whole number from 1 to 65535)\n"
      "/listeners/0/transport: found the text \"sctp\" (allowed: one of tcp, tls, udp)\n"
      "/management/addresses: found an empty list (allowed: 1 to 8 items)\n"
      "/extra: found an unknown key (allowed: version, appliance, ports, realms, tls_contexts, "
      "listeners, presence_domains, edge_pool, next_hop_pools, federation_route, static_routes, "
      "partners, resolver, media, timers, limits, management; remove it)\n");
}

TEST(TopologyDocument, P2_TextThatIsNotJsonIsOneFinding) {
  const Reading r = read("{\"version\": 1,}", {});
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_EQ(r.findings[0].found, "line 1, column 15 (offset 14): '}' stands in an object");
}

TEST(TopologyDocument, P2_ShapeAndRulesAreReportedTogether) {
  std::string text = changed("\"mtu\": 1500", "\"mtu\": 1");
  text.replace(text.find("\"next_hop\": \"frontend\""), 22, "\"next_hop\": \"backend\"");
  const Reading r = read(text, {});
  EXPECT_EQ(lines(r.findings),
            "/realms/0/mtu: found the number 1 (allowed: a whole number from 576 to 9216)\n"
            "/federation_route/next_hop: found the text \"backend\" (allowed: a next-hop pool: "
            "frontend)\n");
}

TEST(TopologyDocument, P2_RulesDoNotRepeatWhatTheShapeSaid) {
  // The listener's realm cannot be read, so nothing is said about realms that are not there.
  const Reading r = read(changed("\"realm\": \"outside\", \"address\": \"10.1.0.1\"",
                                 "\"realm\": 7, \"address\": \"10.1.0.1\""),
                         {});
  EXPECT_EQ(r.findings.size(), 1u) << lines(r.findings);
}

TEST(TopologyDocument, P2_CountsTheRestOfVeryManyErrors) {
  std::string text = R"({"version":1,"presence_domains":[)";
  for (int i = 0; i < 3000; ++i) text += i ? ",1" : "1";
  text += "]}";
  const Reading r = read(text, {});
  ASSERT_EQ(r.findings.size(), kMostFindings + 1);
  EXPECT_EQ(r.findings.back().found, "more is wrong than these 1000 places");
}

TEST(TopologyDocument, P1_FactoryIsGoodAndManagementOnly) {
  const Topology t = factory("edge.example.com", *Endpoint::parse("192.0.2.7:8443"));
  const Reading r = read(encode(t, json::Writer::Style::compact), {});
  EXPECT_TRUE(r.good()) << lines(r.findings);
  EXPECT_EQ(r.topology, t);
  EXPECT_TRUE(t.realms.empty() && t.listeners.empty());
}

TEST(TopologyDocument, P1_SchemaSaysWhatDecodeChecks) {
  const auto document = json::Document::parse(schema());
  ASSERT_TRUE(document) << document.error().text();
  const json::Value root = document->root();
  EXPECT_EQ(*root.find("$schema").text(), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_FALSE(*root.find("additionalProperties").boolean());
  const json::Value realm = root.find("properties").find("realms").find("items").find("properties");
  EXPECT_EQ(*realm.find("mtu").find("minimum").integer(0, 9999), 576);
  EXPECT_EQ(*realm.find("mtu").find("default").integer(0, 9999), 1500);
  EXPECT_EQ(*realm.find("vlan").find("maximum").integer(0, 9999), 4094);
  const json::Value listener =
      root.find("properties").find("listeners").find("items").find("properties");
  EXPECT_EQ(listener.find("transport").find("enum").size(), 3u);
  EXPECT_FALSE(listener.find("port").find("default")) << "it follows from service and transport";
  EXPECT_EQ(*listener.find("transport").find("default").text(), "tls");
  size_t needed = 0;
  for (const json::Value name : root.find("required").items()) {
    const Findings findings = decode("{}").findings;
    EXPECT_EQ(std::ranges::count(findings, "/" + *name.text(), &Finding::path), 1);
    ++needed;
  }
  EXPECT_EQ(needed, 3u);
}

// Every field of the schema is documented.
void check_documented(const json::Value& schema, const std::string& path) {
  for (const json::Member& member : schema.find("properties").members()) {
    const json::Value text = member.value.find("description");
    EXPECT_TRUE(text && text.text()->size() > 3) << path << "/" << member.name;
    check_documented(member.value, path + "/" + member.name);
    if (const json::Value items = member.value.find("items")) {
      check_documented(items, path + "/" + member.name + "/0");
    }
  }
}

TEST(TopologyDocument, P1_EveryFieldIsDocumented) {
  const auto document = json::Document::parse(schema());
  ASSERT_TRUE(document);
  check_documented(document->root(), "");
}

TEST(TopologyDocument, P2_AnyJsonAtAllIsAnswered) {
  const std::filesystem::path folder = "../shared/conformance/json/JSONTestSuite";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not here";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto text = read_file(entry.path().string());
    ASSERT_TRUE(text);
    EXPECT_FALSE(read(*text, {}).good()) << entry.path();
  }
}

}  // namespace
}  // namespace fedge::topology
