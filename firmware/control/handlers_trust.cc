// /v1/trust: CA certificates by id.
#include "firmware/control/control.h"
#include "firmware/control/handlers.h"

namespace fedge::control {

namespace {

Reply no_trust(const std::string& id) {
  return error_reply(404, "/v1/trust/" + id, "there are no trust anchors of that id",
                     "GET /v1/trust lists them");
}

void write_anchor(json::Writer& w, Control& control, const store::TrustAnchor& anchor,
                  bool with_pem) {
  w.begin_object().member("id", anchor.id);
  w.member("used_by", control.configuration()->use_of_trust(anchor.id));
  w.member("imported", format_time(anchor.imported)).key("certificates").begin_array();
  if (auto chain = pki::parse_chain(anchor.pem)) {
    for (const pki::CertificateInfo& info : chain->info) {
      w.begin_object().member("subject", info.subject).member("fingerprint", info.sha256);
      w.member("not_before", format_time(info.not_before));
      w.member("not_after", format_time(info.not_after)).end_object();
    }
  }
  w.end_array();
  if (with_pem) w.member("pem", anchor.pem);
  w.end_object();
}

// The PEM of the body, plain or {"pem": "..."}.
std::optional<Reply> read_pem(const Request& request, std::string& pem) {
  if (!request.content_type.starts_with("application/json")) {
    pem = request.body;
    return std::nullopt;
  }
  auto document = json::Document::parse(request.body);
  if (!document) return error_reply(400, document.error());
  const json::Value root = document->root();
  if (!root.is(json::Kind::object)) {
    return findings_reply({{"", root.found(), "an object with the member pem", ""}});
  }
  topology::Findings findings;
  for (const json::Member& m : root.members()) {
    if (m.name != "pem") findings.push_back({m.value.path(), "an unknown member", "pem", ""});
  }
  const json::Value value = root.find("pem");
  if (!value) {
    findings.push_back({"/pem", "nothing", "PEM text", ""});
  } else if (auto text = value.text()) {
    pem = std::move(*text);
  } else {
    findings.push_back({"/pem", value.found(), "PEM text", ""});
  }
  if (!findings.empty()) return findings_reply(findings);
  return std::nullopt;
}

}  // namespace

Answer on_list_trust(Control& control, Request& request) {
  const auto limit = request.query.number("limit", 50, 1, 500);
  if (!limit) return error_reply(400, limit.error());
  const std::string after = request.query.text("after");
  auto anchors = control.store()->trust_anchors();
  if (!anchors) return error_reply(500, anchors.error());
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("trust").begin_array();
  uint64_t shown = 0;
  std::string last;
  for (const store::TrustAnchor& anchor : *anchors) {
    if (anchor.id <= after) continue;
    if (shown++ == *limit) break;
    write_anchor(w, control, anchor, false);
    last = anchor.id;
  }
  w.end_array();
  if (shown > *limit) {
    w.member("next", "/v1/trust?after=" + last + "&limit=" + std::to_string(*limit));
  }
  w.end_object();
  return json_reply(w.take());
}

Answer on_get_trust(Control& control, Request& request) {
  auto anchor = control.store()->trust(request.names[0]);
  if (!anchor) return error_reply(500, anchor.error());
  if (!*anchor) return no_trust(request.names[0]);
  json::Writer w(json::Writer::Style::pretty);
  write_anchor(w, control, **anchor, true);
  return json_reply(w.take());
}

Answer on_put_trust(Control& control, Request& request) {
  const std::string id = request.names[0];
  const auto wait = request.query.duration("wait", 5s, 2min);
  if (!wait) return error_reply(400, wait.error());
  if (!is_id(id)) {
    return findings_reply(
        {{"/id", json::quote(id), "1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot", ""}});
  }
  std::string pem;
  if (auto wrong = read_pem(request, pem)) return wrong;
  const WallTime now = control.wall();
  if (auto chain = Vault::check_trust(pem, now); !chain) {
    const Error& e = chain.error();
    return findings_reply({{e.where, e.what, "CA certificates in PEM", e.remedy}});
  }
  auto old = control.store()->trust(id);
  if (!old) return error_reply(500, old.error());
  const bool made = !old->has_value();
  auto published = control.configuration()->change_certificates(
      "trust " + id + " changed", request.actor, now,
      [&] { return control.store()->put_trust(id, pem, request.actor, now); });
  if (!published) return refusal_reply(published.error());
  const auto finish = [id, made](Reply reply) {
    if (made && reply.status == 200) reply.status = 201;
    reply.location = "/v1/trust/" + id;
    return reply;
  };
  if (!*published) {
    json::Writer w(json::Writer::Style::pretty);
    w.begin_object().member("id", id).member("state", "not used by the running revision");
    w.end_object();
    return finish(json_reply(w.take()));
  }
  control.publisher().wait((*published)->generation, (*published)->revision, control.now() + *wait,
                           [respond = std::move(request.respond), finish, id](const RollOut& r) {
                             respond(finish(roll_out_reply(r, id)));
                           });
  return later;
}

Answer on_delete_trust(Control& control, Request& request) {
  const std::string& id = request.names[0];
  auto anchor = control.store()->trust(id);
  if (!anchor) return error_reply(500, anchor.error());
  if (!*anchor) return no_trust(id);
  if (const std::string use = control.configuration()->use_of_trust(id); !use.empty()) {
    return error_reply(409, "/v1/trust/" + id, "the running topology uses it at " + use,
                       "publish a topology without it first");
  }
  if (auto done = control.store()->remove_trust(id, request.actor, control.wall()); !done) {
    return error_reply(500, done.error());
  }
  return json_reply("", 204);
}

}  // namespace fedge::control
