// /v1/topology: the running one, the candidate, validating and publishing it.
#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/topology/diff.h"

namespace fedge::control {

namespace {

constexpr Duration kWait = 5s;
constexpr Duration kLongestWait = 2min;
constexpr size_t kMostChanges = 10000;  // that validate lists

// Whether `if_match` (a list of ETags or *) names `etag`. RFC 9110 section 13.1.1: strong ones.
bool names_etag(std::string_view if_match, std::string_view etag) {
  while (!if_match.empty()) {
    const std::string_view one = if_match.substr(0, if_match.find(','));
    if_match.remove_prefix(std::min(if_match.size(), one.size() + 1));
    const size_t first = one.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    const std::string_view trimmed = one.substr(first, one.find_last_not_of(" \t") - first + 1);
    if (trimmed == "*" || trimmed == etag) return true;
  }
  return false;
}

Reply changed_reply(std::string etag) {
  Reply reply = error_reply(412, "If-Match", "the candidate has changed since",
                            "GET /v1/topology/candidate, look at what changed, and try again");
  reply.etag = std::move(etag);
  return reply;
}

// The answer when If-Match stands against the candidate.
std::optional<Reply> check_match(Control& control, const Request& request, bool needed) {
  auto etag = control.configuration()->candidate_etag();
  if (!etag) return error_reply(500, etag.error());
  if (!request.if_match.empty()) {
    if (names_etag(request.if_match, *etag)) return std::nullopt;
    return changed_reply(*etag);
  }
  if (!needed || etag->starts_with("\"r")) return std::nullopt;
  Reply reply = error_reply(428, "If-Match", "there is a candidate already",
                            "send its ETag from GET /v1/topology/candidate as If-Match");
  reply.etag = *etag;
  return reply;
}

Result<std::string> running_document(Control& control) {
  auto revision = control.store()->revision(control.running().revision);
  if (!revision) return std::unexpected(revision.error());
  if (!*revision) return fail("revision", "the running one is not in the database");
  return std::move((*revision)->document);
}

std::string_view name_of(topology::Change::Kind kind) {
  switch (kind) {
    case topology::Change::Kind::added:
      return "added";
    case topology::Change::Kind::removed:
      return "removed";
    default:
      return "changed";
  }
}

std::string valid_text(const topology::Topology& before, const topology::Topology& after) {
  size_t all = 0;
  const auto changes = topology::diff(before, after, kMostChanges, all);
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("valid", true).member("change_count", all).key("changes").begin_array();
  for (const topology::Change& c : changes) {
    w.begin_object().member("change", name_of(c.kind)).member("path", c.path);
    if (!c.before.empty()) w.key("before").raw(c.before);
    if (!c.after.empty()) w.key("after").raw(c.after);
    w.end_object();
  }
  w.end_array().end_object();
  return w.take();
}

}  // namespace

Answer on_get_topology(Control& control, Request&) {
  auto document = running_document(control);
  if (!document) return error_reply(500, document.error());
  Reply reply = json_reply(std::move(*document));
  reply.etag = "\"r" + std::to_string(control.running().revision) + "\"";
  return reply;
}

Answer on_get_schema(Control&, Request&) { return json_reply(topology::schema()); }

Answer on_get_candidate(Control& control, Request&) {
  auto candidate = control.store()->candidate();
  if (!candidate) return error_reply(500, candidate.error());
  auto etag = control.configuration()->candidate_etag();
  if (!etag) return error_reply(500, etag.error());
  auto document =
      *candidate ? Result<std::string>((*candidate)->document) : running_document(control);
  if (!document) return error_reply(500, document.error());
  Reply reply = json_reply(std::move(*document));
  reply.etag = std::move(*etag);
  return reply;
}

// A candidate has the right shape; whether it can work is what validate and publish say, so that
// a topology can be written before its certificates are there.
Answer on_put_candidate(Control& control, Request& request) {
  if (auto wrong = check_match(control, request, true)) return wrong;
  if (auto wrong = check_json(request)) return wrong;
  const topology::Reading reading = topology::decode(request.body);
  if (!reading.good()) return findings_reply(reading.findings);
  auto version = control.store()->put_candidate(request.body, request.actor, control.wall());
  if (!version) return error_reply(500, version.error());
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("candidate", *version).end_object();
  Reply reply = json_reply(w.take());
  reply.etag = "\"c" + std::to_string(*version) + "\"";
  return reply;
}

Answer on_delete_candidate(Control& control, Request& request) {
  if (auto wrong = check_match(control, request, false)) return wrong;
  auto candidate = control.store()->candidate();
  if (!candidate) return error_reply(500, candidate.error());
  if (!*candidate) return error_reply(404, request.path, "there is no candidate");
  if (auto done = control.store()->drop_candidate(request.actor, control.wall()); !done) {
    return error_reply(500, done.error());
  }
  return json_reply("", 204);
}

Answer on_validate(Control& control, Request& request) {
  std::string document = request.body;
  if (!request.has_body) {
    auto candidate = control.store()->candidate();
    if (!candidate) return error_reply(500, candidate.error());
    auto text =
        *candidate ? Result<std::string>((*candidate)->document) : running_document(control);
    if (!text) return error_reply(500, text.error());
    document = std::move(*text);
  } else if (auto wrong = check_json(request)) {
    return wrong;
  }
  const topology::Reading reading = control.configuration()->read(document);
  if (!reading.good()) return findings_reply(reading.findings);
  return json_reply(valid_text(control.configuration()->topology(), reading.topology));
}

Answer on_publish(Control& control, Request& request) {
  const auto wait = request.query.duration("wait", kWait, kLongestWait);
  if (!wait) return error_reply(400, wait.error());
  if (auto wrong = check_match(control, request, false)) return wrong;
  auto candidate = control.store()->candidate();
  if (!candidate) return error_reply(500, candidate.error());
  if (!*candidate) {
    return error_reply(409, "candidate", "there is nothing to publish",
                       "PUT /v1/topology/candidate first");
  }
  auto published = control.configuration()->publish((*candidate)->document, (*candidate)->version,
                                                    request.query.text("comment"), request.actor,
                                                    control.wall());
  if (!published) return refusal_reply(published.error());
  control.count("fedge_control_publishes_total");
  control.watch_certificates();
  control.publisher().wait(
      published->generation, published->revision, control.now() + *wait,
      [respond = std::move(request.respond)](const RollOut& r) { respond(roll_out_reply(r)); });
  return later;
}

}  // namespace fedge::control
