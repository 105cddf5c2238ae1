// What finding a request's route costs: user@domain is asked for; the domain, its parent ("*."),
// the user or nothing at all has a route. The section is mapped from a sealed memfd as
// fedge-signal maps it.
//
// "message" is what a message pays: the proxy core takes MESSAGEs to patterns drawn in no order out
// of all there are, and the row is its time from octets to answer less that of a message refused
// before its route is looked up. The proxy asks memory for what it will need while it does the
// message's other work; what is left to see is mostly the translation of the route's page, which no
// processor does in the background. Of users' routes it is a figure: at ten patterns that look-up
// is so short that this alone doubles it.
// "busy" and "any" are the look-up alone, one after another: for 1,000 destinations over and over,
// as a box does that talks with as many systems, and for all of the patterns in no order. With
// nothing to do meanwhile each hit of "any" waits for memory, which no index can help: information.
// bar: message_domain/100000 2 times message_domain/10
// bar: message_domain/1000000 2 times message_domain/10
// bar: message_child/100000 2 times message_child/10
// bar: message_child/1000000 2 times message_child/10
// bar: busy_domain/100000 2 times busy_domain/10
// bar: busy_domain/1000000 2 times busy_domain/10
// bar: busy_child/100000 2 times busy_child/10
// bar: busy_child/1000000 2 times busy_child/10
// bar: busy_user/100000 2 times busy_user/10
// bar: busy_user/1000000 2 times busy_user/10
// bar: busy_none/100000 2 times busy_none/10
// bar: busy_none/1000000 2 times busy_none/10
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/fd.h"
#include "firmware/base/time.h"
#include "firmware/snapshot/routes.h"
#include "tests/bench/route_messages.h"

namespace {

using namespace fedge;

// The others are domains of their own, all children of one, or a user of one.
enum class Others { children, users };

struct Table {
  Table(size_t patterns, Others others) {
    std::vector<std::string> names;
    for (size_t i = 0; i < patterns; ++i) {
      const char* prefix = i % 2 == 0 ? "" : others == Others::users ? "alice@" : "*.";
      names.push_back(prefix + ("branch" + std::to_string(i)) + ".example.net");
    }
    const auto bytes = snapshot::sample_routing(names);
    const auto fd = make_sealed_memfd("routing", as_bytes(bytes));
    routing = *snapshot::Section<snapshot::Routing>::open(fd->get());
  }
  snapshot::Section<snapshot::Routing> routing;
};

const Table& table_of(size_t patterns, Others others) {
  static std::map<std::pair<size_t, Others>, Table> tables;
  const std::pair key{patterns, others};
  return tables.try_emplace(key, patterns, others).first->second;
}

// What is asked for: so many of the patterns of one parity in no order, one behind another in
// memory, so that reading a name does not wait.
class Names {
 public:
  Names(size_t count, size_t patterns, std::string_view prefix, size_t parity,
        std::string_view suffix) {
    std::vector<size_t> which(patterns / 2);
    std::iota(which.begin(), which.end(), size_t{0});
    std::ranges::shuffle(which, std::mt19937_64(1));
    for (size_t i = 0; i < count; ++i) {
      const size_t n = which[i % which.size()] * 2 + parity;
      bytes_.append(prefix).append("branch" + std::to_string(n)).append(suffix);
      bytes_.resize((i + 1) * kStride, '\0');
    }
  }
  size_t size() const { return bytes_.size() / kStride; }
  std::string_view operator[](size_t i) const { return bytes_.data() + i * kStride; }

 private:
  static constexpr size_t kStride = 32;
  std::string bytes_;
};

constexpr size_t kBusy = 1000;
constexpr size_t kAny = 0;

void look_up(benchmark::State& state, size_t count, Others others, std::string_view prefix,
             size_t parity, std::string_view suffix, bool found) {
  const auto patterns = static_cast<size_t>(state.range(0));
  const auto& routing = table_of(patterns, others).routing;
  const Names names(count == kAny ? std::max(patterns / 2, kBusy) : count, patterns, prefix, parity,
                    suffix);
  for (size_t i = 0; i < names.size(); ++i) {
    if ((snapshot::find_route(routing, "alice", names[i]) != nullptr) == found) continue;
    return state.SkipWithError("the look-up is wrong");
  }
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(snapshot::find_route(routing, "alice", names[i]));
    if (++i == names.size()) i = 0;
  }
}

double cpu() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}
// The two kinds of messages in turns, block by block: what disturbs one disturbs the other.
void pass_messages(benchmark::State& state, Others others, std::string_view prefix, size_t parity) {
  constexpr size_t kBlocks = 400;
  constexpr size_t kBlock = 1000;
  const auto patterns = static_cast<size_t>(state.range(0));
  const Names names(std::max(patterns / 2, kBusy), patterns, prefix, parity, ".example.net");
  bench::RouteMessages messages(table_of(patterns, others).routing);
  size_t next = 0;
  const auto time_block = [&](sip::PeerKind from) {
    const double start = cpu();
    for (size_t i = 0; i < kBlock; ++i) {
      messages.pass(names[next], from);
      if (++next == names.size()) next = 0;
    }
    return (cpu() - start) / kBlock;
  };
  for (auto _ : state) {
    std::vector<double> differences;
    for (size_t i = 0; i < kBlocks; ++i) {
      const double without = time_block(sip::PeerKind::stranger);
      if (messages.status() != "403") return state.SkipWithError("a stranger is not refused");
      differences.push_back(time_block(sip::PeerKind::inside) - without);
      if (messages.status() != "482") return state.SkipWithError("the route is not found");
    }
    std::ranges::nth_element(differences, differences.begin() + kBlocks / 2);
    state.SetIterationTime(differences[kBlocks / 2]);
  }
}

void message_domain(benchmark::State& state) { pass_messages(state, Others::children, "", 0); }
void message_child(benchmark::State& state) { pass_messages(state, Others::children, "sip.", 1); }
void message_user(benchmark::State& state) { pass_messages(state, Others::users, "", 1); }

#define MESSAGES(name) \
  BENCHMARK(name)->Arg(10)->Arg(100000)->Arg(1000000)->Iterations(1)->UseManualTime()
MESSAGES(message_domain);
MESSAGES(message_child);
MESSAGES(message_user);

void domain(benchmark::State& state, size_t count) {
  look_up(state, count, Others::children, "", 0, ".example.net", true);
}
void child(benchmark::State& state, size_t count) {
  look_up(state, count, Others::children, "sip.", 1, ".example.net", true);
}
void user(benchmark::State& state, size_t count) {
  look_up(state, count, Others::users, "", 1, ".example.net", true);
}
void none(benchmark::State& state, size_t count) {
  look_up(state, count, Others::children, "", 0, ".example.org", false);
}

void busy_domain(benchmark::State& state) { domain(state, kBusy); }
void busy_child(benchmark::State& state) { child(state, kBusy); }
void busy_user(benchmark::State& state) { user(state, kBusy); }
void busy_none(benchmark::State& state) { none(state, kBusy); }
void any_domain(benchmark::State& state) { domain(state, kAny); }
void any_child(benchmark::State& state) { child(state, kAny); }
void any_user(benchmark::State& state) { user(state, kAny); }
void any_none(benchmark::State& state) { none(state, kAny); }

BENCHMARK(busy_domain)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(busy_child)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(busy_user)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(busy_none)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(any_domain)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(any_child)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(any_user)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(any_none)->Arg(10)->Arg(100000)->Arg(1000000);

}  // namespace

BENCHMARK_MAIN();
