// Messages as bytes: damaged ones are refused, never read beyond their end.
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "firmware/netlink/addresses.h"
#include "firmware/netlink/neighbours.h"
#include "firmware/netlink/routes.h"

namespace fedge::netlink {
namespace {

Request neighbour_message() {
  Request r(RTM_NEWNEIGH, 0, sizeof(ndmsg));
  r.body<ndmsg>().ndm_family = AF_INET;
  r.body<ndmsg>().ndm_ifindex = 3;
  r.body<ndmsg>().ndm_state = NUD_REACHABLE;
  r.put(NDA_DST, *IpAddress::parse("192.0.2.9"));
  const MacAddress mac{2, 0, 0, 0, 0, 1};
  r.put(NDA_LLADDR, std::as_bytes(std::span(mac)));
  return r;
}

TEST(Decoding, ReadsANeighbour) {
  const Request r = neighbour_message();
  const auto event = decode_neighbour(*r.header());
  ASSERT_TRUE(event);
  EXPECT_FALSE(event->gone);
  EXPECT_EQ(event->neighbour.link, 3u);
  EXPECT_EQ(event->neighbour.address.text(), "192.0.2.9");
  EXPECT_EQ(text_of(*event->neighbour.mac), "02:00:00:00:00:01");
  EXPECT_TRUE(event->neighbour.usable());
}

TEST(Decoding, AnUnresolvedNeighbourIsNotUsable) {
  Request r = neighbour_message();
  r.body<ndmsg>().ndm_state = NUD_FAILED;
  EXPECT_FALSE(decode_neighbour(*r.header())->neighbour.usable());
}

TEST(Decoding, SurvivesEveryTruncation) {
  const Request r = neighbour_message();
  const size_t whole = r.header()->nlmsg_len;
  for (size_t n = sizeof(nlmsghdr); n <= whole; ++n) {
    // Memory of exactly that size: a sanitizer sees a read beyond it.
    const auto copy = std::make_unique<uint32_t[]>((n + 3) / 4);
    std::memcpy(copy.get(), r.header(), n);
    auto* header = reinterpret_cast<nlmsghdr*>(copy.get());
    header->nlmsg_len = static_cast<uint32_t>(n);
    for (const uint16_t type : {RTM_NEWNEIGH, RTM_NEWROUTE, RTM_NEWLINK, RTM_NEWADDR}) {
      header->nlmsg_type = type;
      (void)decode_neighbour(*header);
      (void)decode_route(*header);
      (void)decode_link(*header);
      (void)decode_address(*header);
    }
  }
}

TEST(Decoding, PassesOverOtherTablesAndTypes) {
  Request r(RTM_NEWROUTE, 0, sizeof(rtmsg));
  r.body<rtmsg>().rtm_family = AF_INET;
  r.body<rtmsg>().rtm_type = RTN_UNICAST;
  r.body<rtmsg>().rtm_table = RT_TABLE_LOCAL;
  r.put(RTA_OIF, 3u);
  EXPECT_FALSE(decode_route(*r.header()));
  r.body<rtmsg>().rtm_table = RT_TABLE_MAIN;
  const auto event = decode_route(*r.header());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->route.to.text(), "0.0.0.0/0");
  r.body<rtmsg>().rtm_type = RTN_BLACKHOLE;
  EXPECT_FALSE(decode_route(*r.header()));
  r.body<rtmsg>().rtm_type = RTN_UNICAST;
  r.body<rtmsg>().rtm_dst_len = 33;
  EXPECT_FALSE(decode_route(*r.header()));
}

}  // namespace
}  // namespace fedge::netlink
