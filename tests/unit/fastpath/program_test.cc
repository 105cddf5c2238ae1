// The program over real ports: AF_XDP on a veth in one namespace, taps in another.
#include <poll.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/fastpath/traffic.h"

namespace fedge::fastpath {
namespace {

const std::vector<TestRealm> kOutside{{"outside", 0, "10.9.0.1/24", "fd00:9::1/64", 5061}};

TEST(FastpathProgram, R11_CarriesTcpOverIpv4AndIpv6ToAListener) {
  NEEDS_BOX();
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  EXPECT_TRUE(exchange(box, "[fd00:9::1]:5061"));
  EXPECT_TRUE(
      box.counts("fedge_fastpath_packets_total{realm=\"outside\",direction=\"in\","
                 "class=\"listener\"}"));
  EXPECT_TRUE(
      box.counts("fedge_fastpath_packets_total{realm=\"outside\",direction=\"out\","
                 "class=\"neighbour\"}"));
  // The kernel's neighbours are mirrored.
  EXPECT_TRUE(box.run_until(
      [&] { return box.counter("fedge_fastpath_neighbours{realm=\"outside\"}") >= 2; }));
  box.stop_program();
}

TEST(FastpathProgram, B1_TakesAfPacketWhereAfXdpFails) {
  NEEDS_BOX();
  box.forbid_xdp = true;
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  EXPECT_TRUE(exchange(box, "[fd00:9::1]:5061"));
}

TEST(FastpathProgram, B1_SeveralWorkersShareThePortsAndTheTaps) {
  NEEDS_BOX();
  box.workers = 2;
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  // Ports of their own, so that the kernel spreads them over both workers' queues.
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
    EXPECT_TRUE(exchange(box, "[fd00:9::1]:5061"));
  }
  EXPECT_TRUE(box.counts("fedge_fastpath_worker_received_total{worker=\"0\"}", 100));
  EXPECT_TRUE(box.counts("fedge_fastpath_worker_received_total{worker=\"1\"}", 100));
  EXPECT_TRUE(resolved(box, "10.9.0.1"));
  box.stop_program();
}

TEST(FastpathProgram, R1_ClosedPortsAnswerNothing) {
  NEEDS_BOX();
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  const Fd client = socket_in(box.peer, *Endpoint::parse("10.9.0.1:22"), false);
  EXPECT_TRUE(box.run_until(
      [&] { return box.counter("fedge_fastpath_dropped_total{reason=\"tcp_closed_port\"}") > 0; }));
  EXPECT_FALSE(wait_for(client, POLLOUT, 0));
}

TEST(FastpathProgram, B4_WithoutItTheBoxAnswersNotEvenArp) {
  NEEDS_BOX();
  box.set_up(kOutside);
  configure_peer(box);
  EXPECT_FALSE(echo(box, "10.9.0.1", 300));
  EXPECT_FALSE(echo(box, "fd00:9::1", 300));
  EXPECT_FALSE(resolved(box, "10.9.0.1"));
  start(box, kOutside);
  EXPECT_TRUE(echo(box, "10.9.0.1", 3000));
  EXPECT_TRUE(echo(box, "fd00:9::1", 3000));
  EXPECT_TRUE(resolved(box, "10.9.0.1"));
  box.kill_program();
  EXPECT_FALSE(echo(box, "10.9.0.1", 300));
}

TEST(FastpathProgram, B4_ForwardsAgainWithinTwoSecondsOfAKill) {
  NEEDS_BOX();
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  for (uint64_t round = 2; round < 5; ++round) {
    const Instant killed = now_monotonic();
    box.kill_program();
    start(box, kOutside, round);
    EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
    const Duration took = now_monotonic() - killed;
    EXPECT_LT(took, 2s);
    RecordProperty("restart_ms", static_cast<int>(took / 1ms));
  }
}

TEST(FastpathProgram, B4_RunsUnprivilegedAndSleepsWhenIdle) {
  NEEDS_BOX();
  box.set_up(kOutside);
  start(box, kOutside);
  std::ifstream status("/proc/" + std::to_string(box.pid()) + "/status");
  std::string text((std::istreambuf_iterator<char>(status)), {});
  EXPECT_NE(text.find("Uid:\t64302\t64302\t64302\t64302"), std::string::npos) << text;
  EXPECT_NE(text.find("CapEff:\t0000000000000000"), std::string::npos);
  EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos);
  const Duration before = box.cpu_time();
  box.run_until([] { return false; }, 1s);
  EXPECT_LT(box.cpu_time() - before, 50ms);
}

TEST(FastpathProgram, R11_VlansAreRealmsOfTheirOwn) {
  NEEDS_BOX();
  const std::vector<TestRealm> realms{{"plain", 0, "10.9.0.1/24", "", 5061},
                                      {"tagged", 7, "10.9.7.1/24", "", 5061}};
  box.set_up(realms);
  configure_peer(box);
  start(box, realms);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  // This kernel has no 802.1Q devices, so the peer of the tagged realm is a raw socket.
  EXPECT_EQ(ask_tagged(box, 7, 7), 7);
  EXPECT_EQ(ask_tagged(box, 8, 7), -1);
  EXPECT_TRUE(box.counts("fedge_fastpath_dropped_total{reason=\"unknown_realm\"}"));
}

