#include "firmware/control/next_hop_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "firmware/control/query.h"
#include "firmware/snapshot/lookup.h"

namespace fedge::control {

namespace {

// Names in the Prometheus format and in lines; the compiler lets nothing else through, but a
// process that reads the network told it.
std::string plain(std::string_view text) {
  std::string out(text.substr(0, 255));
  std::ranges::replace_if(
      out, [](char c) { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\'; }, '?');
  return out;
}

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, 255));
  std::ranges::replace_if(out, [](char c) { return c >= 0 && c < ' '; }, ' ');
  return out;
}

std::string format_seconds(int64_t seconds) {
  return seconds == 0 ? "-" : format_time(WallTime(std::chrono::seconds(seconds)));
}

}  // namespace

void NextHopBook::on_state(link::NextHopState told) {
  if (hops_.size() >= kMostHops && !hops_.contains(told.next_hop)) return;
  HopKnowledge& hop = hops_[std::move(told.next_hop)];
  hop.state = told.state;
  hop.reason = one_line(told.reason);
  hop.since = told.since;
  hop.probed = told.probed;
  hop.was_down = hop.was_down || told.state > link::HopState::up;
}

void NextHopBook::on_failover(link::Failover told) {
  if (failovers_.size() == kMostFailovers) failovers_.pop_front();
  failovers_.push_back({++last_number_, std::move(told)});
}

void NextHopBook::on_name(link::NameFound told) {
  const std::pair key{one_line(told.lookup), told.port};
  if (names_.size() >= kMostHops && !names_.contains(key)) return;
  std::string words = told.addresses.empty() ? "not resolved" : std::move(told.addresses);
  if (!told.trouble.empty()) words += ": " + told.trouble;
  names_[key] = one_line(words);
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
  for (const auto& [name, hop] : hops_) {
    if (!hop.was_down) continue;
    if (out.empty()) out = "# TYPE fedge_signal_next_hop_up gauge\n";
    out += fmt::format("fedge_signal_next_hop_up{{host=\"{}\",port=\"{}\",realm=\"{}\"}} {}\n",
                       plain(name.host), name.port, plain(name.realm),
                       hop.state == link::HopState::up ? 1 : 0);
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
          .tls = hop.transport == snapshot::Transport::tls};
}

std::string_view name_of(link::HopState state) {
  constexpr std::array<std::string_view, 4> kNames{"unknown", "up", "recovering", "down"};
  return kNames[static_cast<size_t>(state)];
}

}  // namespace fedge::control
