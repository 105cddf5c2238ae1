#include "firmware/resolve/resolver.h"

#include <algorithm>

namespace fedge::resolve {

namespace {

constexpr uint8_t kGivenUp = 255;
constexpr unsigned kFailuresForPenalty = 2;
constexpr Duration kRefusedRetry = 1s;

State state_of(dns::Outcome outcome) {
  switch (outcome) {
    case dns::Outcome::found:
      return State::found;
    case dns::Outcome::no_name:
      return State::no_name;
    case dns::Outcome::no_data:
      return State::no_data;
    default:
      return State::failed;
  }
}

}  // namespace

Resolver::Resolver(Settings settings, RandomSource& random)
    : settings_(std::move(settings)), random_(random), cache_(settings_.cache) {
  set_servers(settings_.servers, Instant{});
}

Finding Resolver::tell(const Entry& entry, bool is_stale, Instant now) {
  ++(is_stale ? counters_.stale_hits : counters_.hits);
  // A stale answer whose renewal is under way: it may be there in a moment.
  Instant again = std::max(entry.retry_at, now + kRefusedRetry);
  if (!is_stale) {
    // Only what exists is renewed before its time is over.
    const bool is_early = entry.is_found() && now < entry.prefetch_at;
    again = is_early ? entry.prefetch_at : entry.expires;
  }
  return {state_of(entry.answer.outcome), is_stale, entry.is_found() ? &entry.answer : nullptr,
          again};
}

Finding Resolver::find(const dns::Question& question, Instant now) {
  const Entry* entry = cache_.find(question, now);
  auto place = lookups_.find(question);
  if (entry != nullptr && now < entry->expires) {
    if (entry->is_found() && now >= entry->prefetch_at && now >= entry->retry_at &&
        place == lookups_.end() && begin(question, now))
      ++counters_.prefetches;
    return tell(*entry, false, now);
  }
  const bool has_stale = entry != nullptr && entry->is_found();
  if (place == lookups_.end()) {
    if (has_stale && now < entry->retry_at) return tell(*entry, true, now);
    ++counters_.misses;
    if (!begin(question, now)) {
      return has_stale ? tell(*entry, true, now) : Finding{.ask_again = now + kRefusedRetry};
    }
    place = lookups_.find(question);
  }
  Lookup& lookup = place->second;
  if (has_stale) {
    // Servers did not answer a moment ago: only the first one waits for them.
    const bool in_outage = entry->retry_at != Instant{} && now < entry->retry_at + settings_.outage;
    if (in_outage || now >= lookup.started + settings_.stale_wait) return tell(*entry, true, now);
    lookup.stale_due = lookup.started + settings_.stale_wait;
  }
  lookup.is_awaited = true;
  return {State::pending};
}

void Resolver::set_servers(std::vector<Endpoint> servers, Instant now) {
  if (servers.size() > kMostServers) servers.resize(kMostServers);
  std::vector<Server> next;
  for (const Endpoint& endpoint : servers) {
    const auto known = std::ranges::find(servers_, endpoint, &Server::endpoint);
    next.push_back(known != servers_.end() ? *known : Server{.endpoint = endpoint});
  }
  servers_ = std::move(next);
  std::vector<dns::Question> running;
  for (auto& [question, lookup] : lookups_) {
    restart(lookup);
    running.push_back(question);
  }
  for (const dns::Question& question : running) try_next(lookups_.find(question), now);
}

bool Resolver::begin(const dns::Question& question, Instant now) {
  if (servers_.empty()) return false;
  if (lookups_.size() >= settings_.most_lookups) {
    ++counters_.refused_full;
    return false;
  }
  const Place place = lookups_.try_emplace(question).first;
  Lookup& lookup = place->second;
  lookup.current = question.name;
  lookup.started = now;
  lookup.deadline = now + settings_.longest_lookup;
  try_next(place, now);
  return true;
}

// Forgets who was asked; the deadline stays.
void Resolver::restart(Lookup& lookup) {
  while (!lookup.open.empty()) close_exchange(lookup, lookup.open.back().number);
  lookup.attempts = 0;
  lookup.tried.fill(0);
}

void Resolver::open_exchange(Place place, size_t server, bool is_stream, bool with_edns,
                             Instant now) {
  Lookup& lookup = place->second;
  const Exchange exchange{++last_exchange_, server, static_cast<uint16_t>(random_.next() >> 16),
                          is_stream, with_edns};
  lookup.open.push_back(exchange);
  exchanges_.emplace(exchange.number, place->first);
  ++(is_stream ? counters_.streams : counters_.queries);
  // A stream needs a round trip more.
  const size_t round = is_stream ? 1 : (lookup.attempts - 1) / servers_.size();
  lookup.attempt_due =
      std::min(now + settings_.first_timeout * (1 << std::min<size_t>(round, 6)), lookup.deadline);
  actions_.push_back(
      {is_stream ? Action::Kind::send_stream : Action::Kind::send_datagram, exchange.number,
       servers_[server].endpoint,
       dns::build_query({lookup.current, place->first.type}, exchange.id, with_edns)});
}

void Resolver::close_exchange(Lookup& lookup, uint64_t number) {
  std::erase_if(lookup.open, [&](const Exchange& e) { return e.number == number; });
  exchanges_.erase(number);
  actions_.push_back({Action::Kind::close, number, {}, {}});
}

// The one asked least often; among those one without a penalty; among those the first.
size_t Resolver::choose_server(const Lookup& lookup, Instant now) const {
  size_t best = servers_.size();
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (lookup.tried[i] == kGivenUp) continue;
    const auto rank = [&](size_t s) {
      return std::pair(lookup.tried[s], now < servers_[s].penalised_until);
    };
    if (best == servers_.size() || rank(i) < rank(best)) best = i;
  }
  return best;
}

