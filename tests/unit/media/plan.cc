// What a plan says of addresses: whom a client may have relayed to (M5), and which are ours.
#include "dataplane/media/plan.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/media/site.h"

namespace fedge::media::test {
namespace {

PeerVerdict judge(const Site& site, std::string_view peer) {
  return site.plan().judge_peer(to_ip(peer));
}

TEST(PeerPolicy, M5_denies_what_the_conformance_list_names) {
  std::ifstream list("../shared/conformance/stun/denied-peers.tsv");
  if (!list) GTEST_SKIP() << "the list is not here";
  const Site site({});
  std::string line;
  int denied = 0;
  while (std::getline(list, line)) {
    const auto address = IpAddress::parse(line.substr(0, line.find('\t')));
    if (!address) continue;
    EXPECT_EQ(site.plan().judge_peer(*address), PeerVerdict::denied) << line;
    ++denied;
  }
  EXPECT_GE(denied, 30);
}

TEST(PeerPolicy, M5_denies_own_addresses_and_reaches_relay_addresses_inside) {
  Options options;
  options.public_address = "11.0.0.9";
  const Site site(options);
  EXPECT_EQ(judge(site, Site::kServer), PeerVerdict::denied);
  EXPECT_EQ(judge(site, Site::kServer6), PeerVerdict::denied);
  EXPECT_EQ(judge(site, "9.9.0.1"), PeerVerdict::our_relay);
  EXPECT_EQ(judge(site, "11.0.0.9"), PeerVerdict::our_relay);
  EXPECT_EQ(judge(site, "8.8.8.8"), PeerVerdict::allowed);
  EXPECT_EQ(judge(site, "2a00::1"), PeerVerdict::allowed);
}

TEST(PeerPolicy, M5_judges_translated_addresses_by_what_is_behind_them) {
  const Site site({});
  EXPECT_EQ(judge(site, "64:ff9b::808:808"), PeerVerdict::allowed);
  EXPECT_EQ(judge(site, "64:ff9b::a00:1"), PeerVerdict::denied);
  EXPECT_EQ(judge(site, "64:ff9b::909:1"), PeerVerdict::denied) << "our relay, by a way around";
  EXPECT_EQ(judge(site, "64:ff9b::908:1"), PeerVerdict::denied);
}

TEST(PeerPolicy, M5_lets_the_longest_rule_decide) {
  Options options;
  options.rules = {{*Prefix::parse("0.0.0.0/0"), 1},    {*Prefix::parse("10.0.0.0/8"), 1},
                   {*Prefix::parse("10.7.0.0/16"), 0},  {*Prefix::parse("8.8.8.0/24"), 0},
                   {*Prefix::parse("127.0.0.1/32"), 1}, {*Prefix::parse("9.8.0.1/32"), 1}};
  const Site site(options);
  EXPECT_EQ(judge(site, "10.1.1.1"), PeerVerdict::allowed);
  EXPECT_EQ(judge(site, "10.7.1.1"), PeerVerdict::denied);
  EXPECT_EQ(judge(site, "8.8.8.8"), PeerVerdict::denied);
  EXPECT_EQ(judge(site, "192.168.1.1"), PeerVerdict::denied) << "a wide rule opens no private net";
  EXPECT_EQ(judge(site, "127.0.0.1"), PeerVerdict::denied) << "no rule opens loopback";
  EXPECT_EQ(judge(site, Site::kServer), PeerVerdict::denied) << "nor our own services";
}

TEST(Plan, M1_finds_addresses_by_port_tag_and_octets) {
  Options options;
  options.addresses = 50;
  const Site site(options);
  const Plan& plan = site.plan();
  for (size_t i = 0; i < plan.locals().size(); ++i) {
    const LocalAddress& local = plan.locals()[i];
    EXPECT_EQ(plan.find_local(local.port, local.vlan, local.address), static_cast<int>(i));
    EXPECT_EQ(plan.find_local(static_cast<uint16_t>(local.port + 1), local.vlan, local.address),
              -1);
    EXPECT_EQ(plan.find_local(local.port, 99, local.address), -1);
  }
  EXPECT_EQ(plan.find_local(0, 0, to_address("9.9.1.1")), -1);
  EXPECT_EQ(Plan::none()->find_local(0, 0, to_address("9.9.0.1")), -1);
}

TEST(Plan, M1_numbers_the_ports_of_all_pools_without_overlap) {
  Options options;
  options.addresses = 3;
  const Site site(options);
  std::vector<bool> taken(site.plan().slots());
  for (const RelayRange& range : site.plan().ranges()) {
    for (uint32_t port = range.first_port; port <= range.last_port; ++port) {
      const uint32_t slot = range.first_slot + port - range.first_port;
      ASSERT_LT(slot, taken.size());
      EXPECT_FALSE(taken[slot]);
      taken[slot] = true;
      EXPECT_EQ(slot, site.plan().locals()[range.local].slot(static_cast<uint16_t>(port)));
    }
  }
}

}  // namespace
}  // namespace fedge::media::test
