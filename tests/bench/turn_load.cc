// Load for a TURN server and for relays of RTP, from virtual clients and peers on raw interfaces.
// One thread. Prints one line of JSON a measurement.
//
//   turn_load setup --outside NETNS --server IP:PORT --user U --password P --clients N --window W
//       --rounds N --pid PID...
//     Allocates N times and gives all back, in rounds: allocations/s, CPU, and in the first round
//     the memory of PIDs with them.
//   turn_load relay --outside NETNS [--inside NETNS] --flows FILE --pid PID...
//   turn_load relay --outside NETNS --server IP:PORT --user U --password P --clients N --pid PID...
//     Flows both ways, through channels or as FILE says: in each line address and port of a
//     caller, where it sends, address and port of the called, where that sends. Then for each line
//     "RATE SECONDS" of standard input a trial.
#include <sys/prctl.h>

#include <fstream>
#include <iostream>
#include <map>
#include <memory>

#include "tests/bench/turn_client.h"

namespace load {
namespace {

constexpr uint32_t kClients = 0x0a010010;  // 10.1.0.16 and on
constexpr uint32_t kPeers = 0x0a010080;    // 10.1.0.128
constexpr uint16_t kFirstPort = 10000;
constexpr size_t kPortsEach = 40000;
constexpr size_t kRtp = 12, kPayload = 160;

struct Options {
  std::string mode, outside, inside, server, user, password, flows;
  size_t clients = 1000, window = 128, rounds = 3;
  std::vector<int> pids;
};

Options read_options(int count, char** words) {
  Options o;
  if (count > 1) o.mode = words[1];
  const std::map<std::string, std::string*> texts = {
      {"--outside", &o.outside}, {"--inside", &o.inside},     {"--server", &o.server},
      {"--user", &o.user},       {"--password", &o.password}, {"--flows", &o.flows}};
  const std::map<std::string, size_t*> sizes = {
      {"--clients", &o.clients}, {"--window", &o.window}, {"--rounds", &o.rounds}};
  for (int i = 2; i + 1 < count; i += 2) {
    if (texts.contains(words[i])) {
      *texts.at(words[i]) = words[i + 1];
    } else if (sizes.contains(words[i])) {
      *sizes.at(words[i]) = size_t(atol(words[i + 1]));
    } else if (words[i] == std::string("--pid")) {
      o.pids.push_back(atoi(words[i + 1]));
    } else {
      fprintf(stderr, "no such option: %s\n", words[i]);
      exit(2);
    }
  }
  return o;
}

Place read_place(const std::string& text) {
  const size_t colon = text.find(':');
  return {to_address(text.substr(0, colon)), uint16_t(atoi(text.c_str() + colon + 1))};
}

Place client_place(size_t i) {
  return {kClients + uint32_t(i / kPortsEach), uint16_t(kFirstPort + i % kPortsEach)};
}

std::string by_pid(const std::vector<int>& pids, const std::vector<double>& values, double scale) {
  std::string out = "{";
  for (size_t i = 0; i < pids.size(); ++i) {
    char text[64];
    snprintf(text, sizeof text, "%s\"%d\": %.3f", i ? ", " : "", pids[i], values[i] * scale);
    out += text;
  }
  return out + "}";
}

int run_setup(const Options& o) {
  RawWire wire(o.outside, "eth0");
  TurnClients turn(wire, read_place(o.server), o.user, o.password);
  for (size_t i = 0; i < o.clients; ++i) turn.add(client_place(i));
  // What only the first ones cost is not theirs.
  const size_t warm = o.clients / 20;
  turn.run(kAllocate, 0, warm, o.window);
  Meter memory(o.pids, pss_kb);
  const size_t count = o.clients - warm;
  for (size_t round = 0; round < o.rounds; ++round) {
    // coturn does not take a five-tuple again soon.
    for (size_t i = warm; i < o.clients; ++i) {
      turn.clients[i].at = client_place(o.clients * round + i);
    }
    Meter cpu(o.pids, cpu_ns);
    Meter own({getpid()}, cpu_ns);
    turn.again = 0;
    const double took = turn.run(kAllocate, warm, o.clients, o.window);
    const auto used = cpu.growth();
    const double mine = own.growth()[0];
    usleep(300'000);
    const std::string held =
        round == 0 ? ", \"pss_kb\": " + by_pid(o.pids, memory.growth(), 1.0 / double(count)) : "";
    const double gone = turn.run(kRefresh, warm, o.clients, o.window);
    printf(
        "{\"rate\": %.0f, \"end_rate\": %.0f, \"again\": %lu, \"own_load\": %.2f, "
        "\"cpu_us\": %s%s}\n",
        double(count) / took, double(count) / gone, turn.again, mine / 1e9 / took,
        by_pid(o.pids, used, 1e-3 / double(count)).c_str(), held.c_str());
    fflush(stdout);
  }
  return 0;
}

// A flow's packets from one end, ready but for the stamp.
struct Stream {
  RawWire* wire = nullptr;
  Mac mac{};
  Place from, to;
  uint16_t channel = 0;  // 0: plain
  uint16_t sequence = 0;
};

class Relay {
 public:
  explicit Relay(const Options& o) : options_(o), outside_(o.outside, "eth0") {
    if (!o.inside.empty()) inside_ = std::make_unique<RawWire>(o.inside, "eth0");
    o.flows.empty() ? make_channels() : read_flows();
    run(std::min(2000.0, double(streams_.size()) * 2), 2);  // neighbours are found, sources latched
    printf("{\"flows\": %zu}\n", streams_.size() / 2);
    fflush(stdout);
  }

  void run(double rate, double seconds) {
    ++trial_;
    received_ = 0;
    latency_.clear();
    const uint64_t refused = count_refused();
    Meter cpu(options_.pids, cpu_ns);
    Meter own({getpid()}, cpu_ns);
    const uint64_t begin = now_ns();
    const auto end = begin + uint64_t(seconds * 1e9);
    uint64_t sent = 0;
    uint64_t now = begin;
    const timespec pause{0, 20'000};
    while ((now = now_ns()) < end) {
      const auto due = int64_t(rate * double(now - begin) / 1e9) - int64_t(sent);
      // A generator that was held up does not send all at once.
      for (int64_t i = 0; i < std::min<int64_t>(due, RawWire::kBatch); ++i, ++sent) send(now);
      flush();
      // The kernel's own threads, which carry what was sent, want the core, too.
      if (receive() == 0 && due <= 0) nanosleep(&pause, nullptr);
    }
    const double took = double(now_ns() - begin) / 1e9;
    const auto used = cpu.growth();
    const double mine = own.growth()[0];
    const uint64_t within = received_;
    const uint64_t rest = now_ns() + 250'000'000;
    while (now_ns() < rest) receive();
    if (trial_ == 1) return;
    printf(
        "{\"offered\": %.0f, \"sent\": %.0f, \"relayed\": %.0f, \"loss\": %.6f, \"refused\": %lu, "
        "\"own_load\": %.2f, \"p50_us\": %.0f, \"p99_us\": %.0f, \"cpu_us\": %s}\n",
        rate, double(sent) / took, double(within) / took,
        1 - double(received_) / double(std::max<uint64_t>(sent, 1)), count_refused() - refused,
        mine / 1e9 / took, latency_.quantile_us(0.5), latency_.quantile_us(0.99),
        by_pid(options_.pids, used, within ? 1e-3 / double(within) : 0).c_str());
    fflush(stdout);
  }

 private:
  void make_channels() {
    TurnClients turn(outside_, read_place(options_.server), options_.user, options_.password);
    for (size_t i = 0; i < options_.clients; ++i) turn.add(client_place(i));
    turn.run(kAllocate, 0, options_.clients, options_.window);
    for (size_t i = 0; i < options_.clients; ++i) {
      turn.clients[i].peer = {kPeers, uint16_t(kFirstPort + i)};
      turn.clients[i].channel = uint16_t(0x4000 + i % 0x0fff);
    }
    turn.run(kChannelBind, 0, options_.clients, options_.window);
    for (const auto& c : turn.clients) {
      streams_.push_back({&outside_, turn.server_mac(), c.at, turn.server(), c.channel});
      streams_.push_back({&outside_, turn.server_mac(), c.peer, c.relayed});
    }
  }
  void read_flows() {
    std::ifstream file(options_.flows);
    std::string a, to_a, b, to_b;
    int port[4];
    RawWire* const wires[] = {&outside_, inside_ ? inside_.get() : &outside_};
    Mac macs[2] = {};
    while (file >> a >> port[0] >> to_a >> port[1] >> b >> port[2] >> to_b >> port[3]) {
      const std::array<Stream, 2> both = {Stream{wires[0],
                                                 {},
                                                 {to_address(a), uint16_t(port[0])},
                                                 {to_address(to_a), uint16_t(port[1])}},
                                          Stream{wires[1],
                                                 {},
                                                 {to_address(b), uint16_t(port[2])},
                                                 {to_address(to_b), uint16_t(port[3])}}};
      for (size_t i = 0; i < 2; ++i) {
        streams_.push_back(both[i]);
        if (macs[i] == Mac{}) macs[i] = wires[i]->resolve(both[i].to.address, both[i].from.address);
        streams_.back().mac = macs[i];
      }
    }
    if (streams_.empty()) give_up_now(options_.flows);
  }

  void send(uint64_t now) {
    Stream& stream = streams_[next_];
    const auto number = uint32_t(next_);
    next_ = next_ + 1 < streams_.size() ? next_ + 1 : 0;
    uint8_t* const frame = stream.wire->next();
    uint8_t* at = frame + kHeaders;
    if (stream.channel != 0) {
      put16(at, stream.channel);
      put16(at + 2, kRtp + kPayload);
      at += 4;
    }
    put16(at, 0x8008);
    put16(at + 2, ++stream.sequence);
    put32(at + 4, uint32_t(stream.sequence) * kPayload);
    put32(at + 8, number);
    put32(at + 12, trial_);
    memcpy(at + 16, &now, sizeof now);
    memset(at + 24, 0xd5, kRtp + kPayload - 24);
    const size_t size = size_t(at - frame) - kHeaders + kRtp + kPayload;
    stream.wire->commit(write_headers(frame, stream.mac, stream.from, stream.to, size));
  }
  size_t receive() {
    const auto take = [this](const Arrived& what) {
      const bool is_channel = what.size > 4 && (what.payload[0] & 0xc0) == 0x40;
      const uint8_t* const at = what.payload + (is_channel ? 4 : 0);
      if (what.size < kRtp + kPayload || get16(at) != 0x8008 || get32(at + 12) != trial_) return;
      // From the other end of its flow, at the address where it belongs.
      const uint32_t number = get32(at + 8) ^ 1;
      if (number >= streams_.size() || what.to.port != streams_[number].from.port) return;
      uint64_t sent;
      memcpy(&sent, at + 16, sizeof sent);
      latency_.add(now_ns() - sent);
      ++received_;
    };
    const size_t count = outside_.receive(take, 64);
    return count + (inside_ ? inside_->receive(take, 64) : 0);
  }
  void flush() {
    outside_.flush();
    if (inside_) inside_->flush();
  }
  uint64_t count_refused() const { return outside_.refused() + (inside_ ? inside_->refused() : 0); }

  const Options& options_;
  RawWire outside_;
  std::unique_ptr<RawWire> inside_;
  std::vector<Stream> streams_;  // two of each flow
  size_t next_ = 0;
  uint32_t trial_ = 0;
  uint64_t received_ = 0;
  Histogram latency_;
};

}  // namespace
}  // namespace load

int main(int count, char** words) {
  using namespace load;
  const Options options = read_options(count, words);
  if (options.mode == "setup") return run_setup(options);
  if (options.mode != "relay") {
    fprintf(stderr, "say setup or relay\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
  const auto relay = std::make_unique<Relay>(options);
  double rate = 0, seconds = 0;
  while (std::cin >> rate >> seconds) relay->run(rate, seconds);
  return 0;
}