TEST(FastpathProgram, P1_RefusesASnapshotThatItCannotRunAndKeepsTheOld) {
  NEEDS_BOX();
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  const std::vector<TestRealm> twice{{"outside", 0, "10.9.0.1/24", "", 5061},
                                     {"other", 0, "10.9.1.1/24", "", 0}};
  const auto answer = box.offer(twice, 2);
  EXPECT_FALSE(answer.accepted);
  EXPECT_NE(answer.reason.find("same port and VLAN"), std::string::npos) << answer.reason;
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  const std::vector<TestRealm> moved{{"outside", 0, "10.9.0.1/24", "", 5062}};
  EXPECT_TRUE(box.offer(moved, 3).accepted);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5062"));
  EXPECT_FALSE(exchange(box, "10.9.0.1:5061", 300));
}

TEST(FastpathProgram, R1_CountsThePeersThatSignalAnnounced) {
  NEEDS_BOX();
  box.set_up(kOutside);
  start(box, kOutside);
  auto signal = box.connect_signal();
  EXPECT_TRUE(
      signal->send(link::PeerConnected{"outside", *Endpoint::parse("10.9.0.2:40000"), true}));
  EXPECT_TRUE(box.run_until([&] { return box.counter("fedge_fastpath_peers") == 1; }));
  signal.reset();
  EXPECT_TRUE(box.run_until([&] { return box.counter("fedge_fastpath_peers") == 0; }));
}

// Before the first snapshot, as after a restart beside a signal that lives on; over a publish that
// gives the realm another place; and of a realm that signal knows before the fast path does.
TEST(FastpathProgram, T7_KeepsAnnouncedPeersOverSnapshots) {
  NEEDS_BOX();
  const std::vector<TestRealm> more{{"added", 9, "10.8.0.1/24", "", 0}, kOutside[0]};
  box.set_up(more);
  box.start_program();
  auto signal = box.connect_signal();
  const auto announce = [&](const char* realm, const char* remote) {
    EXPECT_TRUE(signal->send(link::PeerConnected{realm, *Endpoint::parse(remote), true}));
  };
  const auto gone = [&](const char* realm, const char* remote) {
    EXPECT_TRUE(signal->send(link::PeerGone{realm, *Endpoint::parse(remote)}));
  };
  const auto wait_for_peers = [&](uint64_t peers) {
    EXPECT_TRUE(box.run_until([&] { return box.counter("fedge_fastpath_peers") == peers; }))
        << box.counter("fedge_fastpath_peers") << ", not " << peers;
  };
  announce("outside", "10.9.0.2:40000");
  EXPECT_TRUE(box.offer(kOutside, 1).accepted);
  wait_for_peers(1);
  announce("outside", "10.9.0.2:40001");
  announce("added", "10.8.0.2:40000");
  announce("added", "10.8.0.2:40001");
  gone("added", "10.8.0.2:40001");
  wait_for_peers(2);
  EXPECT_TRUE(box.offer(more, 2).accepted);
  wait_for_peers(3);
  announce("outside", "10.9.0.2:40002");
  gone("outside", "10.9.0.2:40000");
  gone("added", "10.8.0.2:40000");
  announce("added", "10.8.0.2:40002");
  wait_for_peers(3);
  // A realm that goes takes its peers with it.
  EXPECT_TRUE(box.offer(kOutside, 3).accepted);
  wait_for_peers(2);
}

class FastpathFlap : public testing::TestWithParam<bool> {};

TEST_P(FastpathFlap, B4_ForwardsAgainWhenALinkReturns) {
  NEEDS_BOX();
  box.forbid_xdp = GetParam();
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  const std::string port = "ip -n " + box.wire_name + " link set wan ";
  const std::string peer = "ip -n " + box.peer_name + " link set peer0 ";
  for (const auto& link : {port, peer}) {
    shell(link + "down");
    const Duration before = box.cpu_time();
    EXPECT_FALSE(exchange(box, "10.9.0.1:5061", 200));
    EXPECT_LT(box.cpu_time() - before, 100ms);
    shell(link + "up");
    EXPECT_TRUE(exchange(box, "10.9.0.1:5061")) << link;
  }
}
INSTANTIATE_TEST_SUITE_P(Drivers, FastpathFlap, testing::Bool(),
                         [](const auto& driver) { return driver.param ? "AfPacket" : "AfXdp"; });

TEST(FastpathProgram, B4_EndsWithItsLink) {
  NEEDS_BOX();
  box.start_program();
  box.stop_program();
}

}  // namespace
}  // namespace fedge::fastpath
