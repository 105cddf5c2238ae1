#include "firmware/topology/diff.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "firmware/topology/pattern.h"
#include "tests/unit/topology/sample.h"

namespace fedge::topology {
namespace {

using enum Change::Kind;

TEST(TopologyDiff, P1_NothingChanged) {
  EXPECT_TRUE(diff(sample(), sample()).empty());
  Topology t = sample();
  std::ranges::reverse(t.realms);  // order has no meaning where items have names
  EXPECT_TRUE(diff(sample(), t).empty());
}

TEST(TopologyDiff, P1_ItemsAreMatchedByName) {
  Topology t = sample();
  std::ranges::reverse(t.realms);
  t.realms[1].mtu = 1400;
  t.realms[0].name = "core";
  const auto changes = diff(sample(), t);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].kind, removed);
  EXPECT_EQ(changes[0].path, "/realms/inside");
  EXPECT_EQ(changes[1].kind, added);
  EXPECT_EQ(changes[1].path, "/realms/core");
  EXPECT_EQ(changes[2], (Change{changed, "/realms/outside/mtu", "1500", "1400"}));
}

TEST(TopologyDiff, P1_ValuesAndOptionalParts) {
  Topology t = sample();
  t.presence_domains = {"example.org"};
  t.resolver.reset();
  t.edge_pool->federation = false;
  const auto changes = diff(sample(), t);
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0], (Change{removed, "/presence_domains", "\"example.com\"", ""}));
  EXPECT_EQ(changes[1], (Change{added, "/presence_domains", "", "\"example.org\""}));
  EXPECT_EQ(changes[2], (Change{changed, "/edge_pool/federation", "true", "false"}));
  EXPECT_EQ(changes[3], (Change{removed, "/resolver",
                                R"({"servers":["10.1.0.53"],"port":53,"realm":"outside"})", ""}));
}

TEST(TopologyDiff, R3_OrderOfAddressesIsAChange) {
  Topology t = sample();
  std::ranges::reverse(t.next_hop_pools[0].members[0].addresses);
  const auto changes = diff(sample(), t);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].path, "/next_hop_pools/frontend/members/fe1.example.com:5061/addresses");
  EXPECT_EQ(changes[0].after, R"(["fd00:2::2","10.2.0.2"])");
}

TEST(Pattern, R2_ReversedAndPlainAreOne) {
  const auto domain = [](std::string_view text) {
    return normal_pattern(text, RouteType::domain).value_or("-");
  };
  EXPECT_EQ(domain(".com.domaina"), "domaina.com");
  EXPECT_EQ(domain(".com.domaina.lyncserver"), "lyncserver.domaina.com");
  EXPECT_EQ(domain("DomainA.com"), "domaina.com");
  EXPECT_EQ(domain("*.sip.com"), "*.sip.com");
  EXPECT_EQ(domain(".com.sip.*"), "*.sip.com");
  EXPECT_EQ(domain("com"), "com");
  for (const std::string_view bad :
       {"", ".", "..", ".com.", "a..b", "*", "*.", ".*", "a.*.b", "*.*.com", "-a.com", "a_b.com",
        "*.10.1.0.1", "a@b.com", "10.1.0", "[2001:db8::1]", "2001:db8:::1"}) {
    EXPECT_EQ(domain(bad), "-") << bad;
  }
  EXPECT_EQ(domain(std::string(400, 'a')), "-");
}

TEST(Pattern, R2_AnAddressIsADestinationInItsOneSpelling) {
  EXPECT_EQ(normal_pattern("10.1.0.1", RouteType::domain), "10.1.0.1");
  EXPECT_EQ(normal_pattern("2001:DB8:0::10", RouteType::domain), "2001:db8::10");
  EXPECT_EQ(normal_pattern("Bob@2001:DB8:0::10", RouteType::user), "bob@2001:db8::10");
}

TEST(Pattern, R2_UsersHaveADomain) {
  const auto user = [](std::string_view text) {
    return normal_pattern(text, RouteType::user).value_or("-");
  };
  EXPECT_EQ(user("Alice@Example.com"), "alice@example.com");
  EXPECT_EQ(user("+1-555;x=1@example.com"), "+1-555;x=1@example.com");
  for (const std::string_view bad :
       {"", "@example.com", "alice@", "example.com", "a b@example.com", "a@b@example.com"}) {
    EXPECT_EQ(user(bad), "-") << bad;
  }
}

TEST(TopologyDiff, R2_ListsTheFirstChangesAndCountsAll) {
  Topology t = sample();
  const size_t before = t.static_routes.size();
  for (int i = 0; i < 10; ++i) {
    StaticRoute route;
    route.pattern = "d" + std::to_string(i) + ".example";
    route.next_hop_pool = "pool";
    t.static_routes.push_back(route);
  }
  size_t all = 0;
  const auto changes = diff(sample(), t, 3, all);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(all, 10u);
  EXPECT_TRUE(changes[0].path.starts_with("/static_routes/d0.example"));
  EXPECT_EQ(t.static_routes.size(), before + 10);
}

}  // namespace
}  // namespace fedge::topology
