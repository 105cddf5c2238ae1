#include "dataplane/signal/hop_news.h"

#include <algorithm>

namespace fedge::signal {

namespace {

static_assert(static_cast<uint8_t>(sip::HopState::down) ==
              static_cast<uint8_t>(link::HopState::down));

// Wall-clock seconds of an instant in the past; 0 for none.
int64_t seconds_of(Instant at, Instant now) {
  if (at == Instant{}) return 0;
  const auto ago = std::chrono::duration_cast<std::chrono::seconds>(now - at);
  return (now_wall() - ago).time_since_epoch().count();
}

link::NextHopName name_of(const Generation& generation, uint32_t next_hop) {
  const snapshot::NextHop& hop = generation.next_hops()[next_hop];
  const auto endpoints = generation.routing.items(hop.endpoints);
  return {.host = std::string(generation.routing.text(hop.host)),
          .realm = std::string(generation.realm_name(hop.realm)),
          .port = endpoints.empty() ? hop.port : endpoints[0].port,
          .tls = hop.transport == snapshot::Transport::tls,
          .by_dns = hop.lookup != snapshot::Lookup::none};
}

}  // namespace

template <size_t N>
void HopNews::Words<N>::set(std::string_view from) {
  size = static_cast<uint8_t>(std::min(from.size(), N));
  // Of a message, for a line of JSON: nothing in it is to be trusted.
  std::transform(from.begin(), from.begin() + size, text.begin(),
                 [](char c) { return c > ' ' && c < 0x7f ? c : '?'; });
}

HopNews::HopNews(const sip::Proxy& proxy, Counters& counters)
    : proxy_(proxy),
      counters_(counters),
      dropped_(counters.series("fedge_signal_failovers_untold_total")) {}

void HopNews::before_use(const Generation* running, Reporter* reporter, Instant now) {
  if (running == nullptr) return;
  if (reporter != nullptr && record_count_ > 0) flush(*running, *reporter, now);
  counters_.add(dropped_, record_count_);
  record_count_ = 0;
  kept_.clear();
  for (const uint32_t next_hop : marked_) kept_.push_back(proxy_.key_of_next_hop(next_hop));
}

void HopNews::after_use(const Generation& generation) {
  marked_.clear();
  marked_.reserve(generation.next_hops().size());
  is_marked_.assign(generation.next_hops().size(), false);
  for (const uint32_t key : kept_) {
    const uint32_t next_hop = proxy_.find_next_hop(key);
    if (next_hop != sip::kNoNextHop) mark(next_hop);
  }
}

void HopNews::mark(uint32_t next_hop) {
  if (next_hop >= is_marked_.size() || is_marked_[next_hop]) return;
  if (!proxy_.asks_next_hop(next_hop)) return;
  is_marked_[next_hop] = true;
  marked_.push_back(next_hop);
}

void HopNews::mark_known() {
  for (uint32_t i = 0; i < is_marked_.size(); ++i) {
    if (proxy_.health_of(i).state != sip::HopState::unknown) mark(i);
  }
}

void HopNews::note(const sip::HopReport& report) { mark(report.next_hop); }

void HopNews::note(const sip::FailoverReport& report, Instant now) {
  if (record_count_ == records_.size()) return counters_.add(dropped_);
  Record& record = records_[record_count_++];
  record.method.set(report.method);
  record.rule.set(report.rule);
  record.call_id.set(report.call_id);
  record.from = report.from;
  record.to = report.to;
  record.why = report.why;
  record.at = now;
}

link::NextHopState HopNews::state_of(const Generation& generation, uint32_t next_hop,
                                     Instant now) const {
  const sip::HopReport report = proxy_.health_of(next_hop);
  return {.next_hop = name_of(generation, next_hop),
          .state = static_cast<link::HopState>(report.state),
          .reason = std::string(sip::text_of(report.reason)),
          .since = seconds_of(report.since, now),
          .probed = seconds_of(report.probed, now)};
}

link::Failover HopNews::failover_of(const Generation& generation, const Record& record,
                                    Instant now) const {
  return {.time = seconds_of(record.at, now),
          .method = record.method.str(),
          .rule = record.rule.str(),
          .from = name_of(generation, record.from),
          .to = name_of(generation, record.to),
          .reason = std::string(sip::text_of(record.why)),
          .call_id = record.call_id.str()};
}

// While nobody takes it, states are kept up to date and fail-overs up to the bound.
void HopNews::flush(const Generation& generation, Reporter& reporter, Instant now) {
  const uint64_t link = reporter.link_number();
  if (link == 0 || !reporter.has_room()) return;
  if (link != told_link_) mark_known();
  told_link_ = link;
  if (marked_.empty() && record_count_ == 0) return;
  Report report;
  for (size_t i = 0; i < kMostStates && !marked_.empty(); ++i) {
    report.states.push_back(state_of(generation, marked_.back(), now));
    is_marked_[marked_.back()] = false;
    marked_.pop_back();
  }
  for (size_t i = 0; i < record_count_; ++i) {
    report.failovers.push_back(failover_of(generation, records_[i], now));
  }
  record_count_ = 0;
  reporter.post(std::move(report));
}

}  // namespace fedge::signal
