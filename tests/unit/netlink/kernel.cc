// Against the kernel, in namespaces of the test's own. Needs root.
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "firmware/netlink/addresses.h"
#include "firmware/netlink/monitor.h"
#include "firmware/netlink/tap.h"

namespace fedge::netlink {
namespace {

struct KernelTest : testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    name = "fedge-test-" + std::to_string(::getpid());
    auto opened = NetworkNamespace::open(name);
    ASSERT_TRUE(opened) << opened.error().text();
    there = std::move(*opened);
    inside.emplace(there);
    ASSERT_TRUE(inside->status());
    auto s = Socket::open();
    ASSERT_TRUE(s);
    socket = std::move(*s);
  }
  void TearDown() override {
    inside.reset();
    if (there) {
      EXPECT_TRUE(NetworkNamespace::remove(name));
    }
  }
  // A tap that is up with an address.
  Link make_tap(const std::string& tap) {
    auto queue = open_tap_queue(tap);
    EXPECT_TRUE(queue) << queue.error().text();
    if (queue) queues.push_back(std::move(*queue));
    const Link link = find(tap);
    const auto up = change_link(socket, link, {.up = true});
    EXPECT_TRUE(up) << up.error().text();
    return find(tap);
  }
  Link find(const std::string& link_name) {
    auto link = find_link(socket, link_name);
    return link && *link ? **link : Link{};
  }

  std::string name;
  NetworkNamespace there;
  std::optional<Inside> inside;
  Socket socket;
  std::vector<Fd> queues;
};

TEST_F(KernelTest, NamespacesAreFoundAgainByName) {
  EXPECT_TRUE(NetworkNamespace::exists(name));
  auto again = NetworkNamespace::open(name);
  ASSERT_TRUE(again);
  make_tap("t0");
  const Inside other(*again);
  EXPECT_EQ(find("t0").name, "t0");
}

TEST_F(KernelTest, MakesPersistentTaps) {
  make_tap("outside");
  queues.clear();
  const Link tap = find("outside");
  EXPECT_EQ(tap.kind, "tun");
  EXPECT_FALSE(tap.carrier);
  auto again = open_tap_queue("outside");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(find("outside").index, tap.index);
  EXPECT_TRUE(find("outside").carrier);
}

TEST_F(KernelTest, ADetachedQueueKeepsTheCarrier) {
  auto kept = open_tap_queue("outside");
  ASSERT_TRUE(kept);
  ASSERT_TRUE(detach_queue(*kept));
  ASSERT_TRUE(change_link(socket, find("outside"), {.up = true}));
  auto first = open_tap_queue("outside");
  ASSERT_TRUE(first) << first.error().text();
  first->reset();
  EXPECT_TRUE(find("outside").carrier);
  EXPECT_TRUE(open_tap_queue("outside"));
}

TEST_F(KernelTest, FramesWrittenToTheLiveQueueArriveAndTheDetachedGetsNone) {
  auto kept = open_tap_queue("outside");
  ASSERT_TRUE(kept && detach_queue(*kept));
  auto live = open_tap_queue("outside");
  ASSERT_TRUE(live);
  const Link tap = find("outside");
  ASSERT_TRUE(change_link(socket, tap, {.up = true}));
  ASSERT_TRUE(add_address(socket, tap, *Prefix::parse("192.0.2.1/24"), 500));
  ASSERT_TRUE(
      set_permanent_neighbour(socket, tap, *IpAddress::parse("192.0.2.2"), {2, 0, 0, 0, 0, 2}));
  const Fd udp(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_storage to{};
  const socklen_t size = Endpoint::parse("192.0.2.2:9")->to_sockaddr(to);
  ASSERT_EQ(::sendto(udp.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), size), 1);
  bool seen = false;
  uint8_t frame[2048];
  for (pollfd p{live->get(), POLLIN, 0}; !seen && ::poll(&p, 1, 2000) == 1;) {
    const ssize_t n = ::read(live->get(), frame, sizeof frame);
    seen = n == 14 + 20 + 8 + 1 && frame[5] == 2 && frame[12] == 8 && frame[23] == IPPROTO_UDP;
  }
  EXPECT_TRUE(seen);
  EXPECT_LT(::read(kept->get(), frame, sizeof frame), 0);
}

