// Rules and defaults of media.
#include <gtest/gtest.h>

#include <functional>

#include "firmware/topology/rules.h"
#include "tests/unit/topology/sample.h"

namespace fedge::topology {
namespace {

using Change = std::function<void(Topology&)>;

std::string after(const Change& change, const Environment& env = {}) {
  Topology t = media_sample();
  change(t);
  return lines(check_rules(t, env));
}

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

TEST(TopologyMedia, M1_TheSampleIsGoodAndReadsBack) {
  const Topology t = media_sample();
  EXPECT_EQ(lines(check_rules(t, {})), "");
  const Reading again = read(encode(t, json::Writer::Style::pretty), {});
  EXPECT_TRUE(again.good()) << lines(again.findings);
  EXPECT_EQ(again.topology, t);
}

TEST(TopologyMedia, M1_PortsFollowFromServiceAndUse) {
  const Topology t = media_sample();
  EXPECT_EQ(t.listeners[1].port, 5061);
  EXPECT_EQ(t.listeners[3].port, 3478);
  EXPECT_EQ(t.listeners[5].port, 443);
  EXPECT_EQ(t.listeners[6].port, 5349);
  EXPECT_EQ(t.listeners[7].port, 5062);
  const Media& media = *t.media;
  EXPECT_EQ(media.pools[0].first_port, 50000);
  EXPECT_EQ(media.pools[0].last_port, 59999);
  EXPECT_EQ(media.pools[1].first_port, 60000);
  EXPECT_EQ(media.pools[1].last_port, 65535);
  EXPECT_EQ(media.pools[2].last_port, 60999);
  EXPECT_EQ(media.alternate_servers[0].port, 3478);
}

TEST(TopologyMedia, M3_M6_DefaultsAreTheDocuments) {
  const Media media = *media_sample().media;
  EXPECT_EQ(media.credentials.minutes, 480u);
  EXPECT_EQ(media.quotas.kbps_per_session, 3000u);
  EXPECT_EQ(media.quotas.kbps_per_user, 10000u);
  const auto minutes = [](std::string_view text) {
    return lines(decode(R"({"version": 1, "appliance": {"name": "a", "fqdn": "a.example"},
        "management": {"addresses": ["127.0.0.1"]}, "media": {"credentials": {"minutes": )" +
                        std::string(text) + "}}}")
                     .findings);
  };
  EXPECT_EQ(minutes("1"), "");
  EXPECT_EQ(minutes("259200"), "");
  EXPECT_NE(minutes("0"), "");
  EXPECT_NE(minutes("259201"), "") << "180 days";
}

TEST(TopologyMedia, M1_CapacityIsWhatThePoolsHold) {
  const Media media = *media_sample().media;
  // Two addresses for TURN; of the ports for anchoring a stream takes four.
  EXPECT_EQ(media_capacity(media.pools), 2u * 10000 + (2u * 5536 + 1000) / 4);
  EXPECT_EQ(media_capacity({}), 0u);
  MediaPool vast;
  vast.addresses.resize(200);
  vast.first_port = 50000, vast.last_port = 59999;
  EXPECT_EQ(media_capacity({vast}), kMostMediaSessions);
}

struct Case {
  const char* what;
  Change change;
  const char* expected;  // whole lines
};

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(after(c.change), c.expected) << c.what;
}

TEST(TopologyMedia, M1_RelayPortsCanBeOpened) {
  check({
      {"an address of another realm",
       [](Topology& t) { t.media->pools[0].addresses[0] = ip("10.2.0.1"); },
       "/media/pools/0/addresses/0: found the text \"10.2.0.1\" (allowed: one of realm outside's "
       "own addresses; not its public translation, which stands with the realm)\n"},
      {"the public address",
       [](Topology& t) { t.media->pools[0].addresses[0] = ip("198.51.100.1"); },
       "/media/pools/0/addresses/0: found the text \"198.51.100.1\" (allowed: one of realm "
       "outside's own addresses; not its public translation, which stands with the realm)\n"},
      {"no such realm", [](Topology& t) { t.media->pools[0].realm = "dmz"; },
       "/media/pools/0/realm: found the text \"dmz\" (allowed: a realm: outside, inside)\n"},
      {"an odd first port", [](Topology& t) { t.media->pools[0].first_port = 50001; },
       "/media/pools/0/first_port: found the number 50001 (allowed: an even port: ports come in "
       "pairs for RTP and RTCP)\n"},
      {"an even last port", [](Topology& t) { t.media->pools[0].last_port = 59998; },
       "/media/pools/0/last_port: found the number 59998 (allowed: an odd port: ports come in "
       "pairs for RTP and RTCP)\n"},
      {"upside down", [](Topology& t) { t.media->pools[0].last_port = 49999; },
       "/media/pools/0/last_port: found the number 49999 (allowed: above first_port, 50000)\n"},
      {"into the kernel's ports from above",
       [](Topology& t) { t.media->pools[0].first_port = 49150; },
       "/media/pools/0/first_port: found the ports 49150-59999 (allowed: none of 10240-49151: the "
       "kernel makes connections from them; choose a range from 49152 on, such as 50000-59999)\n"},
      {"into the kernel's ports from below",
       [](Topology& t) {
         t.media->pools[2].first_port = 8000, t.media->pools[2].last_port = 10241;
       },
       "/media/pools/2/last_port: found the ports 8000-10241 (allowed: none of 10240-49151: the "
       "kernel makes connections from them; choose a range from 49152 on, such as 50000-59999)\n"},
      {"just above the kernel's ports", [](Topology& t) { t.media->pools[0].first_port = 49152; },
       ""},
      {"two pools, one port", [](Topology& t) { t.media->pools[0].last_port = 60001; },
       "/media/pools/1/addresses/0: found 10.1.0.1 with ports 60000-65535 (allowed: ports that no "
       "other pool has; /media/pools/0 has 50000-60001 of it; give one of the two another range "
       "or address)\n"
       "/media/pools/1/addresses/1: found fd00:1::1 with ports 60000-65535 (allowed: ports that no "
       "other pool has; /media/pools/0 has 50000-60001 of it; give one of the two another range "
       "or address)\n"},
      {"two pools of other addresses",
       [](Topology& t) {
         t.media->pools[0].addresses = {ip("10.1.0.1")};
         t.media->pools[1].addresses = {ip("fd00:1::1")};
         t.media->pools[1].first_port = 50000;
         t.media->quotas.sessions = 10000 + (15536 + 1000) / 4;
         t.partners[0].media = MediaHandling::pass;
       },
       ""},
      {"an address twice",
       [](Topology& t) { t.media->pools[2].addresses = {ip("10.2.0.1"), ip("10.2.0.1")}; },
       "/media/pools/2/addresses/1: found the text \"10.2.0.1\" (allowed: each address once)\n"},
      {"a listener among them", [](Topology& t) { t.listeners[0].port = 50061; },
       "/media/pools/0: found ports 50000-59999 of 10.1.0.1, one of which /listeners/0 has "
       "(allowed: ports without a listener; move the listener, or choose another range)\n"},
  });
}

TEST(TopologyMedia, M6_QuotasFitThePools) {
  check({
      {"as many as the pools hold",
       [](Topology& t) { t.media->quotas.sessions = media_capacity(t.media->pools); }, ""},
      {"one more",
       [](Topology& t) { t.media->quotas.sessions = media_capacity(t.media->pools) + 1; },
       "/media/quotas/sessions: found the number 23019 (allowed: at most 23018: what the pools can "
       "hold; widen /media/pools (a TURN allocation takes one port, an anchored stream two on each "
       "side), or leave it out)\n"},
      {"a default above the longest", [](Topology& t) { t.media->lifetimes.allocation_s = 4000; },
       "/media/lifetimes/allocation_s: found the number 4000 (allowed: at most allocation_most_s, "
       "3600)\n"},
  });
}

TEST(TopologyMedia, M1_M2_TheRealmFitsTheShortestAnswer) {
  const Media none;
  EXPECT_EQ(turn_realm_of(none, "sip.example.com"), "sip.example.com");
  EXPECT_EQ(turn_realm_of(none, "edge1.emea.contoso.example"), "emea.contoso.example");
  EXPECT_EQ(turn_realm_of(none, "edge1.emea2.contoso.example"), "contoso.example");
  EXPECT_EQ(turn_realm_of(none, "edge.a-company-with-a-long-name.example"), "");
  EXPECT_EQ(turn_realm_of(none, "a-box-without-any-domain"), "");
  check({
      {"as long as may be", [](Topology& t) { t.media->turn_realm = "relay.of.example.org"; }, ""},
      {"longer", [](Topology& t) { t.media->turn_realm = "relay.of.example.info"; },
       "/media/turn_realm: found the text \"relay.of.example.info\" (allowed: a name of at most 20 "
       "characters; the answer to a client's shortest first request has room for no more)\n"},
  });
}

TEST(TopologyMedia, M1_M3_ServicesHaveWhatTheyNeed) {
  check({
      {"SIP over UDP",
       [](Topology& t) { t.listeners[0].transport = Transport::udp, t.listeners[0].tls = ""; },
       "/listeners/0/transport: found the text \"udp\" (allowed: tcp or tls; only service av "
       "answers over UDP)\n"},
      {"UDP with TLS", [](Topology& t) { t.listeners[3].tls = "external"; },
       "/listeners/3/tls: found the text \"external\" (allowed: nothing: the transport is udp; "
       "remove it, or set the transport to tls)\n"},
      {"TURN without a pool",
       [](Topology& t) {
         t.media->pools.erase(t.media->pools.begin());
         t.listeners.erase(t.listeners.begin() + 4, t.listeners.begin() + 7);
       },
       "/listeners/3/service: found the text \"av\" (allowed: a service that has what it needs; "
       "add a pool with use turn to /media/pools: TURN relays from its ports)\n"},
      {"TURN without media",
       [](Topology& t) {
         t.media.reset();
         t.partners[0].media = MediaHandling::pass;
         t.listeners.resize(4);
       },
       "/listeners/3/service: found the text \"av\" (allowed: a service that has what it needs; "
       "add /media)\n"},
      {"TURN without a certificate", [](Topology& t) { t.media->certificates.clear(); },
       "/media/certificates: found an empty list (allowed: the id of the A/V authentication "
       "certificate; keys of TURN's credentials follow from its private key)\n"},
      {"UDP and TCP of one port", [](Topology& t) { t.listeners[5].port = 3478; }, ""},
      {"UDP of an access port", [](Topology& t) { t.listeners[3].port = 5061; },
       "/listeners/3/port: found the number 5061 (allowed: a port that is free on 10.1.0.1; "
       "/listeners/0 has it; an address and port has one service)\n"},
      {"A/V authentication without TLS",
       [](Topology& t) { t.listeners[7].transport = Transport::tcp, t.listeners[7].tls = ""; },
       "/listeners/7/transport: found the text \"tcp\" (allowed: tls: internal servers are known "
       "by their certificates)\n"},
      {"A/V authentication of anybody",
       [](Topology& t) { t.tls_contexts[1].client_certificate = ClientCertificate::optional; },
       "/listeners/7/tls: found the text \"internal\" (allowed: a TLS context with "
       "client_certificate required; internal servers are known by their certificates)\n"},
      {"R5: A/V authentication without an associated pool",
       [](Topology& t) { t.next_hop_pools[0].media_edge = false; },
       "/listeners/7/service: found the text \"mras\" (allowed: a service that somebody may ask; "
       "associate an internal pool with this edge: \"media_edge\": true in /next_hop_pools)\n"},
      {"A/V authentication without a relay",
       [](Topology& t) {
         t.listeners.erase(t.listeners.begin() + 3, t.listeners.begin() + 7);
         t.edge_pool->services.pop_back();
       },
       "/listeners/3/service: found the text \"mras\" (allowed: a service that has what it tells "
       "of; add a listener of service av: the relay that clients are told to use)\n"},
      {"a pool's service without a listener", [](Topology& t) { t.listeners.resize(3); },
       "/edge_pool/services/1: found the text \"av\" (allowed: a service that a listener has; add "
       "a listener of service av)\n"},
      {"SIP to a host over UDP",
       [](Topology& t) { t.partners[0].transport = Transport::udp, t.partners[0].tls = ""; },
       "/partners/0/transport: found the text \"udp\" (allowed: tls or tcp; SIP goes over TLS or "
       "TCP)\n"},
  });
}

TEST(TopologyMedia, M4_AnchoredHostsHavePortsOnBothSides) {
  check({
      {"no ports on the other side", [](Topology& t) { t.media->pools.pop_back(); },
       "/next_hop_pools/0/members/0/realm: found the text \"inside\" (allowed: a realm with ports "
       "for anchored calls: inside has none; add a pool with use anchor in realm inside to "
       "/media/pools: /partners/0 asks for anchoring, and a call has a leg on each side)\n"},
      {"no ports on its own side",
       [](Topology& t) { t.media->pools.erase(t.media->pools.begin() + 1); },
       "/partners/0/media: found the text \"anchor\" (allowed: a realm with ports for anchored "
       "calls: outside has none; add a pool with use anchor in realm outside to /media/pools: "
       "/partners/0 asks for anchoring, and a call has a leg on each side)\n"},
      {"IPv4 ports for an IPv6 host",
       [](Topology& t) {
         t.media->pools[1].addresses.pop_back();
         t.partners[0].addresses = {ip("fd00:1::2")};
       },
       "/partners/0/addresses: found IPv6 only (allowed: an IP version that realm outside's pools "
       "for anchoring have; add an IPv6 address to such a pool)\n"},
      {"a host of both versions",
       [](Topology& t) {
         t.media->pools[1].addresses.pop_back();
         t.partners[0].addresses.push_back(ip("fd00:1::2"));
       },
       ""},
      {"ICE without anchoring",
       [](Topology& t) { t.next_hop_pools[0].members[1].ice = IceHandling::relay_only; },
       "/next_hop_pools/0/members/1/ice: found the text \"relay_only\" beside media pass (allowed: "
       "strip; ICE is touched only where media is anchor: set that, or leave it out)\n"},
      {"two handlings of a host",
       [](Topology& t) {
         t.partners.push_back(t.partners[0]);
         t.partners[1].domain = "other.example";
         t.partners[1].latch_v4 = 24;
       },
       "/partners/1: found another handling of media than elsewhere for sip.partner.example "
       "(allowed: one handling of a host, wherever it stands; give media, ice, latch_v4 and "
       "latch_v6 the same values)\n"},
      {"a route's host",
       [](Topology& t) {
         t.partners[0].media = MediaHandling::pass;
         t.static_routes[0].next_hop->media = MediaHandling::anchor;
         t.media->pools.pop_back();
       },
       "/next_hop_pools/0/members/0/realm: found the text \"inside\" (allowed: a realm with ports "
       "for anchored calls: inside has none; add a pool with use anchor in realm inside to "
       "/media/pools: /static_routes/0/next_hop asks for anchoring, and a call has a leg on each "
       "side)\n"},
  });
}

TEST(TopologyMedia, M5_PeerRulesAreNetworks) {
  check({
      {"bits behind the length",
       [](Topology& t) { t.media->peer_rules[0].prefix = *Prefix::parse("10.9.0.1/16"); },
       "/media/peer_rules/0/prefix: found the text \"10.9.0.1/16\" (allowed: a network: no bits "
       "behind the first 16)\n"},
      {"twice", [](Topology& t) { t.media->peer_rules.push_back(t.media->peer_rules[0]); },
       "/media/peer_rules/1/prefix: found the text \"10.9.0.0/16\" (allowed: each network once; "
       "/media/peer_rules/0 has it)\n"},
  });
}

TEST(TopologyMedia, M1_AlternatesAreOtherEdges) {
  check({
      {"ourselves", [](Topology& t) { t.media->alternate_servers[0].address = ip("198.51.100.1"); },
       "/media/alternate_servers/0/address: found the text \"198.51.100.1\", one of this "
       "appliance's own addresses (allowed: the address of another edge)\n"},
      {"two of a version",
       [](Topology& t) { t.media->alternate_servers.push_back({ip("198.51.100.8"), 3478}); },
       "/media/alternate_servers/1/address: found the text \"198.51.100.8\" (allowed: one server "
       "of each IP version)\n"},
      {"nobody", [](Topology& t) { t.media->alternate_servers[0].address = ip("0.0.0.0"); },
       "/media/alternate_servers/0/address: found the text \"0.0.0.0\" (allowed: the address of "
       "another edge)\n"},
  });
}

TEST(TopologyMedia, C2_TheCertificateIsImported) {
  Environment env;
  env.has_certificate = [](const std::string& id) { return id != "av"; };
  EXPECT_EQ(after([](Topology&) {}, env),
            "/media/certificates/0: found the text \"av\" (allowed: the id of an imported "
            "certificate; import it first, or correct the id)\n");
}

}  // namespace
}  // namespace fedge::topology
