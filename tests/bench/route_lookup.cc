// What finding a request's route costs: user@domain is asked for; the domain, its parent ("*.") or
// nothing at all has a route. "busy" asks for 1,000 destinations over and over, as a box does that
// talks with as many systems: flat, among a million patterns at most twice what it is among ten.
// "anywhere" asks for any of the patterns in no order, which waits for memory once the table is
// larger than the processor's caches: information.
// bar: busy_domain/100000 2 times busy_domain/10
// bar: busy_domain/1000000 2 times busy_domain/10
// bar: busy_child/100000 2 times busy_child/10
// bar: busy_child/1000000 2 times busy_child/10
// bar: busy_none/100000 2 times busy_none/10
// bar: busy_none/1000000 2 times busy_none/10
#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/snapshot/routes.h"
#include "tests/unit/snapshot/samples.h"

namespace {

using namespace fedge;

// Every second pattern is a domain, the others are all children of one.
std::string pattern_of(size_t i) {
  const std::string name = "branch" + std::to_string(i) + ".example.net";
  return i % 2 == 0 ? name : "*." + name;
}

struct Table {
  explicit Table(size_t patterns) {
    std::vector<std::string> names;
    for (size_t i = 0; i < patterns; ++i) names.push_back(pattern_of(i));
    bytes = snapshot::sample_routing(names);
    routing = *snapshot::Section<snapshot::Routing>::open(as_bytes(bytes));
  }
  std::string bytes;
  snapshot::Section<snapshot::Routing> routing;
};

const Table& table_of(size_t patterns) {
  static std::map<size_t, Table> tables;
  return tables.try_emplace(patterns, patterns).first->second;
}

// `count` names, whatever the size of the table.
std::vector<std::string> names_for(size_t count, size_t patterns, std::string_view prefix,
                                   size_t parity, std::string_view suffix) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    const size_t which = i * 2654435761u % (patterns / 2) * 2 + parity;
    names.push_back(std::string(prefix) + "branch" + std::to_string(which) + std::string(suffix));
  }
  return names;
}

void look_up(benchmark::State& state, const std::vector<std::string>& names, bool found) {
  const auto& routing = table_of(static_cast<size_t>(state.range(0))).routing;
  for (const std::string& name : names) {
    if ((snapshot::find_route(routing, "alice", name) != nullptr) == found) continue;
    return state.SkipWithError("the look-up is wrong");
  }
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(snapshot::find_route(routing, "alice", names[i]));
    i = (i + 1) % names.size();
  }
}

constexpr size_t kBusy = 1000;
constexpr size_t kAnywhere = 65536;

void domain(benchmark::State& state, size_t count) {
  look_up(state, names_for(count, static_cast<size_t>(state.range(0)), "", 0, ".example.net"),
          true);
}
void child(benchmark::State& state, size_t count) {
  look_up(state, names_for(count, static_cast<size_t>(state.range(0)), "sip.", 1, ".example.net"),
          true);
}
void none(benchmark::State& state, size_t count) {
  look_up(state, names_for(count, static_cast<size_t>(state.range(0)), "", 0, ".example.org"),
          false);
}

void busy_domain(benchmark::State& state) { domain(state, kBusy); }
void busy_child(benchmark::State& state) { child(state, kBusy); }
void busy_none(benchmark::State& state) { none(state, kBusy); }
void anywhere_domain(benchmark::State& state) { domain(state, kAnywhere); }
void anywhere_child(benchmark::State& state) { child(state, kAnywhere); }
void anywhere_none(benchmark::State& state) { none(state, kAnywhere); }

BENCHMARK(busy_domain)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(busy_child)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(busy_none)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(anywhere_domain)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(anywhere_child)->Arg(10)->Arg(100000)->Arg(1000000);
BENCHMARK(anywhere_none)->Arg(10)->Arg(100000)->Arg(1000000);

}  // namespace

BENCHMARK_MAIN();
