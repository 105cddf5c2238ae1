// The media section, and what hosts and peers say of media.
#include <gtest/gtest.h>

#include "firmware/control/compiler.h"
#include "firmware/snapshot/reader.h"
#include "tests/unit/topology/sample.h"

namespace fedge::control {
namespace {

using snapshot::Kind;
using snapshot::Section;
using topology::media_sample;
using topology::Topology;

class Certificates final : public CertificateSource {
 public:
  std::vector<Version> certificate(const std::string& id) const override {
    return {{{id + "-leaf"}, 1, 0}};
  }
  std::vector<TokenVersion> token_keys(const std::string& id) const override {
    if (id == "av") return {{token_key_of(6), 60, 100, 5000}, {token_key_of(7), 70, 900, 9000}};
    return {{token_key_of(8), 80, 500, 9000}};
  }
  std::vector<std::string> trust(const std::string& id) const override { return {id}; }
};

template <class Root>
struct Opened {
  Compiled compiled;
  Section<Root> section;
};
template <class Root>
Opened<Root> open(const Topology& t, int64_t now = 0) {
  Opened<Root> out;
  auto compiled = compile(t, Certificates(), WallTime(std::chrono::seconds(now)));
  if (!compiled) {
    ADD_FAILURE() << compiled.error().text();
    return out;
  }
  out.compiled = std::move(*compiled);
  out.section = *Section<Root>::open(as_bytes(out.compiled.sections.at(Root::kKind)));
  return out;
}

TEST(MediaCompiler, M1_PoolsQuotasAndLifetimes) {
  const auto [compiled, media] = open<snapshot::Media>(media_sample());
  const snapshot::Media& root = media.root();
  EXPECT_EQ(media.text(root.turn_realm), "sip.example.com");
  const auto pools = media.items(root.pools);
  ASSERT_EQ(pools.size(), 3u);
  EXPECT_EQ(pools[0].use, snapshot::PoolUse::turn);
  EXPECT_EQ(media.items(pools[0].addresses)[1].text(), "fd00:1::1");
  EXPECT_EQ(pools[0].last_port, 59999);
  EXPECT_EQ(pools[2].realm, 1);
  EXPECT_EQ(pools[2].use, snapshot::PoolUse::anchor);
  EXPECT_EQ(root.max_sessions, 23018u);
  EXPECT_EQ(root.kbps_per_session, 3000u);
  EXPECT_EQ(root.kbps_per_user, 10000u);
  EXPECT_EQ(root.credential_minutes, 480u);
  EXPECT_EQ(root.lifetime_default_s, 600u);
  EXPECT_EQ(root.nonce_s, 3600u);
  EXPECT_EQ(root.silence_s, 300u);
  EXPECT_EQ(root.draining, 0);
  EXPECT_EQ(media.items(root.peer_rules)[0].prefix.text(), "10.9.0.0/16");
  EXPECT_EQ(media.items(root.peer_rules)[0].allow, 1);
  EXPECT_EQ(media.items(root.alternates)[0].text(), "198.51.100.9:3478");
}

TEST(MediaCompiler, M1_WhatIsConfiguredStandsThere) {
  Topology t = media_sample();
  t.media->turn_realm = "rtcmedia";
  t.media->quotas.sessions = 17;
  t.media->draining = t.media->anchoring.relatch = true;
  t.media->credentials.minutes = 1;
  const auto [compiled, media] = open<snapshot::Media>(t);
  EXPECT_EQ(media.text(media.root().turn_realm), "rtcmedia");
  EXPECT_EQ(media.root().max_sessions, 17u);
  EXPECT_EQ(media.root().draining, 1);
  EXPECT_EQ(media.root().relatch, 1);
  EXPECT_EQ(media.root().credential_minutes, 1u);
}

TEST(MediaCompiler, C3_TokenKeysOfAllCertificatesByTime) {
  Topology t = media_sample();
  t.media->certificates.push_back("av-2");
  const auto ids = [&](int64_t now) {
    const auto opened = open<snapshot::Media>(t, now);
    std::vector<uint32_t> out;
    for (const auto& key : opened.section.items(opened.section.root().token_keys)) {
      out.push_back(key.id);
    }
    return out;
  };
  EXPECT_EQ(ids(0), (std::vector{60u, 80u, 70u}));
  EXPECT_EQ(ids(1000), (std::vector{60u, 80u, 70u})) << "the old one verifies until it expires";
  EXPECT_EQ(ids(5000), (std::vector{80u, 70u}));
  const auto opened = open<snapshot::Media>(t);
  const auto keys = opened.section.items(opened.section.root().token_keys);
  EXPECT_EQ(keys[0].key, token_key_of(6));
  EXPECT_EQ(keys[0].effective_from, 100);
  EXPECT_EQ(keys[0].expires, 5000);
}

TEST(MediaCompiler, M4_APoolForLessThanOneStreamCompiles) {
  Topology t = topology::sample();
  t.media = topology::Media();
  t.media->pools = {
      {"inside", {*IpAddress::parse("10.2.0.1")}, 60000, 60001, snapshot::PoolUse::anchor}};
  EXPECT_EQ(open<snapshot::Media>(t).section.root().max_sessions, 1u);
}

TEST(MediaCompiler, M1_WithoutMediaThereIsNothing) {
  const auto [compiled, media] = open<snapshot::Media>(topology::sample());
  EXPECT_EQ(media.root().pools.count, 0u);
  EXPECT_EQ(media.root().token_keys.count, 0u);
}

TEST(MediaCompiler, M1_ListenersOfMedia) {
  const auto [compiled, listeners] = open<snapshot::Listeners>(media_sample());
  const auto list = listeners.items(listeners.root().listeners);
  ASSERT_EQ(list.size(), 8u);
  EXPECT_EQ(list[4].transport, snapshot::Transport::udp);
  EXPECT_EQ(list[4].tls_context, snapshot::kNone16);
  EXPECT_EQ(list[4].endpoint.text(), "[fd00:1::1]:3478");
  EXPECT_EQ(list[7].service, snapshot::Service::mras);
  EXPECT_EQ(list[7].tls_context, 1);
}

TEST(MediaCompiler, M4_HostsSayHowTheirMediaIsHandled) {
  Topology t = media_sample();
  t.partners[0].ice = snapshot::IceHandling::relay_only;
  t.partners[0].latch_v4 = 24;
  t.static_routes[0].next_hop->latch_v6 = 48;
  const auto [compiled, routing] = open<snapshot::Routing>(t);
  const auto hops = routing.items(routing.root().next_hops);
  ASSERT_EQ(hops.size(), 4u);
  EXPECT_EQ(hops[0].media, snapshot::MediaHandling::pass);
  EXPECT_EQ(hops[0].latch_v4, 32);
  EXPECT_EQ(hops[0].latch_v6, 64);
  const snapshot::NextHop& partner = hops[2];
  EXPECT_EQ(routing.text(partner.host), "sip.partner.example");
  EXPECT_EQ(partner.media, snapshot::MediaHandling::anchor);
  EXPECT_EQ(partner.ice, snapshot::IceHandling::relay_only);
  EXPECT_EQ(partner.latch_v4, 24);
  EXPECT_EQ(hops[3].latch_v6, 48);
}

TEST(MediaCompiler, R5_PeersOfAssociatedPoolsAreMarked) {
  Topology t = media_sample();
  topology::NextHopPool other = t.next_hop_pools[0];
  other.name = "other";
  other.media_edge = false;
  other.members[1].host = "fe3.example.com";
  t.next_hop_pools.push_back(other);
  const auto [compiled, routing] = open<snapshot::Routing>(t);
  std::map<std::string_view, int> marks;
  for (const snapshot::Peer& peer : routing.items(routing.root().peers)) {
    marks[routing.text(peer.name)] = peer.media_edge;
  }
  EXPECT_EQ(marks.at("fe1.example.com"), 1) << "of both pools";
  EXPECT_EQ(marks.at("fe2.example.com"), 1);
  EXPECT_EQ(marks.at("fe3.example.com"), 0);
  EXPECT_EQ(marks.at("sip.partner.example"), 0);
}

}  // namespace
}  // namespace fedge::control
