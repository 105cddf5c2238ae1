// /v1/next-hops and /v1/failovers: what signal has found out about next hops (R3).
#include <algorithm>

#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/snapshot/reader.h"

namespace fedge::control {

namespace {

constexpr uint64_t kUsual = 50;

void write_time(json::Writer& w, std::string_view name, int64_t seconds) {
  if (seconds != 0) w.member(name, format_time(WallTime(std::chrono::seconds(seconds))));
}

void write_hop(json::Writer& w, std::string_view key, const link::NextHopName& name) {
  w.key(key).begin_object().member("host", name.host).member("port", name.port);
  w.member("realm", name.realm).end_object();
}

void write_failover(json::Writer& w, const FailoverRecord& record) {
  const link::Failover& f = record.what;
  w.begin_object().member("number", record.number);
  write_time(w, "time", f.time);
  w.member("method", f.method).member("rule", f.rule);
  write_hop(w, "from", f.from);
  write_hop(w, "to", f.to);
  w.member("reason", f.reason).member("call_id", f.call_id).end_object();
}

}  // namespace

void write_knowledge(json::Writer& w, const HopKnowledge& hop) {
  w.member("state", name_of(hop.state));
  write_time(w, "since", hop.since);
  if (!hop.reason.empty()) {
    w.member(hop.state > link::HopState::up ? "reason" : "last_failure", hop.reason);
  }
  write_time(w, "last_probe", hop.probed);
}

Answer on_list_next_hops(Control& control, Request& request) {
  const std::string* const wanted = request.query.find("state");
  if (wanted != nullptr && !is_state(*wanted)) {
    return error_reply(400, "query parameter state", "found \"" + *wanted + "\"",
                       "allowed: unknown, up, recovering, down");
  }
  const Generation& running = control.running();
  const SectionPointer routing = running.find(snapshot::Kind::routing);
  const SectionPointer realms = running.find(snapshot::Kind::realms);
  if (!routing || !realms) return error_reply(503, control.not_ready());
  auto open_routing = snapshot::Section<snapshot::Routing>::open(routing->mapping.bytes());
  auto open_realms = snapshot::Section<snapshot::Realms>::open(realms->mapping.bytes());
  if (!open_routing) return error_reply(500, open_routing.error());
  if (!open_realms) return error_reply(500, open_realms.error());
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("next_hops").begin_array();
  for (const snapshot::NextHop& hop : open_routing->items(open_routing->root().next_hops)) {
    const link::NextHopName name = name_of(hop, *open_routing, *open_realms);
    const HopKnowledge& known = control.next_hops().find(name);
    if (wanted != nullptr && *wanted != name_of(known.state)) continue;
    w.begin_object().member("host", name.host).member("port", name.port);
    w.member("realm", name.realm).member("transport", name.tls ? "tls" : "tcp");
    write_knowledge(w, known);
    w.end_object();
  }
  w.end_array().end_object();
  return json_reply(w.take());
}

Answer on_list_failovers(Control& control, Request& request) {
  auto limit = request.query.number("limit", kUsual, 1, NextHopBook::kMostFailovers);
  if (!limit) return error_reply(400, limit.error());
  const std::string* const host = request.query.find("next_hop");
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("failovers").begin_array();
  const auto& all = control.next_hops().failovers();
  for (auto it = all.rbegin(); it != all.rend() && *limit > 0; ++it) {
    if (host != nullptr && *host != it->what.from.host && *host != it->what.to.host) continue;
    write_failover(w, *it);
    --*limit;
  }
  w.end_array().end_object();
  return json_reply(w.take());
}

}  // namespace fedge::control
