#include "firmware/control/handlers.h"

#include "firmware/base/json.h"
#include "firmware/control/configuration.h"
#include "firmware/topology/topology.h"

namespace fedge::control {

Reply findings_reply(const topology::Findings& findings, uint16_t status) {
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("errors").begin_array();
  for (const topology::Finding& f : findings) {
    w.begin_object().member("path", f.path).member("found", f.found);
    w.member("allowed", f.allowed).member("remedy", f.remedy).end_object();
  }
  w.end_array().end_object();
  return json_reply(w.take(), status);
}

Reply refusal_reply(const Refusal& refusal) {
  if (!refusal.findings.empty()) return findings_reply(refusal.findings, refusal.status);
  return error_reply(refusal.status, refusal.error);
}

Reply roll_out_reply(const RollOut& roll_out, std::string_view extra) {
  const std::string_view state = roll_out.refused()      ? "refused"
                                 : roll_out.everywhere() ? "running"
                                                         : "pending";
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object();
  if (!extra.empty()) w.member("id", extra);
  w.member("revision", roll_out.revision).member("generation", roll_out.generation);
  w.member("state", state);
  if (roll_out.refused()) {
    w.key("error").begin_object().member("where", "publish");
    w.member("what", "a forwarder refused it: the revision before runs again");
    w.member("remedy", "see what the forwarders say").end_object();
  }
  w.key("forwarders").begin_array();
  for (const ForwarderAnswer& f : roll_out.forwarders) {
    w.begin_object().member("process", link::name(f.process)).member("state", name(f.state));
    w.member("revision", f.revision).member("generation", f.generation);
    if (!f.reason.empty()) w.member("reason", f.reason);
    w.end_object();
  }
  w.end_array().end_object();
  return json_reply(w.take(), roll_out.refused() ? 409 : roll_out.everywhere() ? 200 : 202);
}

std::optional<Reply> check_json(const Request& request) {
  auto document = json::Document::parse(request.body, {.bytes = topology::kMostBody});
  if (document) return std::nullopt;
  return error_reply(400, document.error());
}

}  // namespace fedge::control
