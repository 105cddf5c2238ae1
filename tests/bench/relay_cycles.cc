// What relaying one packet costs inside the worker: Station::process over bursts of 32 frames of a
// 160-octet payload, sessions in random order, buffers larger than the last-level cache, beside a
// plain layer 2 forward of the same buffers. Prints one line of JSON a measurement; relay_cycles.py
// makes the rows.
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "dataplane/media/huge.h"
#include "dataplane/media/quotas.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/station.h"
#include "tests/unit/media/site.h"

namespace {

using namespace fedge;
using namespace fedge::media;

constexpr size_t kFrames = 1 << 17;  // 288 MB
constexpr size_t kBuffer = 2304;     // as an mbuf of 2 kB with its head and headroom lies
constexpr size_t kHeadroom = 128;
constexpr size_t kPayload = 160;
constexpr int kRuns = 5;
constexpr size_t kBurst = 32;

struct NoServer : StunHandler {
  size_t on_stun(Request&, const Plan&, Instant) override { return 0; }
};

double tsc_hz() {
  timespec begin;
  timespec end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  const uint64_t first = __rdtsc();
  usleep(100'000);
  clock_gettime(CLOCK_MONOTONIC, &end);
  const uint64_t ticks = __rdtsc() - first;
  const double s = static_cast<double>(end.tv_sec - begin.tv_sec) +
                   static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e9;
  return static_cast<double>(ticks) / s;
}

// Of this thread alone: another one on the core takes nothing from it but the caches.
uint64_t thread_ns() {
  timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
}

class Bench {
 public:
  explicit Bench(uint32_t sessions);
  // Each session's first packet asks for its peer and its next hop: before anything is measured.
  void warm_up();
  // Cycles a packet of `frames`, which are written anew before each run.
  double relay(bool from_client);
  double forward();

 private:
  void write_frames(bool from_client);
  void write_frame(size_t at, bool from_client, const test::Flow& flow);
  double median(const std::function<void()>& before, const std::function<size_t()>& run);
  size_t run_relay();

  uint32_t count_;
  test::Site site_;
  NoServer server_;
  HugeArray<std::byte> buffers_;
  std::vector<uint32_t> order_;
  std::vector<uint16_t> sizes_;
  std::vector<test::Flow> flows_;
  std::mt19937_64 random_{1};
  double hz_ = tsc_hz();
};

Bench::Bench(uint32_t sessions)
    : count_(sessions),
      site_({.capacity = 1'000'000,
             .addresses = 20,
             .first_port = 1024,
             .last_port = 65535,
             .has_v6_pool = false}),
      buffers_(kFrames * kBuffer),
      order_(kFrames),
      sizes_(kFrames) {
  site_.next_hops.gateway = test::to_ip("9.9.255.254");
  for (uint32_t i = 0; i < sessions; ++i) flows_.push_back(site_.make_flow(i));
  site_.sessions().settle();
  std::shuffle(flows_.begin(), flows_.end(), random_);
  std::iota(order_.begin(), order_.end(), 0u);
  std::shuffle(order_.begin(), order_.end(), random_);
}

void Bench::warm_up() {
  for (size_t first = 0; first < flows_.size(); first += kFrames) {
    for (size_t i = 0; i < kFrames; ++i) write_frame(i, true, flows_[(first + i) % flows_.size()]);
    run_relay();
  }
}

void Bench::write_frames(bool from_client) {
  for (size_t i = 0; i < kFrames; ++i) {
    write_frame(i, from_client, flows_[random_() % flows_.size()]);
  }
}

void Bench::write_frame(size_t at, bool from_client, const test::Flow& flow) {
  static const std::string payload(kPayload, 'x');
  const std::string frame =
      from_client ? site_.channel_frame(flow, payload) : site_.peer_frame(flow, payload);
  std::memcpy(&buffers_[at * kBuffer + kHeadroom], frame.data(), frame.size());
  sizes_[at] = static_cast<uint16_t>(frame.size());
}

double Bench::median(const std::function<void()>& before, const std::function<size_t()>& run) {
  std::vector<double> took;
  for (int i = 0; i < kRuns; ++i) {
    before();
    const uint64_t begin = thread_ns();
    const size_t packets = run();
    const auto ns = static_cast<double>(thread_ns() - begin);
    took.push_back(ns * hz_ / 1e9 / static_cast<double>(packets));
  }
  std::ranges::sort(took);
  return took[kRuns / 2];
}

size_t Bench::run_relay() {
  std::array<Packet, kBurst> burst;
  size_t sent = 0;
  for (size_t at = 0; at < kFrames; at += kBurst) {
    for (size_t i = 0; i < kBurst; ++i) {
      Packet& packet = burst[i];
      const size_t frame = order_[at + i];
      packet.frame = &buffers_[frame * kBuffer + kHeadroom];
      packet.size = sizes_[frame];
      packet.room_before = kHeadroom;
      packet.room_behind = static_cast<uint16_t>(kBuffer - kHeadroom - sizes_[frame]);
      packet.port = 0;
      packet.hops = 0;
      packet.connection = 0;
    }
    site_.station().process(burst, site_.now());
    for (const Packet& packet : burst) sent += packet.fate == Fate::send ? 1 : 0;
  }
  if (sent != kFrames) {
    std::fprintf(stderr, "%zu of %zu were sent\n", sent, kFrames);
    std::exit(1);
  }
  return kFrames;
}

double Bench::relay(bool from_client) {
  return median([&] { write_frames(from_client); }, [&] { return run_relay(); });
}

// Source and destination MAC change places.
double Bench::forward() {
  const auto run = [&] {
    for (size_t at = 0; at < kFrames; at += kBurst) {
      for (size_t i = 0; i < kBurst; ++i) {
        __builtin_prefetch(&buffers_[order_[at + i] * kBuffer + kHeadroom]);
      }
      for (size_t i = 0; i < kBurst; ++i) {
        std::byte* const frame = &buffers_[order_[at + i] * kBuffer + kHeadroom];
        std::array<std::byte, 12> macs;
        std::memcpy(macs.data(), frame, 12);
        std::memcpy(frame, &macs[6], 6);
        std::memcpy(frame + 6, macs.data(), 6);
      }
    }
    return kFrames;
  };
  return median([&] { write_frames(true); }, run);
}

void print(const char* metric, double value) {
  std::printf("{\"metric\": \"%s\", \"value\": %.1f}\n", metric, value);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t only = argc > 1 ? static_cast<uint32_t>(std::atoi(argv[1])) : 0;
  print("tsc_mhz", tsc_hz() / 1e6);
  for (const auto& [name, count] :
       {std::pair{"1k", 1000u}, {"100k", 100'000u}, {"1M", 1'000'000u}}) {
    if (only != 0 && only != count) continue;
    Bench bench(count);
    bench.warm_up();
    const std::string suffix = std::string("_") + name + "_sessions";
    print(("from_client" + suffix).c_str(), bench.relay(true));
    print(("from_peer" + suffix).c_str(), bench.relay(false));
    print(("forward" + suffix).c_str(), bench.forward());
  }
  return 0;
}
