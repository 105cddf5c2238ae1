// What the tests of the program send over its ports.
#pragma once

#include <string>
#include <vector>

#include "tests/unit/fastpath/box.h"

#define NEEDS_BOX()                                    \
  if (const auto why = Box::missing(); !why.empty()) { \
    GTEST_SKIP() << why;                               \
  }                                                    \
  Box box

namespace fedge::fastpath {

Fd socket_in(const netlink::NetworkNamespace& space, const Endpoint& at, bool listens);
bool wait_for(const Fd& fd, short events, int ms = 3000);
// A connection from the peer to a listener, and bytes both ways. In ms at most.
bool exchange(Box& box, const std::string& text, int ms = 3000);
// One echo request from the peer, retransmitted once in a while.
bool echo(Box& box, const std::string& text, int ms);
// An echo request of `size` octets, which the peer's kernel cuts to its link's MTU.
bool echo_large(Box& box, const std::string& text, size_t size);
bool resolved(Box& box, const std::string& address);
// Asks for 10.9.<net>.1 by ARP with a VLAN tag. The tag of the reply, or -1 without one.
int ask_tagged(Box& box, uint16_t vlan, uint8_t net);
// Frames on the peer's link, as they are.
void send_frames(Box& box, const std::vector<std::string>& frames);

void configure_peer(Box& box);
void start(Box& box, const std::vector<TestRealm>& realms, uint64_t generation = 1);

}  // namespace fedge::fastpath
