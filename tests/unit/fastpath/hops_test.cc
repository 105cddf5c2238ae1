// Where packets leave: routes, neighbours and who is looked for, in virtual time.
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <sys/eventfd.h>

#include "dataplane/fastpath/hops.h"

namespace fedge::fastpath {
namespace {

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

class HopsTest : public testing::Test {
 protected:
  HopsTest() {
    mirror_.set_realms({"outside", "inside"});
    mirror_.on_resync();
    netlink::LinkEvent link{};
    link.link.index = 5;
    link.link.name = "inside";
    mirror_.on_link(link);
    route("10.2.0.0/16", nullptr);
    route("0.0.0.0/0", "10.2.0.254");
    route("10.9.0.0/16", "10.2.0.253", 100);
    route("10.9.0.0/16", "10.2.0.252", 50);
    mirror_.on_synced();
    hops_.refresh(now_);
    use_routes();
  }
  void route(const char* to, const char* via, uint32_t metric = 100, bool gone = false) {
    mirror_.on_route(
        {gone, {5, *Prefix::parse(to), via == nullptr ? IpAddress{} : ip(via), metric, 4}});
  }
  void use_routes() {
    routes_ = RouteTable(++epoch_, mirror_.all_routes());
    hops_.use(&routes_);
  }
  void neighbour(const char* address, uint8_t last, bool gone = false) {
    mirror_.on_neighbour({gone, {5, ip(address), ip::Mac{2, 0, 0, 0, 0, last}, NUD_REACHABLE}});
  }
  // The last octet of the MAC; -1 while it is not known.
  int mac_of(media::NextHopIndex hop) {
    uint64_t word = 0;
    hops_.refresh(now_);
    return hops_.find_mac(hop, word) ? static_cast<int>(word >> 40 & 0xff) : -1;
  }
  std::string wanted() {
    std::string out;
    Report report;
    while (reports_.pop(report)) {
      EXPECT_EQ(report.kind, Report::Kind::neighbour_wanted);
      EXPECT_EQ(report.realm, 1);
      out += report.address.text() + " ";
    }
    return out;
  }

  Fd event_{::eventfd(0, EFD_NONBLOCK)};
  Mirror mirror_{7, [](uint16_t, const IpAddress&) { return true; }};
  Reports reports_{event_.get()};
  Hops hops_{mirror_, reports_};
  RouteTable routes_;
  uint32_t epoch_ = 0;
  Instant now_ = Instant{} + 100s;
};

TEST_F(HopsTest, M2_TheLongestPrefixAndTheLowestMetricDecide) {
  neighbour("10.2.0.9", 9);
  neighbour("10.2.0.252", 52);
  neighbour("10.2.0.254", 54);
  EXPECT_EQ(mac_of(hops_.resolve(1, ip("10.2.0.9"))), 9);
  EXPECT_EQ(mac_of(hops_.resolve(1, ip("10.9.1.1"))), 52);
  EXPECT_EQ(mac_of(hops_.resolve(1, ip("192.0.2.1"))), 54);
  EXPECT_EQ(hops_.resolve(1, ip("192.0.2.1")), hops_.resolve(1, ip("198.51.100.1")));
  EXPECT_EQ(hops_.resolve(1, ip("2001:db8::1")), media::kNoNextHop);
  EXPECT_EQ(hops_.resolve(0, ip("10.2.0.9")), media::kNoNextHop);
  EXPECT_EQ(hops_.resolve(7, ip("10.2.0.9")), media::kNoNextHop);
  EXPECT_EQ(mac_of(media::kNoNextHop), -1);
}

TEST_F(HopsTest, M2_FollowsWhatTheKernelFindsOut) {
  const auto hop = hops_.resolve(1, ip("10.2.0.9"));
  EXPECT_EQ(mac_of(hop), -1);
  neighbour("10.2.0.9", 9);
  EXPECT_EQ(mac_of(hop), 9);
  neighbour("10.2.0.9", 10);
  EXPECT_EQ(mac_of(hop), 10);
  neighbour("10.2.0.9", 10, true);
  EXPECT_EQ(mac_of(hop), -1);
}

TEST_F(HopsTest, M2_AsksForANeighbourOnceAndThenOnceASecond) {
  const auto hop = hops_.resolve(1, ip("192.0.2.1"));
  (void)hops_.resolve(1, ip("192.0.2.2"));
  EXPECT_EQ(wanted(), "10.2.0.254 ");
  EXPECT_EQ(mac_of(hop), -1);
  EXPECT_EQ(wanted(), "");
  now_ += Hops::kAgain;
  EXPECT_EQ(mac_of(hop), -1);
  EXPECT_EQ(hops_.resolve(1, ip("192.0.2.1")), hop);
  EXPECT_EQ(hops_.resolve(1, ip("192.0.2.3")), hop);
  EXPECT_EQ(wanted(), "10.2.0.254 ");
  // One that the kernel knows is asked for as well: it shall stay known.
  neighbour("10.2.0.9", 9);
  EXPECT_EQ(mac_of(hops_.resolve(1, ip("10.2.0.9"))), 9);
  EXPECT_EQ(wanted(), "10.2.0.9 ");
}

TEST_F(HopsTest, M2_OtherRoutesMakeEverybodyAskAnew) {
  neighbour("10.2.0.253", 53);
  neighbour("10.2.0.252", 52);
  const auto before = hops_.resolve(1, ip("10.9.1.1"));
  EXPECT_TRUE(mirror_.take_changed_routes());
  route("10.9.0.0/16", "10.2.0.252", 50, true);
  EXPECT_TRUE(mirror_.take_changed_routes());
  EXPECT_FALSE(mirror_.take_changed_routes());
  use_routes();
  EXPECT_EQ(mac_of(before), -1);
  EXPECT_EQ(mac_of(hops_.resolve(1, ip("10.9.1.1"))), 53);
}

TEST_F(HopsTest, M2_HasRoomForSomeAndBeginsAnewBeyond) {
  const auto first = hops_.resolve(1, ip("10.2.0.1"));
  neighbour("10.2.0.1", 1);
  EXPECT_EQ(mac_of(first), 1);
  for (uint32_t i = 0; i < Hops::kMost; ++i) {
    const auto address = IpAddress::v4(0x0a020100u + i);
    EXPECT_NE(hops_.resolve(1, address), media::kNoNextHop);
  }
  EXPECT_EQ(mac_of(first), -1);
  EXPECT_EQ(mac_of(hops_.resolve(1, ip("10.2.0.1"))), 1);
}

TEST(Reports, M2_TakesNoMoreThanItHasRoomFor) {
  const Fd event(::eventfd(0, EFD_NONBLOCK));
  Reports reports(event.get());
  uint64_t pushed = 0;
  while (reports.push({.kind = Report::Kind::anchor_ended, .address = {}, .id = pushed})) ++pushed;
  EXPECT_EQ(pushed, 1024u);
  Report report;
  for (uint64_t i = 0; i < pushed; ++i) {
    ASSERT_TRUE(reports.pop(report));
    EXPECT_EQ(report.id, i);
  }
  EXPECT_FALSE(reports.pop(report));
}

}  // namespace
}  // namespace fedge::fastpath
