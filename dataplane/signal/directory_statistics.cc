#include "dataplane/signal/directory_statistics.h"

#include <string>
#include <string_view>

namespace fedge::signal {

namespace {

constexpr std::array<std::string_view, kNameStandings> kStandings{"unknown", "found", "stale",
                                                                  "unresolved"};

}  // namespace

DirectoryStatistics::DirectoryStatistics(Counters& counters) : counters_(counters) {
  const auto series = [&](std::string_view name) {
    return counters.series("fedge_signal_resolver_" + std::string(name));
  };
  using C = resolve::Counters;
  for (size_t i = 0; i < kNameStandings; ++i) {
    names_[i] = series("names{state=\"" + std::string(kStandings[i]) + "\"}");
    counters.set(names_[i], 0);
  }
  lookups_ = series("lookups");
  refused_ = series("refused_targets_total");
  series_ = {{{&C::hits, series("hits_total{kind=\"fresh\"}")},
              {&C::stale_hits, series("hits_total{kind=\"stale\"}")},
              {&C::misses, series("misses_total")},
              {&C::prefetches, series("prefetches_total")},
              {&C::queries, series("queries_total{transport=\"udp\"}")},
              {&C::streams, series("queries_total{transport=\"tcp\"}")},
              {&C::timeouts, series("timeouts_total")},
              {&C::unreachable, series("unreachable_total")},
              {&C::server_errors, series("server_errors_total")},
              {&C::answers, series("answers_total")},
              {&C::failures, series("failures_total")},
              {&C::wrong_id, series("ignored_total{reason=\"id\"}")},
              {&C::wrong_question, series("ignored_total{reason=\"question\"}")},
              {&C::malformed, series("ignored_total{reason=\"malformed\"}")},
              {&C::elsewhere, series("ignored_total{reason=\"source\"}")}}};
}

void DirectoryStatistics::on_name(NameStanding standing, int change) {
  const auto i = static_cast<size_t>(standing);
  in_standing_[i] += static_cast<uint32_t>(change);
  counters_.set(names_[i], in_standing_[i]);
}

void DirectoryStatistics::take(const resolve::Counters& now, size_t lookups) {
  for (const Taken& s : series_) counters_.add(s.series, now.*s.from - taken_.*s.from);
  taken_ = now;
  counters_.set(lookups_, lookups);
}

}  // namespace fedge::signal