void Resolver::try_next(Place place, Instant now) {
  Lookup& lookup = place->second;
  const size_t server = choose_server(lookup, now);
  if (now < lookup.deadline && lookup.attempts < settings_.most_attempts &&
      server < servers_.size()) {
    ++lookup.attempts;
    ++lookup.tried[server];
    open_exchange(place, server, false, now >= servers_[server].plain_until, now);
    return;
  }
  // Nobody left to ask: those asked before may still answer.
  if (now >= lookup.deadline || lookup.open.empty()) return fail(place, now);
  lookup.attempt_due = lookup.deadline;
}

void Resolver::note_server_failure(size_t server, Instant now) {
  if (++servers_[server].failures >= kFailuresForPenalty)
    servers_[server].penalised_until = now + settings_.server_penalty;
}

bool Resolver::believe(const Exchange& exchange, const dns::Question& asked, const Endpoint& from,
                       const std::optional<dns::Envelope>& envelope) {
  if (from != servers_[exchange.server].endpoint) return ++counters_.elsewhere, false;
  if (!envelope) return ++counters_.malformed, false;
  if (!envelope->is_response || envelope->opcode != 0 || envelope->id != exchange.id)
    return ++counters_.wrong_id, false;
  // Old servers answer EDNS0 with a bare header.
  const bool is_bare_error =
      !envelope->question && (envelope->rcode == dns::Rcode::format_error ||
                              envelope->rcode == dns::Rcode::not_implemented);
  if (!is_bare_error && envelope->question != asked) return ++counters_.wrong_question, false;
  return true;
}

void Resolver::on_message(uint64_t number, const Endpoint& from, Bytes message, Instant now) {
  const auto known = exchanges_.find(number);
  if (known == exchanges_.end()) {
    ++counters_.unknown;
    return;
  }
  const Place place = lookups_.find(known->second);
  Lookup& lookup = place->second;
  const Exchange exchange = *std::ranges::find(lookup.open, number, &Exchange::number);
  const auto envelope = dns::read_envelope(message);
  if (!believe(exchange, {lookup.current, place->first.type}, from, envelope)) return;
  // The rest of a truncated answer is not looked at (RFC 2181 section 9).
  if (envelope->is_truncated && !exchange.is_stream) {
    servers_[exchange.server].failures = 0;
    close_exchange(lookup, number);
    return open_exchange(place, exchange.server, true, exchange.with_edns, now);
  }
  const auto answer = dns::read_answer(message, *envelope);
  if (!answer) {
    ++counters_.malformed;
    return;
  }
  ++counters_.answers;
  servers_[exchange.server].failures = 0;
  servers_[exchange.server].penalised_until = {};
  on_answer(place, exchange, *envelope, *answer, now);
}

