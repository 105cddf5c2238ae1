// Wire and taps against the kernel, in namespaces of the test's own. Needs root.
#include <linux/rtnetlink.h>

#include <algorithm>

#include "firmware/init/sysctl.h"
#include "firmware/init/taps.h"
#include "tests/unit/init/network_test.h"

namespace fedge::init {
namespace {

using netlink::Inside;
using netlink::Link;
using netlink::NetworkNamespace;
using netlink::Socket;

TEST_F(NetworkTest, PortsMoveInAndBack) {
  const auto mac = find("p0")->mac;
  auto wire = Wire::open(name, ports);
  ASSERT_TRUE(wire) << wire.error().text();
  EXPECT_FALSE(find("p0"));
  ASSERT_NE(wire->find("port0"), nullptr);
  EXPECT_EQ(wire->find("port0")->mac, mac);
  EXPECT_EQ(wire->find("port9"), nullptr);
  {
    const Inside there(wire->space());
    ASSERT_TRUE(find("p1"));
    EXPECT_TRUE(find("p1")->up);
    EXPECT_EQ(*read_file("/proc/sys/net/ipv6/conf/p1/disable_ipv6"), "1\n");
  }
  ASSERT_TRUE(wire->raise_mtu(*wire->find("port0"), 3000));
  wire->close();
  EXPECT_TRUE(find("p0"));
  EXPECT_TRUE(find("p1"));
  EXPECT_FALSE(NetworkNamespace::exists(name + "-wire"));
}

TEST_F(NetworkTest, WhatACrashLeftIsFoundAgain) {
  ASSERT_TRUE(Wire::open(name, ports));  // and never closed
  const auto fewer = std::vector<board::Port>{{"port1", "p1"}};
  auto wire = Wire::open(name, fewer);
  ASSERT_TRUE(wire) << wire.error().text();
  EXPECT_TRUE(find("p0")) << "a port that is not of this configuration goes back";
  EXPECT_FALSE(find("p1"));
  wire->close();
}

TEST_F(NetworkTest, AMissingInterfaceIsNamedAndTheOthersGoBack) {
  const auto wire = Wire::open(name, {{"port0", "p0"}, {"port1", "nowhere"}});
  ASSERT_FALSE(wire);
  EXPECT_NE(wire.error().text().find("port port1: there is no interface nowhere"),
            std::string::npos);
  EXPECT_TRUE(find("p0"));
}

TapPlan plan(const std::string& realm, std::vector<const char*> addresses,
             std::vector<std::pair<const char*, const char*>> routes = {}) {
  TapPlan out{
      .realm = realm, .device = "port0", .mac = {2, 0, 0, 0, 0, 7}, .addresses = {}, .routes = {}};
  for (const char* a : addresses) out.addresses.push_back(*Prefix::parse(a));
  for (const auto& [to, via] : routes) {
    out.routes.push_back({*Prefix::parse(to), *IpAddress::parse(via)});
  }
  return out;
}

struct TapsTest : NetworkTest {
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped()) return;
    auto opened = Taps::open(name);
    ASSERT_TRUE(opened) << opened.error().text();
    taps = std::move(*opened);
  }
  // As a publish does.
  void apply(const std::vector<TapPlan>& plans) {
    for (const auto& done : {taps.add(plans), taps.remove_others(plans), taps.add(plans)}) {
      EXPECT_TRUE(done) << done.error().text();
    }
  }
  std::optional<Link> tap(const std::string& realm) {
    const Inside there(taps.space());
    return find(realm);
  }
  std::vector<std::string> addresses(const std::string& realm) {
    const Inside there(taps.space());
    auto socket = Socket::open();
    std::vector<std::string> out;
    const auto list = list_addresses(*socket, *find(realm));
    for (const auto& a : *list) {
      if (a.scope != RT_SCOPE_LINK) out.push_back(a.prefix.text());
    }
    std::ranges::sort(out);
    return out;
  }
  std::vector<std::string> routes(const std::string& realm) {
    const Inside there(taps.space());
    auto socket = Socket::open();
    std::vector<std::string> out;
    const auto link = find(realm);
    const auto list = list_routes(*socket, &*link);
    for (const auto& r : *list) {
      if (r.protocol == RTPROT_STATIC) out.push_back(r.to.text() + " " + r.via.text());
    }
    std::ranges::sort(out);
    return out;
  }
  Taps taps;
};

