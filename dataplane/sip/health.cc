#include "dataplane/sip/health.h"

#include <algorithm>

#include "dataplane/sip/probe.h"

namespace fedge::sip {

namespace {

// Successes in a row that a hop needs to be up again: the first relapse within kMemory intervals
// doubles them, quiet times of that length halve them.
constexpr int kNeeded = 2;
constexpr int kMostNeeded = 16;
constexpr int kMemory = 10;
// Of those failures that may concern one request only.
constexpr uint8_t kMostStrikes = 3;
// Of hops that are up, no more than one is asked in this time: with many the intervals grow.
constexpr Duration kPace = 5ms;
// A hop that is down is asked so often in an interval: with kNeeded successes it is up in time.
constexpr int kAsked = 4;

bool is_weak(HopFailure why) {
  return why == HopFailure::connection_lost || why == HopFailure::busy ||
         why == HopFailure::timed_out;
}

}  // namespace

std::string_view text_of(HopFailure why) {
  switch (why) {
    case HopFailure::none:
      return "";
    case HopFailure::refused:
      return "the connection request was refused";
    case HopFailure::connect_timed_out:
      return "the connection was not made in time";
    case HopFailure::handshake_failed:
      return "the TLS handshake failed";
    case HopFailure::not_sent:
      return "the connection closed before the request was sent";
    case HopFailure::unreachable:
      return "no connection could be begun";
    case HopFailure::congested:
      return "its connection takes no more";
    case HopFailure::connection_lost:
      return "the connection was lost before a response";
    case HopFailure::no_response:
      return "no response to the request";
    case HopFailure::busy:
      return "it answered 503";
    case HopFailure::timed_out:
      return "it answered 408";
  }
  return "";
}

Health::Health(TimerWheel& wheel, HealthEvents& events, uint64_t secret, uint32_t worker)
    : wheel_(wheel),
      events_(events),
      probe_index_(probe_index(worker)),
      nonces_(secret, probe_index_) {}

Health::~Health() = default;

void Health::use(const snapshot::Section<snapshot::Routing>& routing, const NextHops& next_hops,
                 const HealthTimes& times, Instant now) {
  const std::unique_ptr<Hop[]> before = std::move(hops_);
  const uint32_t before_count = count_;
  next_hops_ = &next_hops;
  times_ = times;
  probes_ = {};
  probe_count_ = 0;
  const auto records = routing.items(routing.root().next_hops);
  count_ = static_cast<uint32_t>(records.size());
  hops_ = std::make_unique<Hop[]>(count_);
  for (uint32_t i = 0; i < count_; ++i) {
    hops_[i].owner = this;
    hops_[i].key = next_hops.key(i);
    hops_[i].needed = kNeeded;
    hops_[i].is_ours = events_.asks(routing.text(records[i].host));
  }
  mark_alternatives(routing);
  for (uint32_t i = 0; i < before_count; ++i) {
    if (before[i].state == HopState::unknown) continue;
    const uint32_t at = find_key(before[i].key);
    if (at != kNoNextHop) take_over(hops_[at], before[i], now);
  }
  for (uint32_t i = 0; i < count_; ++i) {
    Hop& hop = hops_[i];
    // Spread by key: a publish must not ask everybody at once.
    if (!hop.armed()) plan(hop, now + period_of(hop) * (hop.key % 1024) / 1024);
  }
}

void Health::mark_alternatives(const snapshot::Section<snapshot::Routing>& routing) {
  for (const snapshot::Route& route : routing.items(routing.root().routes)) {
    const auto targets = routing.items(route.targets);
    const bool several = std::ranges::any_of(
        targets, [&](const auto& t) { return t.next_hop != targets[0].next_hop; });
    if (!several) continue;
    for (const snapshot::Target& target : targets) hops_[target.next_hop].has_alternative = true;
  }
  const auto asked = std::count_if(hops_.get(), hops_.get() + count_,
                                   [](const Hop& hop) { return hop.has_alternative; });
  quiet_ = std::max(times_.interval, asked * kPace);
}

void Health::take_over(Hop& hop, const Hop& before, Instant now) {
  hop.state = before.state;
  hop.reason = before.reason;
  hop.strikes = before.strikes;
  hop.successes = before.successes;
  hop.needed = before.needed;
  hop.since = before.since;
  hop.heard = before.heard;
  hop.returned = before.returned;
  hop.held = before.held;
  hop.probed = before.probed;
  // A probe under way is forgotten: another takes its place.
  if (before.armed()) plan(hop, before.probe == kNoProbe ? before.due() : now);
}

uint32_t Health::find_key(uint32_t key) const { return next_hops_->find_key(key); }

HopReport Health::report(uint32_t next_hop) const {
  const Hop& hop = hops_[next_hop];
  return {next_hop, hop.state, hop.reason, false, hop.since, hop.probed};
}

void Health::tell(const Hop& hop, bool changed) {
  HopReport news = report(index_of(hop));
  news.changed = changed;
  events_.on_hop_report(news);
}

// --- asking ------------------------------------------------------------------------------------

// Nobody waits for a hop without an alternative: requests go there in any case.
Duration Health::period_of(const Hop& hop) const {
  if (hop.state <= HopState::up) return quiet_;
  return hop.has_alternative ? times_.interval / kAsked : times_.interval;
}

// One that is up is asked only where there is a choice: thousands of idle partners are left
// alone.
bool Health::is_asked(const Hop& hop) const {
  return hop.is_ours && (hop.state > HopState::up || hop.has_alternative);
}

void Health::plan(Hop& hop, Instant at) {
  if (is_asked(hop)) wheel_.set(hop, at);
}

void Health::on_due(Hop& hop, Instant now) {
  if (hop.probe != kNoProbe) {
    const Probe lost = probes_[hop.probe];
    end_probe(probes_[hop.probe], now);
    // Something else was answered meanwhile: it lives, whatever it thinks of OPTIONS.
    if (hop.state == HopState::up && hop.heard >= lost.started) return plan(hop, now + quiet_);
    on_probe_lost(hop, HopFailure::no_response, now);
    // A connection of before the failure may take minutes to find out that it is dead.
    if (lost.connection != 0 && hop.heard < lost.started) events_.drop(lost.connection);
    return;
  }
  if (hop.state == HopState::up && hop.strikes == 0 && now < hop.heard + quiet_) {
    return plan(hop, hop.heard + quiet_);  // traffic is proof enough
  }
  if (!is_asked(hop)) return;
  if (now < hop.held) return plan(hop, hop.held);
  ask(hop, now);
}

void Health::ask(Hop& hop, Instant now) {
  // Those without an alternative may take half of the places only.
  const size_t most = hop.has_alternative ? kMostProbes : kMostProbes / 2;
  if (probe_count_ >= most) return plan(hop, now + period_of(hop));
  Probe& probe = *std::ranges::find(probes_, uint64_t{0}, &Probe::nonce);
  const uint64_t nonce = nonces_.next() | 1;
  const SendResult result = events_.send_probe(index_of(hop), {probe_index_, nonce, 0});
  if (result.outcome == SendOutcome::full) return plan(hop, now + period_of(hop));
  if (result.outcome == SendOutcome::gone) {
    hop.probed = now;
    return on_probe_lost(hop, HopFailure::unreachable, now);
  }
  probe = {index_of(hop), nonce, result.connection, now};
  ++probe_count_;
  hop.probe = static_cast<uint8_t>(&probe - probes_.data());
  // One that is down is asked again soon: no probe outlasts the time to the next.
  const bool is_urgent = hop.state > HopState::up && hop.has_alternative;
  wheel_.set(hop, now + (is_urgent ? std::min(times_.first_response, period_of(hop))
                                   : times_.first_response));
}

Health::Probe* Health::find_probe(SendToken token) {
  const auto it = std::ranges::find_if(probes_, [&](const Probe& probe) {
    return probe.nonce != 0 && probe_token(probe_index_, probe.nonce) == token;
  });
  return it == probes_.end() ? nullptr : &*it;
}

Health::Hop& Health::end_probe(Probe& probe, Instant now) {
  Hop& hop = hops_[probe.next_hop];
  hop.probe = kNoProbe;
  hop.probed = now;
  probe = {};
  --probe_count_;
  return hop;
}

bool Health::on_probe_answer(const Branch& branch, uint16_t status, Duration retry_after,
                             Instant now) {
  if (branch.index != probe_index_) return false;
  Probe* const probe = find_probe(probe_token(branch.index, branch.nonce));
  if (probe == nullptr || probe->nonce != branch.nonce) return false;
  Hop& hop = end_probe(*probe, now);
  if (status == 503 || status == 408) {
    if (retry_after > Duration{0})
      hop.held = now + std::min(retry_after, kMemory * times_.interval);
    on_probe_lost(hop, status == 503 ? HopFailure::busy : HopFailure::timed_out, now);
    return true;
  }
  const HopState before = hop.state;
  on_answer(index_of(hop), now);
  plan(hop, now + period_of(hop));
  if (hop.state == before) tell(hop, false);
  return true;
}

void Health::on_probe_lost(Hop& hop, HopFailure why, Instant now) {
  const HopState before = hop.state;
  go_down(hop, why, now);
  if (hop.state == before) tell(hop, false);
}

bool Health::on_probe_failed(SendToken token, HopFailure why, Instant now) {
  if (static_cast<uint32_t>(token) != probe_index_) return false;
  if (Probe* const probe = find_probe(token)) on_probe_lost(end_probe(*probe, now), why, now);
  return true;
}

bool Health::on_probe_placed(SendToken token, ConnectionId connection) {
  if (static_cast<uint32_t>(token) != probe_index_) return false;
  if (Probe* const probe = find_probe(token)) probe->connection = connection;
  return true;
}

void Health::on_connection_closed(ConnectionId connection, Instant now) {
  if (probe_count_ == 0) return;
  for (Probe& probe : probes_) {
    if (probe.nonce == 0 || probe.connection != connection) continue;
    on_probe_lost(end_probe(probe, now), HopFailure::connection_lost, now);
  }
}

// --- learning ----------------------------------------------------------------------------------

void Health::on_success(Hop& hop, Instant now) {
  if (hop.state > HopState::up && hop.has_alternative && ++hop.successes < hop.needed) {
    if (hop.state == HopState::recovering) return;
    hop.state = HopState::recovering;
    return tell(hop, true);
  }
  const bool returns = hop.state != HopState::unknown;
  if (returns) hop.returned = now;
  hop.state = HopState::up;
  hop.since = now;
  tell(hop, true);
}

void Health::on_failure(uint32_t next_hop, HopFailure why, Instant started, Instant now) {
  Hop& hop = hops_[next_hop];
  if (why == HopFailure::no_response && hop.heard >= started) return;
  if (is_weak(why) && ++hop.strikes < kMostStrikes) {
    // A lost connection may be a server gone: ask it now.
    const bool doubtful = why == HopFailure::connection_lost && hop.armed();
    if (doubtful && hop.probe == kNoProbe) plan(hop, now);
    return;
  }
  go_down(hop, why, now);
}

void Health::on_busy(uint32_t next_hop, Duration retry_after, Instant now) {
  Hop& hop = hops_[next_hop];
  // One request's 503 may come from far behind the hop: the next probe shows whose it was.
  const int intervals = hop.state == HopState::down ? kMemory : 1;
  hop.held = now + std::min(retry_after, intervals * times_.interval);
  go_down(hop, HopFailure::busy, now);
}

void Health::go_down(Hop& hop, HopFailure why, Instant now) {
  const HopState before = hop.state;
  set_down(hop, why, now);
  if (before != HopState::down) tell(hop, true);
}

void Health::set_down(Hop& hop, HopFailure why, Instant now) {
  hop.reason = why;
  hop.strikes = hop.successes = 0;
  if (hop.state <= HopState::up) {
    hop.since = now;
    if (hop.returned != Instant{}) {
      const auto spans = (now - hop.returned) / (kMemory * times_.interval);
      const int needed = spans == 0 ? hop.needed * 2 : hop.needed >> std::min<int64_t>(spans, 7);
      hop.needed = static_cast<uint8_t>(std::clamp(needed, kNeeded, kMostNeeded));
    }
  }
  hop.state = HopState::down;
  if (hop.probe == kNoProbe) plan(hop, std::max(hop.held, now + period_of(hop)));
}

void Health::note(const HopReport& report, uint32_t key, Instant now) {
  const uint32_t at = find_key(key);
  if (at == kNoNextHop) return;
  Hop& hop = hops_[at];
  if (report.state == HopState::down) {
    if (hop.state != HopState::down) set_down(hop, report.reason, now);
    hop.since = report.since;
  } else if (report.state == HopState::up) {
    if (hop.state > HopState::up) hop.returned = now;
    hop.state = HopState::up;
    hop.since = report.since;
    hop.strikes = 0;
    if (!hop.armed()) plan(hop, now + period_of(hop));
  }
  tell(hop, false);
}

}  // namespace fedge::sip
