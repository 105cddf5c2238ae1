#include "firmware/control/next_hop_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "firmware/control/query.h"
#include "firmware/snapshot/lookup.h"

namespace fedge::control {

namespace {

constexpr std::array<std::string_view, 4> kStates{"unknown", "up", "recovering", "down"};
constexpr size_t kMostName = 255;
constexpr size_t kMostText = 255;
constexpr size_t kMostLookup = kMostName + 32;    // with the words before the name
constexpr size_t kMostAddresses = 2048;           // 16 of them, and why there are no others
constexpr int64_t kLastSecond = 253'402'300'799;  // of the year 9999

// Names in the Prometheus format and in lines; the compiler lets nothing else through, but a
// process that reads the network told it.
std::string plain(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out, [](char c) { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\'; }, '?');
  return out;
}

std::string one_line(std::string_view text, size_t most) {
  std::string out(text.substr(0, most));
  std::ranges::replace_if(out, [](char c) { return c >= 0 && c < ' '; }, ' ');
  return out;
}

bool is_possible(const link::NextHopName& name) {
  return name.host.size() <= kMostName && name.realm.size() <= kMostName;
}

void cut(std::string& text) {
  if (text.size() <= kMostText) return;
  text.resize(kMostText);
  text.shrink_to_fit();
}

std::string format_seconds(int64_t seconds) {
  return seconds == 0 ? "-" : format_time(WallTime(std::chrono::seconds(seconds)));
}

}  // namespace

void NextHopBook::on_state(link::NextHopState told) {
  if (!is_possible(told.next_hop)) return;
  if (hops_.size() >= kMostHops && !hops_.contains(told.next_hop)) return;
  HopKnowledge& hop = hops_[std::move(told.next_hop)];
  hop.state = told.state;
  hop.reason = one_line(told.reason, kMostText);
  hop.since = std::clamp<int64_t>(told.since, 0, kLastSecond);
  hop.probed = std::clamp<int64_t>(told.probed, 0, kLastSecond);
  hop.was_down = hop.was_down || told.state > link::HopState::up;
}

void NextHopBook::on_failover(link::Failover told) {
  for (std::string* text : {&told.method, &told.rule, &told.reason, &told.call_id, &told.from.host,
                            &told.from.realm, &told.to.host, &told.to.realm}) {
    cut(*text);
  }
  told.time = std::clamp<int64_t>(told.time, 0, kLastSecond);
  if (failovers_.size() == kMostFailovers) failovers_.pop_front();
  failovers_.push_back({++last_number_, std::move(told)});
}

void NextHopBook::on_name(link::NameFound told) {
  const std::pair key{one_line(told.lookup, kMostLookup), told.port};
  if (names_.size() >= kMostHops && !names_.contains(key)) return;
  std::string words = told.addresses.empty() ? "not resolved" : std::move(told.addresses);
  if (!told.trouble.empty()) words += ": " + told.trouble;
  names_[key] = one_line(words, kMostAddresses);
}

void NextHopBook::keep_only(const snapshot::Section<snapshot::Routing>& routing,
                            const snapshot::Section<snapshot::Realms>& realms) {
  decltype(hops_) hops;
  decltype(names_) names;
  for (const snapshot::NextHop& hop : routing.items(routing.root().next_hops)) {
    hops.insert(hops_.extract(name_of(hop, routing, realms)));
    if (hop.lookup == snapshot::Lookup::none) continue;
    names.insert(
        names_.extract({snapshot::describe_lookup(hop.lookup, routing.text(hop.host)), hop.port}));
  }
  hops_ = std::move(hops);
  names_ = std::move(names);
}

std::string NextHopBook::addresses(const snapshot::NextHop& hop,
                                   const snapshot::Section<snapshot::Routing>& routing) const {
  const auto known =
      names_.find({snapshot::describe_lookup(hop.lookup, routing.text(hop.host)), hop.port});
  return known == names_.end() ? "not known" : known->second;
}

std::string NextHopBook::names_text() const {
  std::string out;
  for (const auto& [name, words] : names_) {
    out += fmt::format("{}\t{}\t{}\n", name.first, name.second, words);
  }
  return out;
}

const HopKnowledge& NextHopBook::find(const link::NextHopName& name) const {
  static const HopKnowledge nothing;
  const auto it = hops_.find(name);
  return it == hops_.end() ? nothing : it->second;
}

std::string NextHopBook::metrics() const {
  std::string out;
  std::string last;  // listed and found by DNS under one name: one series
  for (const auto& [name, hop] : hops_) {
    if (!hop.was_down) continue;
    if (out.empty()) out = "# TYPE fedge_signal_next_hop_up gauge\n";
    std::string series = fmt::format(
        "fedge_signal_next_hop_up{{host=\"{}\",port=\"{}\",realm=\"{}\",transport=\"{}\"}}",
        plain(name.host), name.port, plain(name.realm), name.tls ? "tls" : "tcp");
    if (series == last) continue;
    out += fmt::format("{} {}\n", series, hop.state == link::HopState::up ? 1 : 0);
    last = std::move(series);
  }
  return out;
}

std::string NextHopBook::text() const {
  std::string out;
  for (const auto& [name, hop] : hops_) {
    out += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\n", plain(name.host), name.port,
                       plain(name.realm), name.tls ? "tls" : "tcp", name_of(hop.state),
                       format_seconds(hop.since), hop.reason);
  }
  return out;
}

link::NextHopName name_of(const snapshot::NextHop& hop,
                          const snapshot::Section<snapshot::Routing>& routing,
                          const snapshot::Section<snapshot::Realms>& realms) {
  const auto endpoints = routing.items(hop.endpoints);
  return {.host = std::string(routing.text(hop.host)),
          .realm = std::string(realms.text(realms.items(realms.root().realms)[hop.realm].name)),
          .port = endpoints.empty() ? hop.port : endpoints[0].port,
          .tls = hop.transport == snapshot::Transport::tls,
          .by_dns = hop.lookup != snapshot::Lookup::none};
}

std::string_view name_of(link::HopState state) { return kStates[static_cast<size_t>(state)]; }

bool is_state(std::string_view name) { return std::ranges::find(kStates, name) != kStates.end(); }

}  // namespace fedge::control
