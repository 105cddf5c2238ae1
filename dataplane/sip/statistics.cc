#include "dataplane/sip/statistics.h"

#include <algorithm>
#include <string>

#include "firmware/wire/sip/constants.h"

namespace fedge::sip {

namespace {

std::string label(std::string_view name, std::string_view key, std::string_view value) {
  std::string text = "fedge_signal_";
  text += name;
  text += "{";
  text += key;
  text += "=\"";
  text += value;
  text += "\"}";
  return text;
}

constexpr std::array<std::string_view, kRefusals> kRefusalNames = {
    "malformed",      "max_forwards",      "max_breadth",         "loop",
    "proxy_require",  "bad_route",         "no_such_transaction", "full",
    "no_media_ports", "media_description", "not_for_credentials"};
constexpr std::array<std::string_view, kFailovers> kFailoverNames = {
    "send_failed", "connection_lost", "no_response", "refused"};
constexpr std::array<std::string_view, kDropped> kDroppedNames = {
    "stray_response",     "malformed_response", "ack", "response", "late_timeout",
    "oversized_response", "media_description"};
constexpr std::array<std::string_view, kCredentials> kCredentialsNames = {
    "given", "malformed", "forbidden", "no_key", "too_large"};

}  // namespace

Statistics::Statistics(Counters& counters) : counters_(counters) {
  for (size_t i = 0; i < requests_.size(); ++i) {
    std::string method(name_of(static_cast<Method>(i)));
    std::ranges::transform(method, method.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    requests_[i] =
        counters.series(label("requests_total", "method", method.empty() ? "other" : method));
  }
  for (size_t i = 0; i < responses_.size(); ++i) {
    // No status is below 100: what is filed under 0 never counts.
    const std::string name = std::to_string(std::max<size_t>(i, 1)) + "xx";
    responses_[i] = counters.series(label("responses_total", "class", name));
  }
  for (size_t i = 0; i < kRefusals; ++i) {
    refusals_[i] = counters.series(label("refused_total", "reason", kRefusalNames[i]));
  }
  rules_[0] = counters.series("fedge_signal_routed_total");
  for (size_t i = 1; i < kRules; ++i) {
    const std::string_view name = name_of(static_cast<Rule>(i));
    rules_[i] = counters.series(label("refused_total", "reason", name));
  }
  for (size_t i = 0; i < kFailovers; ++i) {
    failovers_[i] = counters.series(label("failovers_total", "reason", kFailoverNames[i]));
  }
  for (size_t i = 0; i < kDropped; ++i) {
    dropped_[i] = counters.series(label("dropped_total", "what", kDroppedNames[i]));
  }
  for (size_t i = 0; i < kCredentials; ++i) {
    credentials_[i] =
        counters.series(label("media_credentials_total", "outcome", kCredentialsNames[i]));
  }
  duplicates_ = counters.series("fedge_signal_possible_duplicates_total");
  repetitions_ = counters.series("fedge_signal_repeated_requests_total");
  timeouts_ = counters.series("fedge_signal_timeouts_total");
  probes_ = counters.series("fedge_signal_probes_total");
  overload_refused_ = counters.series("fedge_signal_overload_refused_total");
  overload_delay_ = counters.series("fedge_signal_overload_delay_ms");
  server_transactions_ = counters.series(label("transactions", "side", "server"));
  client_transactions_ = counters.series(label("transactions", "side", "client"));
}

}  // namespace fedge::sip
