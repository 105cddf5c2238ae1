#include "firmware/control/resources.h"

#include <array>

#include "firmware/control/handlers.h"

namespace fedge::control {

namespace {

using store::Role;
using enum ParameterType;

constexpr Parameter kWait{"wait", duration, false,
                          "how long to wait for every forwarder: 500ms, 5s, 2m (5s; at most 2m)"};
constexpr std::array kPublishParameters{
    kWait, Parameter{"comment", text, false, "what the revision is about, for the history"}};
constexpr std::array kWaitOnly{kWait};
constexpr Parameter kLimit{"limit", number, false, "items in one answer (50; at most 500)"};
constexpr std::array kNewestFirst{
    kLimit, Parameter{"before", number, false, "only numbers below this one: the next page"}};
constexpr std::array kByName{
    kLimit, Parameter{"after", text, false, "only ids behind this one: the next page"}};
constexpr std::array kNextHopParameters{
    Parameter{"state", text, false, "only those in this state: unknown, up, recovering, down"}};
constexpr std::array kFailoverParameters{
    Parameter{"limit", number, false, "items in the answer (50; at most 1000)"},
    Parameter{"next_hop", text, false, "only those from or to this host"}};
constexpr std::array kExplainParameters{
    Parameter{"from", text, true, "the From URI: sip:alice@partner.example"},
    Parameter{"to", text, true, "the request URI: sip:bob@example.com"},
    Parameter{"method", text, false, "the SIP method (MESSAGE)"},
    Parameter{"realm", text, false, "the realm it arrives in"},
    Parameter{"peer", text, false, "the name in the sender's certificate"},
    Parameter{"revision", number, false, "ask this revision instead of the running one"},
    Parameter{"candidate", flag, false, "ask the candidate instead of the running revision"}};

constexpr Parameter kForce{"force", flag, false,
                           "take an A/V certificate over sooner than credentials made with the one "
                           "before have expired"};
constexpr std::array kImportParameters{kWait, kForce};
constexpr std::array kSessionParameters{
    kLimit, Parameter{"after", text, false, "where the next page begins: as \"next\" says"},
    Parameter{"kind", text, false, "only these: turn, ms_turn, anchor"},
    Parameter{"user", text, false, "only this user's; of calls: with this Call-ID"},
    Parameter{"client", text, false, "only those of this address"}};

constexpr std::array<uint16_t, 1> kOk{200};
constexpr std::array<uint16_t, 3> kMakeCredentials{200, 409, 422};
constexpr std::array<uint16_t, 3> kEndSession{202, 204, 404};
constexpr std::array<uint16_t, 2> kFound{200, 404};
constexpr std::array<uint16_t, 4> kPutCandidate{200, 412, 422, 428};
constexpr std::array<uint16_t, 3> kDeleteCandidate{204, 404, 412};
constexpr std::array<uint16_t, 2> kValidate{200, 422};
constexpr std::array<uint16_t, 5> kPublish{200, 202, 409, 412, 422};
constexpr std::array<uint16_t, 5> kRollBack{200, 202, 404, 409, 422};
constexpr std::array<uint16_t, 5> kImport{200, 201, 202, 409, 422};
constexpr std::array<uint16_t, 5> kStage{201, 202, 404, 409, 422};
constexpr std::array<uint16_t, 3> kDelete{204, 404, 409};
constexpr std::array<uint16_t, 2> kRecover{200, 409};
constexpr std::array<uint16_t, 4> kExplain{200, 404, 422, 502};

const std::array kResources{
    Resource{"GET",
             "/v1/topology",
             Role::viewer,
             false,
             true,
             BodyType::none,
             "The running topology.",
             {},
             kOk,
             on_get_topology},
    Resource{"GET",
             "/v1/topology/schema",
             Role::viewer,
             false,
             false,
             BodyType::none,
             "The JSON Schema of the topology document.",
             {},
             kOk,
             on_get_schema},
    Resource{"GET",
             "/v1/topology/candidate",
             Role::viewer,
             false,
             true,
             BodyType::none,
             "The candidate, or the running topology when nothing is being edited. ETag guards it.",
             {},
             kOk,
             on_get_candidate},
    Resource{"PUT",
             "/v1/topology/candidate",
             Role::operator_role,
             false,
             true,
             BodyType::topology,
             "Replaces the candidate. If-Match is needed when there is one already.",
             {},
             kPutCandidate,
             on_put_candidate},
    Resource{"DELETE",
             "/v1/topology/candidate",
             Role::operator_role,
             false,
             true,
             BodyType::none,
             "Drops the candidate.",
             {},
             kDeleteCandidate,
             on_delete_candidate},
    Resource{"POST",
             "/v1/topology/validate",
             Role::viewer,
             false,
             true,
             BodyType::optional_topology,
             "Checks the body, or the candidate when there is none: every error at once, and what "
             "would change.",
             {},
             kValidate,
             on_validate},
    Resource{"POST", "/v1/topology/publish", Role::operator_role, false, true, BodyType::none,
             "Publishes the candidate: 200 when every forwarder runs it, 202 naming who is "
             "missing, 409 when one refused it and the revision before runs again.",
             kPublishParameters, kPublish, on_publish},
    Resource{"GET", "/v1/revisions", Role::viewer, false, true, BodyType::none,
             "The history, newest first.", kNewestFirst, kOk, on_list_revisions},
    Resource{"GET",
             "/v1/revisions/{number}",
             Role::viewer,
             false,
             true,
             BodyType::none,
             "One revision with its topology.",
             {},
             kFound,
             on_get_revision},
    Resource{"POST", "/v1/revisions/{number}/rollback", Role::operator_role, false, true,
             BodyType::none, "Runs an older revision again.", kWaitOnly, kRollBack, on_roll_back},
    Resource{"GET", "/v1/events", Role::viewer, false, true, BodyType::none,
             "Who changed what and when, newest first.", kNewestFirst, kOk, on_list_events},
    Resource{"GET",
             "/v1/status",
             Role::viewer,
             false,
             false,
             BodyType::none,
             "Processes, the revision each runs, the database.",
             {},
             kOk,
             on_get_status},
    Resource{"GET",
             "/v1/health",
             Role::viewer,
             true,
             false,
             BodyType::none,
             "Whether the box works, in one word. No token needed.",
             {},
             kOk,
             on_get_health},
    Resource{"GET", "/v1/routes/explain", Role::viewer, false, true, BodyType::none,
             "What the workers would do with a message, step by step.", kExplainParameters,
             kExplain, on_explain},
    Resource{"GET",
             "/v1/peers",
             Role::viewer,
             false,
             false,
             BodyType::none,
             "Peers and next hops of the running revision, with their counters.",
             {},
             kOk,
             on_get_peers},
    Resource{"GET", "/v1/next-hops", Role::viewer, false, false, BodyType::none,
             "Next hops of the running revision, and whether they answer: state, since when, why.",
             kNextHopParameters, kOk, on_list_next_hops},
    Resource{"GET", "/v1/failovers", Role::viewer, false, false, BodyType::none,
             "The last 1,000 requests that went to another target, newest first, and why.",
             kFailoverParameters, kOk, on_list_failovers},
    Resource{"GET", "/v1/certificates", Role::viewer, false, true, BodyType::none,
             "Certificates and their staged successors; never keys.", kByName, kOk,
             on_list_certificates},
    Resource{"GET",
             "/v1/certificates/{id}",
             Role::viewer,
             false,
             true,
             BodyType::none,
             "One certificate and its successors.",
             {},
             kFound,
             on_get_certificate},
    Resource{"PUT", "/v1/certificates/{id}", Role::security_officer, false, true,
             BodyType::certificate,
             "Imports chain and key under an id, in place of what was there.", kImportParameters,
             kImport, on_put_certificate},
    Resource{"POST", "/v1/certificates/{id}/successor", Role::security_officer, false, true,
             BodyType::certificate,
             "Stages a successor: it serves new handshakes, and makes new credentials, from "
             "effective_from on.",
             kImportParameters, kStage, on_stage_certificate},
    Resource{"DELETE",
             "/v1/certificates/{id}",
             Role::security_officer,
             false,
             true,
             BodyType::none,
             "Removes a certificate that nothing uses.",
             {},
             kDelete,
             on_delete_certificate},
    Resource{"GET", "/v1/trust", Role::viewer, false, true, BodyType::none, "Trust anchors.",
             kByName, kOk, on_list_trust},
    Resource{"GET",
             "/v1/trust/{id}",
             Role::viewer,
             false,
             true,
             BodyType::none,
             "The CA certificates under an id.",
             {},
             kFound,
             on_get_trust},
    Resource{"PUT", "/v1/trust/{id}", Role::security_officer, false, true, BodyType::trust,
             "Imports CA certificates (PEM) under an id, in place of what was there.", kWaitOnly,
             kImport, on_put_trust},
    Resource{"DELETE",
             "/v1/trust/{id}",
             Role::security_officer,
             false,
             true,
             BodyType::none,
             "Removes CA certificates that nothing uses.",
             {},
             kDelete,
             on_delete_trust},
    Resource{"POST",
             "/v1/media/credentials",
             Role::operator_role,
             false,
             true,
             BodyType::credentials,
             "Makes credentials for TURN: user name, password, until when, and where to use them.",
             {},
             kMakeCredentials,
             on_make_credentials},
    Resource{"GET", "/v1/media/sessions", Role::viewer, false, false, BodyType::none,
             "What is relayed now, with live counters; on the first page with totals.",
             kSessionParameters, kOk, on_list_sessions},
    Resource{"GET",
             "/v1/media/sessions/{id}",
             Role::viewer,
             false,
             false,
             BodyType::none,
             "One session with live counters and its peers.",
             {},
             kFound,
             on_get_session},
    Resource{"DELETE",
             "/v1/media/sessions/{id}",
             Role::operator_role,
             false,
             false,
             BodyType::none,
             "Ends a session: 204 when it is gone, 202 when the fast path is told.",
             {},
             kEndSession,
             on_delete_session},
    Resource{"POST",
             "/v1/database/recover",
             Role::administrator,
             false,
             false,
             BodyType::none,
             "Moves a damaged database aside and puts the last good copy in its place.",
             {},
             kRecover,
             on_recover_database},
    Resource{"GET",
             "/v1/openapi.json",
             Role::viewer,
             true,
             false,
             BodyType::none,
             "This interface as an OpenAPI 3 document. No token needed.",
             {},
             kOk,
             on_get_openapi},
    Resource{"GET",
             "/metrics",
             Role::viewer,
             false,
             false,
             BodyType::none,
             "All counters in the Prometheus text format.",
             {},
             kOk,
             on_get_metrics},
};

std::string_view take_segment(std::string_view& path) {
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& names) {
  names.clear();
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view found = take_segment(path);
    if (!wanted.starts_with('{')) {
      if (wanted != found) return false;
      continue;
    }
    auto name = decode_percent(found);
    if (!name || name->empty()) return false;
    names.push_back(std::move(*name));
  }
  return pattern.empty() && path.empty();
}

}  // namespace

std::span<const Resource> resources() { return kResources; }

Match find_resource(std::string_view method, std::string_view path) {
  Match match;
  std::vector<std::string> names;
  // A fixed path stands before a pattern that would take it as a name.
  for (const Resource& resource : kResources) {
    if (path.ends_with('/') || !matches(resource.path, path, names)) continue;
    if (resource.method == method) {
      match.resource = &resource;
      match.names = std::move(names);
      match.allow.clear();
      return match;
    }
    match.allow.append(match.allow.empty() ? "" : ", ").append(resource.method);
  }
  return match;
}

bool permits(Role have, Role need) {
  return have == Role::administrator || need == Role::viewer || have == need;
}

}  // namespace fedge::control
