// What requests and their responses say about the next hops, and OPTIONS where nothing else does
// (R3).
#include <algorithm>

#include "dataplane/sip/core.h"
#include "dataplane/sip/probe.h"

namespace fedge::sip {

namespace {

constexpr uint64_t kMostSeconds = 86400;

// RFC 3261 20.33: seconds, then a comment or parameters. Zero when there is none.
Duration retry_after_of(const Message& response) {
  const Header* const header = response.find(HeaderId::retry_after);
  if (header == nullptr) return {};
  uint64_t seconds = 0;
  for (const char c : header->value) {
    if (c < '0' || c > '9') break;
    seconds = std::min<uint64_t>(seconds * 10 + static_cast<uint64_t>(c - '0'), kMostSeconds);
  }
  return std::chrono::seconds(seconds);
}

}  // namespace

void Proxy::Core::note_response(ClientTransaction& client, const Message& response, Instant now) {
  // One that comes too late is no proof of being up.
  if (client.passed_over) return;
  const uint32_t hop = health.find(client.next_hop, client.hop);
  if (hop == kNoNextHop) return;
  if (response.status != 503 && response.status != 408) return health.on_answer(hop, now);
  client.failure = response.status == 503 ? HopFailure::busy : HopFailure::timed_out;
  const Duration wanted = response.status == 503 ? retry_after_of(response) : Duration{0};
  if (wanted > Duration{0}) return health.on_busy(hop, wanted, now);
  health.on_failure(hop, client.failure, client.started, now);
}

void Proxy::Core::note_failure(ClientTransaction& client, HopFailure why, Instant now) {
  client.failure = why;
  const uint32_t hop = health.find(client.next_hop, client.hop);
  if (hop != kNoNextHop) health.on_failure(hop, why, client.started, now);
}

SendResult Proxy::Core::send_probe(uint32_t next_hop, const Branch& branch) {
  const auto& routing = published->routing();
  const snapshot::NextHop& hop = routing.items(routing.root().next_hops)[next_hop];
  const auto endpoints = routing.items(hop.endpoints);
  const ProbeTarget target{routing.text(hop.host), endpoints.empty() ? hop.port : endpoints[0].port,
                           hop.transport};
  const auto size = write_probe(*path_out(next_hop).side, target, branch, room());
  if (!size) return {};
  statistics.count_probe();
  return outbound.send_to_next_hop(next_hop, {room().data(), *size},
                                   probe_token(branch.index, branch.nonce));
}

bool Proxy::Core::on_probe_response(const Branch& branch, const Message& response, Instant now) {
  return response.method == Method::options &&
         health.on_probe_answer(branch, response.status, retry_after_of(response), now);
}

void Proxy::Core::report_failover(const Outgoing& outgoing, const Direction& direction,
                                  const FailedTarget& failed, uint32_t next_hop) {
  if (failed.next_hop == kNoNextHop || direction.route == nullptr) return;
  const auto& routing = published->routing();
  const auto targets = routing.items(direction.route->targets);
  const auto rule = std::ranges::find(targets, failed.next_hop, &snapshot::Target::next_hop);
  const snapshot::Text path =
      rule == targets.end() || rule->path.size == 0 ? direction.route->path : rule->path;
  outbound.on_failover({outgoing.message.method_text, routing.text(path), outgoing.message.call_id,
                        failed.next_hop, next_hop, failed.why});
}

}  // namespace fedge::sip