void Resolver::on_answer(Place place, Exchange exchange, const dns::Envelope& envelope,
                         const dns::Answer& answer, Instant now) {
  switch (answer.outcome) {
    case dns::Outcome::found:
    case dns::Outcome::no_name:
    case dns::Outcome::no_data:
      if (envelope.is_truncated) break;
      return settle(place, answer, now);
    case dns::Outcome::alias:
      return follow_alias(place, answer, now);
    case dns::Outcome::failed:
      break;
  }
  const bool edns_refused = answer.rcode == dns::Rcode::format_error ||
                            answer.rcode == dns::Rcode::not_implemented ||
                            answer.rcode == dns::Rcode::bad_version;
  if (exchange.with_edns && edns_refused) {  // RFC 6891 section 6.2.2
    servers_[exchange.server].plain_until = now + settings_.plain_time;
    close_exchange(place->second, exchange.number);
    return open_exchange(place, exchange.server, exchange.is_stream, false, now);
  }
  ++counters_.server_errors;
  give_up(place, exchange, now);
}

// This server is of no use for this name.
void Resolver::give_up(Place place, Exchange exchange, Instant now) {
  Lookup& lookup = place->second;
  lookup.tried[exchange.server] = kGivenUp;
  close_exchange(lookup, exchange.number);
  // Another one is being waited for already.
  if (!lookup.open.empty() && lookup.open.back().number > exchange.number) return;
  try_next(place, now);
}

void Resolver::on_unreachable(uint64_t number, Instant now) {
  const auto known = exchanges_.find(number);
  if (known == exchanges_.end()) return;
  const Place place = lookups_.find(known->second);
  const Exchange exchange = *std::ranges::find(place->second.open, number, &Exchange::number);
  ++counters_.unreachable;
  note_server_failure(exchange.server, now);
  give_up(place, exchange, now);
}

void Resolver::follow_alias(Place place, const dns::Answer& answer, Instant now) {
  Lookup& lookup = place->second;
  restart(lookup);
  if (++lookup.aliases > dns::kMostAliases) return fail(place, now);
  lookup.chain_ttl = std::min(lookup.chain_ttl, answer.ttl);
  lookup.current = answer.name;
  try_next(place, now);
}

void Resolver::settle(Place place, dns::Answer answer, Instant now) {
  answer.ttl = std::min(answer.ttl, place->second.chain_ttl);
  cache_.put(place->first, std::move(answer), now);
  finish(place);
}

void Resolver::fail(Place place, Instant now) {
  ++counters_.failures;
  cache_.note_failure(place->first, now);
  finish(place);
}

void Resolver::finish(Place place) {
  restart(place->second);
  if (place->second.is_awaited) settled_.push_back(place->first);
  lookups_.erase(place);
}

void Resolver::advance(Instant now) {
  std::vector<dns::Question> due;
  for (auto& [question, lookup] : lookups_) {
    if (now >= lookup.stale_due) {
      lookup.stale_due = never;
      settled_.push_back(question);
    }
    if (now >= lookup.attempt_due) due.push_back(question);
  }
  for (const dns::Question& question : due) {
    const Place place = lookups_.find(question);
    if (!place->second.open.empty()) {
      ++counters_.timeouts;
      note_server_failure(place->second.open.back().server, now);
    }
    try_next(place, now);
  }
}

Instant Resolver::next_due() const {
  Instant due = never;
  for (const auto& [question, lookup] : lookups_)
    due = std::min({due, lookup.attempt_due, lookup.stale_due});
  return due;
}

}  // namespace fedge::resolve
