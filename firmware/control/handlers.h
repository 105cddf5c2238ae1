// What answers each resource; the table in resources.cc names them. A handler runs on the loop
// and never waits: what takes longer answers through Request::respond.
#pragma once

#include "firmware/base/json.h"
#include "firmware/control/next_hop_book.h"
#include "firmware/control/request.h"
#include "firmware/topology/finding.h"

namespace fedge::control {

class Control;
struct Refusal;
struct RollOut;

// {"errors":[{"path","found","allowed","remedy"}]}
Reply findings_reply(const topology::Findings& findings, uint16_t status = 422);
Reply refusal_reply(const Refusal& refusal);
// 200, 202 or 409, with what each forwarder says. `extra` is a member in front: `"id":"access",`.
Reply roll_out_reply(const RollOut& roll_out, std::string_view extra = {});
// The body as JSON, or the answer that says why not.
std::optional<Reply> check_json(const Request& request);

// handlers_topology.cc
Answer on_get_topology(Control& control, Request& request);
Answer on_get_schema(Control& control, Request& request);
Answer on_get_candidate(Control& control, Request& request);
Answer on_put_candidate(Control& control, Request& request);
Answer on_delete_candidate(Control& control, Request& request);
Answer on_validate(Control& control, Request& request);
Answer on_publish(Control& control, Request& request);
// handlers_revisions.cc
Answer on_list_revisions(Control& control, Request& request);
Answer on_get_revision(Control& control, Request& request);
Answer on_roll_back(Control& control, Request& request);
Answer on_list_events(Control& control, Request& request);
// handlers_certificates.cc
Answer on_list_certificates(Control& control, Request& request);
Answer on_get_certificate(Control& control, Request& request);
Answer on_put_certificate(Control& control, Request& request);
Answer on_stage_certificate(Control& control, Request& request);
Answer on_delete_certificate(Control& control, Request& request);
// handlers_trust.cc
Answer on_list_trust(Control& control, Request& request);
Answer on_get_trust(Control& control, Request& request);
Answer on_put_trust(Control& control, Request& request);
Answer on_delete_trust(Control& control, Request& request);
// handlers_status.cc
Answer on_get_status(Control& control, Request& request);
Answer on_get_health(Control& control, Request& request);
Answer on_get_metrics(Control& control, Request& request);
Answer on_get_openapi(Control& control, Request& request);
Answer on_recover_database(Control& control, Request& request);
// handlers_next_hops.cc
Answer on_list_next_hops(Control& control, Request& request);
Answer on_list_failovers(Control& control, Request& request);
// Members of an object: state, since, reason, last_probe.
void write_knowledge(json::Writer& w, const HopKnowledge& hop);
// handlers_media.cc
Answer on_make_credentials(Control& control, Request& request);
// handlers_sessions.cc
Answer on_list_sessions(Control& control, Request& request);
Answer on_get_session(Control& control, Request& request);
Answer on_delete_session(Control& control, Request& request);
// handlers_routes.cc
Answer on_get_peers(Control& control, Request& request);
Answer on_explain(Control& control, Request& request);

}  // namespace fedge::control
