// What the link brings that is not plain traffic: fragments, and floods of neighbours.
#include "dataplane/fastpath/mirror.h"
#include "tests/unit/fastpath/traffic.h"
#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::fastpath {
namespace {

TEST(FastpathProgram, B6_PutsFragmentsTogetherForTheKernel) {
  NEEDS_BOX();
  const std::vector<TestRealm> realms{{"outside", 0, "10.9.0.1/24", "fd00:9::1/64", 5061}};
  box.set_up(realms);
  configure_peer(box);
  shell("ip netns exec " + box.peer_name + " sysctl -qw net.ipv4.ping_group_range='0 0'");
  start(box, realms);
  EXPECT_TRUE(echo(box, "10.9.0.1", 3000));
  EXPECT_TRUE(echo(box, "fd00:9::1", 3000));
  EXPECT_TRUE(echo_large(box, "10.9.0.1", 4000));
  EXPECT_TRUE(echo_large(box, "fd00:9::1", 4000));
  const auto fragments = [&] {
    return box.counter(
        "fedge_fastpath_packets_total{realm=\"outside\",direction=\"in\","
        "class=\"fragment\"}");
  };
  EXPECT_TRUE(box.run_until([&] { return fragments() >= 6; }));
  EXPECT_EQ(fragments(), 6u);
  EXPECT_FALSE(echo_large(box, "10.9.0.1", 20000)) << "more than is put together";
  EXPECT_TRUE(box.counts("fedge_fastpath_dropped_total{reason=\"fragment_size\"}"));
}

// The first of them has ports and the others have none: the kernel puts them on different queues.
TEST(FastpathProgram, B6_FragmentsOfDifferentQueuesComeTogether) {
  NEEDS_BOX();
  box.workers = 4;
  const std::vector<TestRealm> realms{{"outside", 0, "10.9.0.1/24", "fd00:9::1/64", 5061}};
  box.set_up(realms);
  configure_peer(box);
  shell("ip netns exec " + box.peer_name + " sysctl -qw net.ipv4.ping_group_range='0 0'");
  start(box, realms);
  EXPECT_TRUE(echo(box, "fd00:9::1", 3000));
  for (size_t size = 4000; size < 4008; ++size) {
    EXPECT_TRUE(echo_large(box, "fd00:9::1", size)) << size;
  }
  EXPECT_TRUE(box.counts(
      "fedge_fastpath_packets_total{realm=\"outside\",direction=\"in\",class=\"fragment\"}", 24));
  EXPECT_TRUE(box.counts("fedge_fastpath_crossed_total"));
}

// A tap whose MTU is still the old one: what may be cut is, and the kernel is told of the rest.
TEST(FastpathProgram, B6_NothingAboveTheMtuLeaves) {
  NEEDS_BOX();
  const std::vector<TestRealm> realms{{"outside", 0, "10.9.0.1/24", "fd00:9::1/64", 5061, 1280}};
  box.set_up(realms);
  configure_peer(box);
  shell("ip netns exec " + box.peer_name + " sysctl -qw net.ipv4.ping_group_range='0 0'");
  start(box, realms);
  const auto above = [&] {
    return box.counter("fedge_fastpath_dropped_total{reason=\"above_mtu\"}");
  };
  EXPECT_TRUE(echo(box, "10.9.0.1", 3000));
  EXPECT_TRUE(echo_large(box, "10.9.0.1", 1400));  // without "do not fragment"
  EXPECT_EQ(above(), 0u);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));  // with it
  EXPECT_TRUE(box.run_until([&] { return above() > 0; }));
  box.run_until([] { return false; }, 250ms);  // the beat that brings the last of them
  const uint64_t over_ipv4 = above();
  EXPECT_TRUE(exchange(box, "[fd00:9::1]:5061"));
  EXPECT_TRUE(box.run_until([&] { return above() > over_ipv4; }));
}

// Questions from many addresses of the subnet; each that reached the kernel would take one of the
// 1,024 places of its table.
TEST(FastpathProgram, B6_AFloodOfNeighboursReachesTheKernelOnlyInPart) {
  NEEDS_BOX();
  const std::vector<TestRealm> realms{{"outside", 0, "10.9.0.1/16", "", 5061}};
  box.set_up(realms);
  configure_peer(box);
  start(box, realms);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  std::vector<std::string> questions;
  for (int i = 0; i < 1000; ++i) {
    const std::string from =
        "10.9." + std::to_string(100 + i / 200) + "." + std::to_string(1 + i % 200);
    questions.push_back(ip::PacketBuilder()
                            .ethernet(ip::kBroadcastMac)
                            .arp(ip::kArpRequest, from, "10.9.0.1")
                            .finish());
  }
  send_frames(box, questions);
  const auto flood = [&] {
    return box.counter("fedge_fastpath_dropped_total{reason=\"neighbour_flood\"}");
  };
  EXPECT_TRUE(box.run_until([&] { return flood() >= 500; })) << flood();
  EXPECT_LT(box.counter("fedge_fastpath_neighbours{realm=\"outside\"}"), 500u);
  // Who is known asks on and is answered.
  shell("ip -n " + box.peer_name + " neigh flush dev peer0");
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
}

// Who becomes a peer when the mirror was full of strangers is found again.
TEST(FastpathProgram, B6_APeerAmongTooManyStrangersIsMirrored) {
  NEEDS_BOX();
  const std::vector<TestRealm> realms{{"outside", 0, "10.9.0.1/16", "", 5061}};
  box.set_up(realms);
  start(box, realms);
  const auto neighbours = [&] {
    return box.counter("fedge_fastpath_neighbours{realm=\"outside\"}");
  };
  // Permanent ones do not count for the kernel's limit.
  const auto add = [&](const char* range, size_t most) {
    shell("for a in " + std::string(range) + "; do for b in $(seq 1 " + std::to_string(most) +
          "); do echo neigh add 10.9.$a.$b lladdr 02:00:00:00:00:07 dev outside nud permanent; "
          "done; done | ip -n " +
          box.punt_name + " -batch -");
  };
  add("100 101 102 103 104", 200);
  EXPECT_TRUE(box.run_until([&] { return neighbours() == Mirror::kMostStrangers; }));
  add("77", 1);
  EXPECT_TRUE(box.run_until([&] {
    return box.counter("fedge_fastpath_neighbours_not_kept_total") == 1;
  })) << box.counter("fedge_fastpath_neighbours_not_kept_total")
      << ", " << neighbours();
  auto signal = box.connect_signal();
  EXPECT_TRUE(
      signal->send(link::PeerConnected{"outside", *Endpoint::parse("10.9.77.1:40000"), true}));
  EXPECT_TRUE(box.run_until([&] { return neighbours() == Mirror::kMostStrangers + 1; }));
}

}  // namespace
}  // namespace fedge::fastpath
