// The program over real ports: AF_XDP on a veth in one namespace, taps in another.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "tests/unit/fastpath/box.h"

namespace fedge::fastpath {
namespace {

const std::vector<TestRealm> kOutside{{"outside", 0, "10.9.0.1/24", "fd00:9::1/64", 5061}};

#define NEEDS_BOX()                                    \
  if (const auto why = Box::missing(); !why.empty()) { \
    GTEST_SKIP() << why;                               \
  }                                                    \
  Box box

Fd socket_in(const netlink::NetworkNamespace& space, const Endpoint& at, bool listens) {
  const netlink::Inside inside(space);
  sockaddr_storage address{};
  const socklen_t size = at.to_sockaddr(address);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (listens) {
    EXPECT_EQ(::bind(fd.get(), generic, size), 0) << at.text();
    EXPECT_EQ(::listen(fd.get(), 8), 0);
  } else {
    (void)::connect(fd.get(), generic, size);
  }
  return fd;
}

bool wait_for(const Fd& fd, short events, int ms = 3000) {
  pollfd p{fd.get(), events, 0};
  return ::poll(&p, 1, ms) == 1 && (p.revents & POLLERR) == 0;
}

// A connection from the peer to a listener, and bytes both ways. In ms at most.
bool exchange(Box& box, const std::string& text, int ms = 3000) {
  const Endpoint at = *Endpoint::parse(text);
  const Fd server = socket_in(box.punt, at, true);
  const Fd client = socket_in(box.peer, at, false);
  if (!wait_for(server, POLLIN, ms)) return false;
  const Fd accepted(::accept4(server.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const std::string big(100'000, 'x');
  for (const auto& [from, to] : {std::pair{&client, &accepted}, std::pair{&accepted, &client}}) {
    size_t sent = 0;
    size_t got = 0;
    std::string buffer(65536, '\0');
    while (got < big.size()) {
      if (sent < big.size()) {
        const ssize_t n = ::send(from->get(), big.data() + sent, big.size() - sent, MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<size_t>(n);
      }
      if (!wait_for(*to, POLLIN, ms)) return false;
      const ssize_t n = ::recv(to->get(), buffer.data(), buffer.size(), 0);
      if (n <= 0) return false;
      got += static_cast<size_t>(n);
    }
  }
  return true;
}

// One echo request from the peer, retransmitted once in a while.
bool echo(Box& box, const std::string& text, int ms) {
  const netlink::Inside inside(box.peer);
  const Endpoint at{*IpAddress::parse(text), 0};
  sockaddr_storage address{};
  const socklen_t size = at.to_sockaddr(address);
  const bool v4 = at.address.is_v4();
  const Fd fd(::socket(address.ss_family, SOCK_RAW | SOCK_NONBLOCK, v4 ? 1 : 58));
  std::array<uint8_t, 8> request{static_cast<uint8_t>(v4 ? 8 : 128)};
  if (v4) store_be16(&request[2], 0xf7ff);  // its checksum; of ICMPv6 the kernel makes it
  const Instant end = now_monotonic() + ms * 1ms;
  while (now_monotonic() < end) {
    (void)::sendto(fd.get(), request.data(), request.size(), 0,
                   reinterpret_cast<const sockaddr*>(&address), size);
    if (!wait_for(fd, POLLIN, 100)) continue;
    std::array<uint8_t, 128> reply{};
    while (::recv(fd.get(), reply.data(), reply.size(), 0) > 0) {
      if (v4 ? reply[20] == 0 : reply[0] == 129) return true;
    }
  }
  return false;
}

bool resolved(Box& box, const std::string& address) {
  return std::system(
             ("ip -n " + box.peer_name + " neigh show " + address + " | grep -q lladdr").c_str()) ==
         0;
}

// Asks for 10.9.<net>.1 by ARP with a VLAN tag. The tag of the reply, or -1 without one.
int ask_tagged(Box& box, uint16_t vlan, uint8_t net) {
  const netlink::Inside inside(box.peer);
  const Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)));
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ALL);
  link.sll_ifindex = static_cast<int>(::if_nametoindex("peer0"));
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&link), sizeof link), 0);
  const int one = 1;
  ::setsockopt(fd.get(), SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
  std::array<uint8_t, 46> frame{
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0, 0, 0, 9, 9, 0x81, 0,  // VLAN
      0,    0,    8,    6,    0,    1,    8,  0, 6, 4, 0, 1,           // ARP request
      2,    0,    0,    0,    9,    9,    10, 9, 0, 2,                 // from
      0,    0,    0,    0,    0,    0,    10, 9, 0, 1};
  store_be16(&frame[14], vlan);
  frame[34] = net;
  frame[44] = net;
  EXPECT_EQ(::send(fd.get(), frame.data(), frame.size(), 0), 46);
  while (wait_for(fd, POLLIN, 300)) {
    std::array<uint8_t, 128> reply{};
    std::array<char, 128> control{};
    iovec part{reply.data(), reply.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (::recvmsg(fd.get(), &header, 0) < 42 || reply[12] != 8 || reply[13] != 6) continue;
    const cmsghdr* c = CMSG_FIRSTHDR(&header);
    if (c == nullptr || c->cmsg_type != PACKET_AUXDATA || reply[21] != 2) continue;
    tpacket_auxdata aux{};
    std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
    return (aux.tp_status & TP_STATUS_VLAN_VALID) != 0 ? aux.tp_vlan_tci : 0;
  }
  return -1;
}

void configure_peer(Box& box) {
  shell("ip -n " + box.peer_name + " addr add 10.9.0.2/24 dev peer0");
  shell("ip -n " + box.peer_name + " addr add fd00:9::2/64 nodad dev peer0");
}

void start(Box& box, const std::vector<TestRealm>& realms, uint64_t generation = 1) {
  box.start_program();
  if (testing::Test::HasFatalFailure()) return;
  box.send_taps(realms);
  const auto answer = box.offer(realms, generation);
  EXPECT_TRUE(answer.accepted) << answer.reason;
  EXPECT_EQ(answer.generation, generation);
}

TEST(FastpathProgram, R11_CarriesTcpOverIpv4AndIpv6ToAListener) {
  NEEDS_BOX();
  box.set_up(kOutside);
  configure_peer(box);
  start(box, kOutside);
  EXPECT_TRUE(exchange(box, "10.9.0.1:5061"));
  EXPECT_TRUE(exchange(box, "[fd00:9::1]:5061"));
  EXPECT_GT(box.counter("fedge_fastpath_packets_total{realm=\"outside\",direction=\"in\","
                        "class=\"listener\"}"),
            0u);
  EXPECT_GT(box.counter("fedge_fastpath_packets_total{realm=\"outside\",direction=\"out\","
                        "class=\"neighbour\"}"),
            0u);
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
  EXPECT_GT(box.counter("fedge_fastpath_dropped_total{reason=\"unknown_realm\"}"), 0u);
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