using Texts = std::vector<std::string>;

TEST_F(TapsTest, ANewRealmIsMadeWhole) {
  apply({plan("outside", {"192.0.2.1/24", "2001:db8::1/64"},
              {{"0.0.0.0/0", "192.0.2.254"}, {"::/0", "2001:db8::ffff"}})});
  const auto link = tap("outside");
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->up);
  EXPECT_TRUE(link->carrier) << "without any fast path";
  EXPECT_EQ(netlink::text_of(link->mac), "02:00:00:00:00:07");
  EXPECT_EQ(addresses("outside"), (Texts{"192.0.2.1/24", "2001:db8::1/64"}));
  EXPECT_EQ(routes("outside"), (Texts{"0.0.0.0/0 192.0.2.254", "::/0 2001:db8::ffff"}));
  const Inside there(taps.space());
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/conf/outside/rp_filter"), "0\n");
  EXPECT_TRUE(find("lo")->up);
}

TEST_F(TapsTest, M1_TheKernelLeavesMediasPortsAlone) {
  const auto reserved = [&] {
    const Inside there(taps.space());
    return *read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
  };
  EXPECT_TRUE(taps.reserve_ports("3478,20000-29999"));
  EXPECT_EQ(reserved(), "3478,20000-29999\n");
  EXPECT_TRUE(taps.reserve_ports("3478"));
  EXPECT_EQ(reserved(), "3478\n");
}

TEST_F(TapsTest, M2_NeighboursAreLookedForAndGivenUp) {
  apply({plan("outside", {"192.0.2.1/24", "2001:db8::1/64"})});
  const auto is_there = [&](const char* address) {
    const Inside there(taps.space());
    auto socket = Socket::open();
    const auto list = list_neighbours(*socket, nullptr);
    return std::ranges::count(*list, *IpAddress::parse(address), &netlink::Neighbour::address) != 0;
  };
  for (const char* address : {"192.0.2.9", "2001:db8::9"}) {
    const IpAddress neighbour = *IpAddress::parse(address);
    const auto done = taps.look_for("outside", neighbour);
    EXPECT_TRUE(done) << done.error().text();
    EXPECT_TRUE(is_there(address));
    EXPECT_TRUE(taps.give_up("outside", neighbour));
    EXPECT_FALSE(taps.look_for("nowhere", neighbour));
  }
}

TEST_F(TapsTest, ChangesAreAppliedByDifference) {
  const auto inside_plan = plan("inside", {"10.0.0.1/24"});
  apply({plan("outside", {"192.0.2.1/24", "192.0.2.9/24"}, {{"0.0.0.0/0", "192.0.2.254"}}),
         inside_plan});
  const uint32_t index = tap("outside")->index;
  auto queue = taps.open_queue("outside");
  ASSERT_TRUE(queue);
  auto changed =
      plan("outside", {"192.0.2.9/24", "198.51.100.1/24"}, {{"10.9.0.0/16", "198.51.100.2"}});
  changed.mtu = 1400;
  apply({changed, inside_plan});
  EXPECT_EQ(tap("outside")->index, index);
  EXPECT_EQ(tap("outside")->mtu, 1400u);
  EXPECT_EQ(addresses("outside"), (Texts{"192.0.2.9/24", "198.51.100.1/24"}));
  EXPECT_EQ(routes("outside"), (Texts{"10.9.0.0/16 198.51.100.2"}));
  EXPECT_EQ(addresses("inside"), (Texts{"10.0.0.1/24"}));
  apply({inside_plan});
  EXPECT_FALSE(tap("outside"));
}

