// The fast path's program in namespaces of its own, with the test in init's place: a wire
// namespace with one or more veth ports, a punt namespace with a tap per realm, and a peer on the
// other end of each port. Needs root.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firmware/base/counters.h"
#include "firmware/base/loop.h"
#include "firmware/link/channel.h"
#include "firmware/netlink/namespace.h"
#include "firmware/netlink/tap.h"
#include "firmware/snapshot/writer.h"

namespace fedge::fastpath {

struct TestRealm {
  std::string name;
  uint16_t vlan = 0;
  std::string ours;  // "10.9.0.1/24"
  std::string ours6;
  uint16_t listener = 0;  // TCP port on both addresses; 0: none
  uint16_t mtu = 1500;    // as the fast path is told; the tap's stays 1500
  // STUN on UDP port 3478, relay ports 50000-50099 of `ours` for calls, 51000-51099 for clients.
  bool media = false;
};

class Box {
 public:
  Box();
  ~Box();
  // Empty when the fast path can be run here, otherwise why not.
  static std::string missing();

  // Realms on the one port; their taps come up with their addresses.
  void set_up(const std::vector<TestRealm>& realms);
  void start_program();
  void kill_program();
  void stop_program();
  bool program_runs();
  pid_t pid() const { return pid_; }
  // That the program has used.
  Duration cpu_time() const;
  // Offers the realms and waits for the answer.
  link::SnapshotRunning offer(const std::vector<TestRealm>& realms, uint64_t generation);
  void send_taps(const std::vector<TestRealm>& realms);
  bool send(const std::function<void(link::Channel&)>& what);
  // `on_message`: what the fast path says.
  std::unique_ptr<link::Channel> connect_signal(
      const std::function<void(link::Received)>& on_message = [](const link::Received&) {});

  // Runs the loop until the condition holds; false when it does not within `at_most`.
  bool run_until(const std::function<bool()>& condition, Duration at_most = 5s);
  uint64_t counter(const std::string& name) const;
  // What was dropped, and why.
  std::string losses() const;
  // Counters reach the page ten times a second.
  bool counts(const std::string& name, uint64_t at_least = 1);
  Loop& loop() { return loop_; }

  // The next start may not load BPF programs, as on a kernel without them.
  bool forbid_xdp = false;
  // Of the next start: one, or what FEDGE_FASTPATH_WORKERS says.
  unsigned workers = 1;

  netlink::NetworkNamespace punt;
  netlink::NetworkNamespace peer;
  std::string punt_name, peer_name, wire_name;

 private:
  std::string port_mac() const;
  void send_sessions();
  void look_for(const link::NeighbourWanted& wanted) const;
  Loop loop_;
  pid_t pid_ = -1;
  Fd page_;
  CountersView view_;
  std::unique_ptr<link::Channel> link_;
  bool ready_ = false;
  bool closed_ = false;
  std::vector<link::SnapshotRunning> answers_;
  std::vector<Fd> sessions_;  // as init keeps them
  std::vector<Fd> held_;
};

// Runs `ip` (or another command); fails the test when it fails.
void shell(const std::string& command);

}  // namespace fedge::fastpath
