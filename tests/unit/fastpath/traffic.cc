#include "tests/unit/fastpath/traffic.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace fedge::fastpath {

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

bool wait_for(const Fd& fd, short events, int ms) {
  pollfd p{fd.get(), events, 0};
  return ::poll(&p, 1, ms) == 1 && (p.revents & POLLERR) == 0;
}

bool exchange(Box& box, const std::string& text, int ms) {
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

bool echo_large(Box& box, const std::string& text, size_t size) {
  const netlink::Inside inside(box.peer);
  const Endpoint at{*IpAddress::parse(text), 0};
  sockaddr_storage address{};
  const socklen_t length = at.to_sockaddr(address);
  const bool v4 = at.address.is_v4();
  // A ping socket: the kernel makes the checksum of both families.
  const Fd fd(::socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, v4 ? 1 : 58));
  std::string request(size, 'x');
  request.replace(0, 8, 8, '\0');
  request[0] = v4 ? '\x08' : '\x80';
  (void)::sendto(fd.get(), request.data(), request.size(), 0,
                 reinterpret_cast<const sockaddr*>(&address), length);
  if (!wait_for(fd, POLLIN)) return false;
  std::string reply(size + 100, '\0');
  const ssize_t got = ::recv(fd.get(), reply.data(), reply.size(), 0);
  return got == static_cast<ssize_t>(size) && reply.substr(8, size - 8) == request.substr(8);
}

bool resolved(Box& box, const std::string& address) {
  return std::system(
             ("ip -n " + box.peer_name + " neigh show " + address + " | grep -q lladdr").c_str()) ==
         0;
}

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

void start(Box& box, const std::vector<TestRealm>& realms, uint64_t generation) {
  box.start_program();
  if (testing::Test::HasFatalFailure()) return;
  box.send_taps(realms);
  const auto answer = box.offer(realms, generation);
  EXPECT_TRUE(answer.accepted) << answer.reason;
  EXPECT_EQ(answer.generation, generation);
}

void send_frames(Box& box, const std::vector<std::string>& frames) {
  const netlink::Inside inside(box.peer);
  const Fd fd(::socket(AF_PACKET, SOCK_RAW, 0));
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_ifindex = static_cast<int>(::if_nametoindex("peer0"));
  for (const std::string& frame : frames) {
    EXPECT_GT(::sendto(fd.get(), frame.data(), frame.size(), 0,
                       reinterpret_cast<const sockaddr*>(&link), sizeof link),
              0);
  }
}

}  // namespace fedge::fastpath
