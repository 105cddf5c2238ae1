// A relay and its load over a DPDK port as a VM has it: net_virtio_user in one process, net_vhost
// in the other. One thread each; pinned by whoever starts them.
//
//   port_load relay SOCKET FRAMES SESSIONS
//     The virtio side: a station with so many allocations, in the loop that a worker of the fast
//     path runs. Writes to FRAMES what clients and peers send it; a line of standard input says
//     that SOCKET listens. At SIGTERM prints what it did.
//   port_load generate SOCKET FRAMES
//     The vhost side: sends those frames over and over, and counts what comes back. For each line
//     "RATE SECONDS" of standard input a trial, one line of JSON.
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <random>

#include "dataplane/fastpath/frame.h"
#include "tests/bench/load_measure.h"
#include "tests/unit/media/site.h"

namespace load {
namespace {

using namespace fedge;
using media::Fate;
using media::Packet;

constexpr uint16_t kBurst = 32;
constexpr uint16_t kRing = 1024;
constexpr size_t kPayload = 172;  // RTP: 12 octets of header, 160 of speech

volatile sig_atomic_t stopping = 0;

[[noreturn]] void give_up(const std::string& what) {
  fprintf(stderr, "port_load: %s: %s\n", what.c_str(), rte_strerror(rte_errno));
  exit(1);
}

uint64_t tsc_hz() {
  const uint64_t begin_ns = now_ns();
  const uint64_t begin = __rdtsc();
  while (now_ns() - begin_ns < 100'000'000) continue;
  return (__rdtsc() - begin) * 10;
}

// The one port of this process, with its buffers.
rte_mempool* open_port(const std::string& device) {
  cpu_set_t cpus;
  sched_getaffinity(0, sizeof cpus, &cpus);
  unsigned cpu = 0;
  while (!CPU_ISSET(cpu, &cpus)) ++cpu;
  std::vector<std::string> words{"port_load",
                                 "--no-telemetry",
                                 "--log-level=*:error",
                                 "--no-pci",
                                 "--no-huge",
                                 "--no-shconf",
                                 "--file-prefix=port_load" + std::to_string(getpid()),
                                 "--iova-mode=va",
                                 "-m",
                                 "256",
                                 "--lcores=0@" + std::to_string(cpu),
                                 "--vdev=" + device};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  if (rte_eal_init(int(pointers.size()), pointers.data()) < 0) give_up("EAL");
  rte_mempool* const pool =
      rte_pktmbuf_pool_create("frames", 16383, 256, fedge::fastpath::kPrivate,
                              RTE_MBUF_DEFAULT_BUF_SIZE, int(rte_socket_id()));
  if (pool == nullptr) give_up("no memory for frames");
  rte_eth_conf configuration{};
  if (rte_eth_dev_configure(0, 1, 1, &configuration) != 0 ||
      rte_eth_rx_queue_setup(0, 0, kRing, 0, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(0, 0, kRing, 0, nullptr) != 0 || rte_eth_dev_start(0) != 0) {
    give_up(device);
  }
  return pool;
}

// --- the relay ------------------------------------------------------------------------------

class Relay {
 public:
  explicit Relay(uint32_t sessions)
      : site_({.capacity = std::max(sessions, 1024u),
               .addresses = 4,
               .first_port = 1024,
               .last_port = 65535,
               .has_v6_pool = false}) {
    site_.next_hops.gateway = media::test::to_ip("9.9.255.254");
    for (uint32_t i = 0; i < sessions; ++i) flows_.push_back(site_.make_flow(i));
  }
  // Both ways of each flow, in random order.
  void write_frames(const std::string& path) const {
    const std::string payload(kPayload, 'x');
    std::vector<std::string> frames;
    for (const auto& flow : flows_) {
      frames.push_back(site_.channel_frame(flow, payload));
      frames.push_back(site_.peer_frame(flow, payload));
    }
    std::shuffle(frames.begin(), frames.end(), std::mt19937_64(1));
    std::ofstream file(path + ".new", std::ios::binary);
    for (const std::string& frame : frames) {
      const auto size = static_cast<uint16_t>(frame.size());
      file.write(reinterpret_cast<const char*>(&size), sizeof size);
      file.write(frame.data(), size);
    }
    file.close();
    if (rename((path + ".new").c_str(), path.c_str()) != 0) give_up(path);
  }

  void run() {
    const uint64_t begin = now_ns();
    uint64_t next_tick = 0;
    while (stopping == 0) {
      const uint64_t started = __rdtsc();
      const uint64_t ns = now_ns() - begin;
      const Instant now = site_.now() + Duration(ns);
      if (ns >= next_tick) {
        site_.station().tick(now);
        next_tick = ns + 5'000'000;
      }
      const uint16_t count = receive(now);
      flush();
      if (count == kBurst) cycles_.add(__rdtsc() - started);
    }
    printf(
        "{\"received\": %lu, \"relayed\": %lu, \"not_relayed\": %lu, \"port_full\": %lu, "
        "\"cycles_per_packet\": %.0f}\n",
        received_, relayed_, received_ - relayed_ - full_, full_,
        cycles_.quantile_us(0.5) * 1e3 / kBurst);
  }

 private:
  uint16_t receive(Instant now) {
    std::array<rte_mbuf*, kBurst> frames;
    const uint16_t count = rte_eth_rx_burst(0, 0, frames.data(), kBurst);
    if (count == 0) return 0;
    received_ += count;
    for (uint16_t i = 0; i < count; ++i) {
      packets_[i] = {};
      packets_[i].handle = frames[i];
      fastpath::lay_open(packets_[i]);
    }
    site_.station().process({packets_.data(), count}, now);
    for (uint16_t i = 0; i < count; ++i) settle(packets_[i]);
    return count;
  }
  void settle(const Packet& packet) {
    rte_mbuf* const frame = fastpath::frame_of(packet);
    if (packet.fate != Fate::send) return rte_pktmbuf_free(frame);
    if (waiting_ == out_.size()) flush();
    if (waiting_ == out_.size()) {
      ++full_;
      return rte_pktmbuf_free(frame);
    }
    fastpath::close_up(packet);
    out_[waiting_++] = frame;
    ++relayed_;
  }
  void flush() {
    if (waiting_ == 0) return;
    const uint16_t sent = rte_eth_tx_burst(0, 0, out_.data(), waiting_);
    std::move(out_.begin() + sent, out_.begin() + waiting_, out_.begin());
    waiting_ = static_cast<uint16_t>(waiting_ - sent);
  }

  media::test::Site site_;
  std::vector<media::test::Flow> flows_;
  std::array<Packet, kBurst> packets_;
  std::array<rte_mbuf*, size_t{2} * kBurst> out_;
  uint16_t waiting_ = 0;
  uint64_t received_ = 0, relayed_ = 0, full_ = 0;
  Histogram cycles_;  // of full rounds, port and clock included
};

// --- the generator --------------------------------------------------------------------------

class Generator {
 public:
  Generator(rte_mempool* pool, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    uint16_t size = 0;
    while (file.read(reinterpret_cast<char*>(&size), sizeof size)) {
      rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
      if (frame == nullptr) give_up("too many frames");
      file.read(rte_pktmbuf_append(frame, size), size);
      frames_.push_back(frame);
    }
    if (frames_.empty()) give_up("no frames in " + path);
  }
  // False: the other side is not there.
  bool is_up() {
    rte_eth_link link{};
    return rte_eth_link_get_nowait(0, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
  }
  void run(double rate, double seconds) {
    while (receive() != 0) continue;
    sent_ = refused_ = returned_ = 0;
    const double each = double(hz_) / rate;
    const uint64_t begin = __rdtsc();
    const auto length = uint64_t(seconds * double(hz_));
    uint64_t idle = 0;
    uint64_t elapsed = 0;
    while ((elapsed = __rdtsc() - begin) < length) {
      const auto due = uint64_t(double(elapsed) / each);
      const bool is_late = sent_ + refused_ + kBurst <= due;
      if (is_late) send();
      const uint64_t before = __rdtsc();
      if (receive() == 0 && !is_late) idle += __rdtsc() - before;
    }
    const uint64_t within = returned_;
    const uint64_t rest = now_ns() + 20'000'000;
    while (now_ns() < rest) receive();
    const double tried = double(sent_ + refused_);
    const double took = double(elapsed) / double(hz_);
    printf(
        "{\"offered\": %.0f, \"tried\": %.0f, \"relayed\": %.0f, \"loss\": %.6f, "
        "\"refused\": %lu, \"idle\": %.2f}\n",
        rate, tried / took, double(within) / took, 1 - double(returned_) / tried, refused_,
        double(idle) / double(elapsed));
    fflush(stdout);
  }

 private:
  void send() {
    std::array<rte_mbuf*, kBurst> burst;
    for (rte_mbuf*& frame : burst) {
      frame = frames_[next_];
      next_ = next_ + 1 < frames_.size() ? next_ + 1 : 0;
      rte_mbuf_refcnt_update(frame, 1);  // sent and sent again
    }
    const uint16_t sent = rte_eth_tx_burst(0, 0, burst.data(), kBurst);
    for (uint16_t i = sent; i < kBurst; ++i) rte_mbuf_refcnt_update(burst[i], -1);
    sent_ += sent;
    refused_ += kBurst - sent;  // the ring is full: a NIC would lose them
  }
  uint16_t receive() {
    std::array<rte_mbuf*, kBurst> burst;
    const uint16_t count = rte_eth_rx_burst(0, 0, burst.data(), kBurst);
    rte_pktmbuf_free_bulk(burst.data(), count);
    returned_ += count;
    return count;
  }

  std::vector<rte_mbuf*> frames_;
  size_t next_ = 0;
  const uint64_t hz_ = tsc_hz();
  uint64_t sent_ = 0, refused_ = 0, returned_ = 0;
};

int run_relay(const std::string& socket, const std::string& frames, uint32_t sessions) {
  const auto relay = std::make_unique<Relay>(sessions);
  relay->write_frames(frames);
  // The other side makes the socket, and needs the frames: whoever started both says when.
  if (std::string go; !std::getline(std::cin, go)) return 0;
  open_port("net_virtio_user0,path=" + socket + ",queue_size=" + std::to_string(kRing));
  relay->run();
  return 0;
}

int run_generator(const std::string& socket, const std::string& frames) {
  Generator generator(open_port("net_vhost0,iface=" + socket), frames);
  printf("{\"listens\": true}\n");
  fflush(stdout);
  double rate = 0;
  double seconds = 0;
  while (std::cin >> rate >> seconds) {
    for (int i = 0; i < 1000 && !generator.is_up(); ++i) usleep(10'000);
    if (!generator.is_up()) give_up("nobody has connected to " + socket);
    generator.run(rate, seconds);
  }
  return 0;
}

}  // namespace
}  // namespace load

int main(int count, char** words) {
  struct sigaction stop{};
  stop.sa_handler = [](int) { load::stopping = 1; };
  sigaction(SIGTERM, &stop, nullptr);
  const std::string mode = count > 3 ? words[1] : "";
  if (mode == "relay" && count == 5) {
    return load::run_relay(words[2], words[3], uint32_t(atoi(words[4])));
  }
  if (mode == "generate") return load::run_generator(words[2], words[3]);
  fprintf(stderr, "port_load relay SOCKET FRAMES SESSIONS | generate SOCKET FRAMES\n");
  return 2;
}