TEST_F(KernelTest, SetsMacMtuAndState) {
  const Link tap = make_tap("outside");
  const MacAddress mac{2, 1, 2, 3, 4, 5};
  auto done = change_link(socket, tap, {.mac = mac, .mtu = 1400, .promiscuous = true});
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(find("outside").mac, mac);
  EXPECT_EQ(find("outside").mtu, 1400u);
  EXPECT_TRUE(find("outside").up);
  ASSERT_TRUE(change_link(socket, tap, {.up = false}));
  EXPECT_FALSE(find("outside").up);
  EXPECT_TRUE(switch_off_offloads("outside"));
}

TEST_F(KernelTest, SaysWhatTheKernelRefused) {
  const Link tap = make_tap("outside");
  const auto done = change_link(socket, tap, {.mtu = 1u << 30});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text().find("cannot set the MTU 1073741824 of interface outside"),
            std::string::npos)
      << done.error().text();
  const auto route = add_route(socket, {tap.index, *Prefix::parse("0.0.0.0/0"),
                                        *IpAddress::parse("203.0.113.1"), 100, RTPROT_STATIC});
  ASSERT_FALSE(route);
  EXPECT_NE(route.error().text().find("0.0.0.0/0 via 203.0.113.1"), std::string::npos);
  EXPECT_NE(route.error().text().find("Nexthop has invalid gateway"), std::string::npos)
      << route.error().text();
}

TEST_F(KernelTest, MovesLinksBetweenNamespaces) {
  const std::string second_name = name + "b";
  auto second = NetworkNamespace::open(second_name);
  ASSERT_TRUE(second);
  const Link tap = make_tap("roaming");
  // A tap with an open queue moves as any other link does.
  const auto moved = move_link(socket, tap, *second);
  EXPECT_TRUE(moved) << moved.error().text();
  EXPECT_EQ(find("roaming").index, 0u);
  {
    const Inside other(*second);
    auto s = Socket::open();
    ASSERT_TRUE(s);
    auto link = find_link(*s, "roaming");
    ASSERT_TRUE(link && *link);
    EXPECT_TRUE(remove_link(*s, **link));
  }
  EXPECT_TRUE(NetworkNamespace::remove(second_name));
  EXPECT_FALSE(NetworkNamespace::exists(second_name));
}

TEST_F(KernelTest, AddsAndRemovesAddresses) {
  const Link tap = make_tap("outside");
  for (const char* text : {"192.0.2.1/24", "2001:db8::1/64"}) {
    const Prefix address = *Prefix::parse(text);
    ASSERT_TRUE(add_address(socket, tap, address, 700));
    ASSERT_TRUE(add_address(socket, tap, address, 700)) << "twice is no error";
    auto list = list_addresses(socket, tap);
    ASSERT_TRUE(list);
    EXPECT_EQ(std::ranges::count(*list, address, &Address::prefix), 1);
    auto routes = list_routes(socket, &tap);
    ASSERT_TRUE(routes);
    EXPECT_TRUE(
        std::ranges::any_of(*routes, [&](const Route& r) { return r.metric == 700 && !r.via; }));
    ASSERT_TRUE(remove_address(socket, tap, address));
    ASSERT_TRUE(remove_address(socket, tap, address));
    list = list_addresses(socket, tap);
    EXPECT_EQ(std::ranges::count(*list, address, &Address::prefix), 0);
  }
}