TEST_F(TapsTest, APrefixChangesItsLength) {
  apply({plan("outside", {"192.0.2.1/24", "2001:db8::1/64"})});
  apply({plan("outside", {"192.0.2.1/16", "2001:db8::1/48"})});
  EXPECT_EQ(addresses("outside"), (Texts{"192.0.2.1/16", "2001:db8::1/48"}));
}

TEST_F(TapsTest, AnAddressMovesToAnotherRealm) {
  apply({plan("one", {"192.0.2.1/24", "2001:db8::1/64"}), plan("two", {})});
  apply({plan("one", {}), plan("two", {"192.0.2.1/24", "2001:db8::1/64"})});
  EXPECT_EQ(addresses("one"), Texts{});
  EXPECT_EQ(addresses("two"), (Texts{"192.0.2.1/24", "2001:db8::1/64"}));
}

TEST_F(TapsTest, RealmsMayShareASubnetAndBothHaveADefault) {
  apply({plan("one", {"192.0.2.1/24"}, {{"0.0.0.0/0", "192.0.2.254"}}),
         plan("two", {"192.0.2.2/24"}, {{"0.0.0.0/0", "192.0.2.254"}})});
  EXPECT_EQ(routes("one"), (Texts{"0.0.0.0/0 192.0.2.254"}));
  EXPECT_EQ(routes("two"), (Texts{"0.0.0.0/0 192.0.2.254"}));
}

TEST_F(TapsTest, TapsOfACrashedRunAreTakenOver) {
  apply({plan("outside", {"192.0.2.1/24"}), plan("old", {})});
  const uint32_t index = tap("outside")->index;
  auto again = Taps::open(name);
  ASSERT_TRUE(again);
  taps = std::move(*again);
  apply({plan("outside", {"192.0.2.2/24"})});
  EXPECT_EQ(tap("outside")->index, index);
  EXPECT_EQ(addresses("outside"), (Texts{"192.0.2.2/24"}));
  EXPECT_FALSE(tap("old"));
  taps.close();
  EXPECT_FALSE(NetworkNamespace::exists(name + "-punt"));
}

TEST_F(TapsTest, OneBadRouteDoesNotStopTheOthers) {
  const std::vector<TapPlan> plans{plan("one", {"192.0.2.1/24"}, {{"10.0.0.0/8", "203.0.113.9"}}),
                                   plan("two", {"10.0.0.1/24"})};
  const auto done = taps.add(plans);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text().find("10.0.0.0/8 via 203.0.113.9"), std::string::npos);
  EXPECT_EQ(addresses("two"), (Texts{"10.0.0.1/24"}));
}

TEST_F(TapsTest, PlansFollowTheRealmsSection) {
  auto wire = Wire::open(name, ports);
  ASSERT_TRUE(wire);
  const std::string good =
      realms_section({{"outside", "port1", {"192.0.2.1/24"}, "192.0.2.254", 1450}});
  auto realms = snapshot::Section<snapshot::Realms>::open(as_bytes(good));
  ASSERT_TRUE(realms) << realms.error().text();
  const auto plans = plan_taps(*realms, *wire);
  ASSERT_TRUE(plans);
  ASSERT_EQ(plans->size(), 1u);
  EXPECT_EQ((*plans)[0].realm, "outside");
  EXPECT_EQ((*plans)[0].mac, wire->find("port1")->mac);
  EXPECT_EQ((*plans)[0].mtu, 1450u);
  EXPECT_EQ((*plans)[0].addresses[0].text(), "192.0.2.1/24");
  EXPECT_EQ((*plans)[0].routes[0].via.text(), "192.0.2.254");
  const std::string other = realms_section({{"outside", "port7", {}, nullptr, 1500}});
  realms = snapshot::Section<snapshot::Realms>::open(as_bytes(other));
  ASSERT_TRUE(realms);
  const auto refused = plan_taps(*realms, *wire);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("device port7, which this box does not have"),
            std::string::npos);
  wire->close();
}

}  // namespace
}  // namespace fedge::init
