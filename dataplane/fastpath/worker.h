// One worker: a thread that carries frames between its queues of every port and every tap, run to
// completion. It allocates nothing, locks nothing and logs nothing. What has to be in one place
// (fragments, strangers' questions) goes to the first worker.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "dataplane/admission/budget.h"
#include "dataplane/admission/peers.h"
#include "dataplane/admission/reassembly.h"
#include "dataplane/fastpath/crossing.h"
#include "dataplane/fastpath/idle.h"
#include "dataplane/fastpath/mirror.h"
#include "dataplane/fastpath/plan.h"
#include "dataplane/fastpath/ports.h"

struct rte_mbuf;

namespace fedge::fastpath {

// What the workers share. All of it outlives them.
struct Surroundings {
  std::span<const Port> ports;
  FramePools pools;
  const admission::Peers& peers;
  const Mirror& mirror;
  Crossing& crossing;
  int adopted_event;  // an eventfd that tells the control thread of adopted plans
};

class Worker {
 public:
  static constexpr size_t kMostRealms = 4096;

  Worker(const Surroundings& surroundings, uint8_t number);
  ~Worker();

  // Runs with this plan.
  Status start(const Plan* first);
  // The plan to use from now on. The old one is in use until adopted() is no less.
  void offer(const Plan* plan);
  // The sequence of the plan in use.
  uint64_t adopted() const { return adopted_.load(std::memory_order_acquire); }
  // When it last began a round.
  Instant alive() const { return Instant(Duration(alive_.load(std::memory_order_relaxed))); }
  void stop();

 private:
  static constexpr uint16_t kBurst = 32;
  // Frames on their way out of one port.
  struct Outgoing {
    std::array<rte_mbuf*, 2 * kBurst> frames{};
    uint16_t count = 0;
    Instant stuck_since = never;
  };

  void run();
  void adopt(const Plan* plan);
  void watch_taps(const Plan* before, const Plan* after);
  bool run_round(Instant now);
  uint16_t receive(uint16_t port);
  uint16_t receive_crossed();
  // False: it went to another worker, or to a client of media.
  bool punt(uint16_t port, rte_mbuf* frame);
  bool is_open_relay(const admission::Verdict& verdict, const ip::PacketView& view) const;
  bool may_ask(const admission::Verdict& verdict, const ip::PacketView& view);
  // Media (relaying.cc).
  void relay(std::span<media::Packet> burst);
  void settle(media::Packet& packet);
  void send(const media::Packet& packet);
  void send_in_pieces(const RealmPath& path, const media::Packet& packet);
  bool relay_whole(uint16_t port, Bytes whole);
  bool report_icmp(uint16_t port, rte_mbuf* frame, const ip::PacketView& view);
  uint16_t read_front();
  void hand_over(uint8_t worker, const media::Packet& packet);
  void beat(Instant now);
  void hold(uint16_t port, const admission::Verdict& verdict, const ip::PacketView& view);
  void write_to_tap(const admission::Verdict& verdict, std::byte* frame,
                    const ip::PacketView& view);
  uint16_t read_tap(uint16_t realm);
  bool read_frame(uint16_t realm);
  void send_out(uint16_t realm, rte_mbuf* frame, uint16_t size);
  void send_in_pieces(const admission::Verdict& verdict, const ip::PacketView& whole);
  void refuse_size(uint16_t realm, const ip::PacketView& packet, uint16_t mtu);
  // With its size; tags it.
  void queue(const RealmPath& path, rte_mbuf* frame);
  bool has_room(uint16_t port);
  void flush(uint16_t port, Instant now);
  void wait(Duration at_most);
  void sleep(Duration at_most);
  bool is_port(int fd) const;
  void refuse(const admission::Verdict& verdict, Direction direction);
  void lose(uint16_t realm, Direction direction, Loss loss);
  void count_dropped(uint16_t realm, Direction direction, uint32_t series, unsigned packets);
  void count(const admission::Verdict& verdict, Direction direction, size_t size);

  std::span<const Port> ports_;
  FramePools pools_;
  const admission::Peers& peers_;
  const Mirror& mirror_;
  Crossing& crossing_;
  const int adopted_event_;
  const uint8_t number_;  // also of its queues
  Idle idle_;
  Fd epoll_;
  std::thread thread_;

  std::atomic<const Plan*> offered_{nullptr};
  std::atomic<uint64_t> adopted_{0};
  std::atomic<int64_t> alive_{0};
  std::atomic<bool> stopping_{false};

  // The worker's own.
  const Plan* plan_ = nullptr;
  Tally* counters_ = nullptr;
  MediaPart* media_ = nullptr;
  int front_event_ = -1;  // that is watched
  uint32_t front_number_ = 0;
  std::array<media::Packet, kBurst> packets_;
  uint32_t next_fragment_id_ = 0;
  Instant next_beat_{};
  std::vector<Outgoing> outgoing_;                                        // by port
  std::vector<uint8_t> tap_ready_;                                        // by realm
  std::vector<admission::Budget<admission::StrangersBudget>> strangers_;  // by realm
  admission::Reassembly reassembly_;
  Instant now_{};              // of this round
  rte_mbuf* spare_ = nullptr;  // what the next frame from a tap is read into
};

}  // namespace fedge::fastpath