TEST_F(KernelTest, ANewIpv6AddressCanBeBoundAtOnce) {
  const Link tap = make_tap("outside");
  ASSERT_TRUE(add_address(socket, tap, *Prefix::parse("2001:db8::1/64"), 700));
  const Fd tcp(::socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_storage at{};
  const socklen_t size = Endpoint::parse("[2001:db8::1]:5061")->to_sockaddr(at);
  EXPECT_EQ(::bind(tcp.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
}

TEST_F(KernelTest, TwoLinksShareASubnetAndTheirDefaults) {
  const Link one = make_tap("one");
  const Link two = make_tap("two");
  ASSERT_TRUE(add_address(socket, one, *Prefix::parse("192.0.2.1/24"), 1001));
  ASSERT_TRUE(add_address(socket, two, *Prefix::parse("192.0.2.2/24"), 1002));
  const IpAddress gateway = *IpAddress::parse("192.0.2.254");
  const Route first{one.index, *Prefix::parse("0.0.0.0/0"), gateway, 1001, RTPROT_STATIC};
  const Route second{two.index, *Prefix::parse("0.0.0.0/0"), gateway, 1002, RTPROT_STATIC};
  auto done = add_route(socket, first);
  ASSERT_TRUE(done) << done.error().text();
  done = add_route(socket, second);
  ASSERT_TRUE(done) << done.error().text();
  ASSERT_TRUE(add_route(socket, second)) << "twice is no error";
  auto routes = list_routes(socket, nullptr);
  ASSERT_TRUE(routes);
  EXPECT_EQ(std::ranges::count(*routes, first), 1);
  EXPECT_EQ(std::ranges::count(*routes, second), 1);
  ASSERT_TRUE(remove_route(socket, first));
  ASSERT_TRUE(remove_route(socket, first));
  routes = list_routes(socket, &one);
  EXPECT_EQ(std::ranges::count(*routes, first), 0);
}

TEST_F(KernelTest, AddsIpv6Routes) {
  const Link tap = make_tap("outside");
  ASSERT_TRUE(add_address(socket, tap, *Prefix::parse("2001:db8::1/64"), 1001));
  const Route route{tap.index, *Prefix::parse("2001:db8:1::/48"),
                    *IpAddress::parse("2001:db8::ffff"), 1001, RTPROT_STATIC};
  const auto done = add_route(socket, route);
  ASSERT_TRUE(done) << done.error().text();
  auto routes = list_routes(socket, &tap);
  ASSERT_TRUE(routes);
  EXPECT_EQ(std::ranges::count(*routes, route), 1);
}

TEST_F(KernelTest, SetsNeighbours) {
  const Link tap = make_tap("outside");
  ASSERT_TRUE(add_address(socket, tap, *Prefix::parse("192.0.2.1/24"), 700));
  const IpAddress fixed = *IpAddress::parse("192.0.2.2");
  const IpAddress managed = *IpAddress::parse("192.0.2.3");
  auto done = set_permanent_neighbour(socket, tap, fixed, {2, 0, 0, 0, 0, 9});
  ASSERT_TRUE(done) << done.error().text();
  done = set_managed_neighbour(socket, tap, managed);
  ASSERT_TRUE(done) << done.error().text();
  auto list = list_neighbours(socket, &tap);
  ASSERT_TRUE(list);
  auto it = std::ranges::find(*list, fixed, &Neighbour::address);
  ASSERT_NE(it, list->end());
  EXPECT_TRUE(it->usable());
  it = std::ranges::find(*list, managed, &Neighbour::address);
  ASSERT_NE(it, list->end());
  EXPECT_FALSE(it->usable()) << "nobody answers on this tap";
  ASSERT_TRUE(remove_neighbour(socket, tap, fixed));
  ASSERT_TRUE(remove_neighbour(socket, tap, fixed));
}

struct Mirror : MonitorHandler {
  void on_resync() override { ++resyncs; }
  void on_link(const LinkEvent& e) override {
    if (e.gone)
      links.erase(e.link.index);
    else
      links[e.link.index] = e.link;
  }
  void on_neighbour(const NeighbourEvent& e) override {
    if (e.gone)
      neighbours.erase(e.neighbour.address);
    else
      neighbours[e.neighbour.address] = e.neighbour;
  }
  void on_route(const RouteEvent& e) override {
    std::erase(routes, e.route);
    if (!e.gone) routes.push_back(e.route);
  }
  void on_synced() override { ++syncs; }
  int resyncs = 0;
  int syncs = 0;
  std::map<uint32_t, Link> links;
  std::map<IpAddress, Neighbour> neighbours;
  std::vector<Route> routes;
};

TEST_F(KernelTest, MonitorTellsWhatIsThereAndWhatChanges) {
  const Link tap = make_tap("outside");
  const IpAddress peer = *IpAddress::parse("192.0.2.2");
  ASSERT_TRUE(add_address(socket, tap, *Prefix::parse("192.0.2.1/24"), 700));
  ASSERT_TRUE(set_permanent_neighbour(socket, tap, peer, {2, 0, 0, 0, 0, 9}));
  auto fd = open_monitor_socket();
  ASSERT_TRUE(fd);
  inside.reset();  // it works from anywhere
  Monitor monitor(std::move(*fd));
  Mirror mirror;
  ASSERT_TRUE(monitor.start(mirror));
  const auto read_until = [&](const std::function<bool()>& done) {
    for (pollfd p{monitor.fd(), POLLIN, 0}; !done() && ::poll(&p, 1, 2000) == 1;) {
      ASSERT_TRUE(monitor.read(mirror));
    }
    EXPECT_TRUE(done());
  };
  read_until([&] { return mirror.syncs == 1; });
  EXPECT_EQ(mirror.links[tap.index].name, "outside");
  ASSERT_TRUE(mirror.neighbours.contains(peer));
  EXPECT_EQ(mirror.routes.size(), 1u + std::ranges::count_if(mirror.routes, [](const Route& r) {
                                    return r.to.address.is_v6();
                                  }));

  inside.emplace(there);
  const Route added{tap.index, *Prefix::parse("198.51.100.0/24"), peer, 700, RTPROT_STATIC};
  ASSERT_TRUE(add_route(socket, added));
  ASSERT_TRUE(remove_neighbour(socket, tap, peer));
  read_until([&] {
    return std::ranges::count(mirror.routes, added) == 1 && !mirror.neighbours.contains(peer);
  });
  ASSERT_TRUE(remove_route(socket, added));
  read_until([&] { return std::ranges::count(mirror.routes, added) == 0; });
}

TEST_F(KernelTest, MonitorStartsOverWhenEventsWereLost) {
  const Link tap = make_tap("outside");
  ASSERT_TRUE(add_address(socket, tap, *Prefix::parse("10.0.0.1/8"), 700));
  auto fd = open_monitor_socket();
  ASSERT_TRUE(fd);
  const int small = 4096;
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof small);
  Monitor monitor(std::move(*fd));
  Mirror mirror;
  ASSERT_TRUE(monitor.start(mirror));
  pollfd p{monitor.fd(), POLLIN, 0};
  while (mirror.syncs == 0 && ::poll(&p, 1, 2000) == 1) ASSERT_TRUE(monitor.read(mirror));
  for (uint32_t i = 2; i < 300; ++i) {
    ASSERT_TRUE(
        set_permanent_neighbour(socket, tap, IpAddress::v4(0x0a000000 + i), {2, 0, 0, 0, 0, 9}));
  }
  while (mirror.syncs == 1 && ::poll(&p, 1, 2000) == 1) ASSERT_TRUE(monitor.read(mirror));
  EXPECT_GE(mirror.resyncs, 2);
  EXPECT_TRUE(mirror.neighbours.contains(IpAddress::v4(0x0a000000 + 299)));
  EXPECT_GE(mirror.neighbours.size(), 298u);
}

}  // namespace
}  // namespace fedge::netlink
