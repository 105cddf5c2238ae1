// /v1/certificates: what is shown never holds a key.
#include <fmt/core.h>

#include <algorithm>

#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/pki/media_token.h"

namespace fedge::control {

namespace {

struct Import {
  std::string chain;
  std::string key;
  std::optional<WallTime> effective_from;
};

// A string member of the body; a finding when it is something else or missing though needed.
std::optional<std::string> take_text(json::Value body, std::string_view name, bool needed,
                                     topology::Findings& findings) {
  const json::Value value = body.find(name);
  if (!value) {
    if (needed) findings.push_back({"/" + std::string(name), "nothing", "PEM text", ""});
    return std::nullopt;
  }
  auto text = value.text();
  if (text) return std::move(*text);
  // Not what was found: it could be a key.
  findings.push_back({value.path(), "not a text", "a text", ""});
  return std::nullopt;
}

topology::Findings read_import(json::Value body, Import& import) {
  topology::Findings findings;
  if (!body.is(json::Kind::object)) return {{"", body.found(), "an object", ""}};
  for (const json::Member& m : body.members()) {
    if (m.name == "chain" || m.name == "key" || m.name == "effective_from") continue;
    findings.push_back({m.value.path(), "an unknown member", "chain, key, effective_from", ""});
  }
  import.chain = take_text(body, "chain", true, findings).value_or("");
  import.key = take_text(body, "key", true, findings).value_or("");
  if (auto text = take_text(body, "effective_from", false, findings)) {
    import.effective_from = parse_time(*text);
    if (!import.effective_from) {
      findings.push_back({"/effective_from", json::quote(*text),
                          "a time of RFC 3339, such as 2026-11-21T04:00:00Z", ""});
    }
  }
  return findings;
}

std::string_view state_of(const store::Certificate& c, const std::vector<store::Certificate>& all,
                          WallTime now) {
  if (c.effective_from > now) return "staged";
  const auto live = in_force_and_staged(all, now);
  return !live.empty() && live.front().key == c.key ? "in force" : "superseded";
}

void write_names(json::Writer& w, std::string_view key, const std::vector<std::string>& names) {
  w.key(key).begin_array();
  for (const std::string& name : names) w.value(name);
  w.end_array();
}

void write_certificate(json::Writer& w, const store::Certificate& c, std::string_view state) {
  w.begin_object().member("state", state).member("fingerprint", c.fingerprint);
  w.member("effective_from", format_time(c.effective_from));
  w.member("imported", format_time(c.imported));
  if (auto chain = pki::parse_chain(c.chain)) {
    const pki::CertificateInfo& info = chain->info.front();
    w.member("subject", info.subject).member("issuer", info.issuer);
    w.member("serial", info.serial).member("key_type", info.key_type);
    write_names(w, "dns_names", info.dns_names);
    write_names(w, "addresses", info.addresses);
    w.member("server_auth", info.server_auth).member("client_auth", info.client_auth);
    w.member("not_before", format_time(info.not_before));
    w.member("not_after", format_time(info.not_after));
    w.member("chain_length", chain->der.size());
  }
  w.end_object();
}

void write_id(json::Writer& w, Control& control, const std::string& id,
              const std::vector<store::Certificate>& entries) {
  w.begin_object().member("id", id);
  w.member("used_by", control.configuration()->use_of_certificate(id));
  w.key("versions").begin_array();
  for (const store::Certificate& c : entries) {
    write_certificate(w, c, state_of(c, entries, control.wall()));
  }
  w.end_array().end_object();
}

Reply bad_id(const std::string& id) {
  return findings_reply(
      {{"/id", json::quote(id), "1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot", ""}});
}

Reply no_certificate(const std::string& id) {
  return error_reply(404, "/v1/certificates/" + id, "there is no such certificate",
                     "GET /v1/certificates lists them");
}

// Credentials are good until they expire, so the key of an A/V certificate changes no sooner than
// the last one made before every appliance of the pool knew the new one (C3), unless told.
std::optional<Reply> check_lead(Control& control, const Request& request, WallTime effective_from) {
  const std::string use = control.configuration()->use_in_media(request.names[0]);
  if (use.empty() || request.query.find("force") != nullptr) return std::nullopt;
  const auto& media = *control.configuration()->topology().media;
  const std::chrono::minutes life(media.credentials.minutes);
  if (effective_from - control.wall() >= life) return std::nullopt;
  return findings_reply(
      {{"/effective_from", json::quote(format_time(effective_from)),
        fmt::format("{} or later: {} minutes from now, as long as credentials last",
                    format_time(control.wall() + life), media.credentials.minutes),
        "it is an A/V certificate, " + use +
            "; with the parameter force clients may have to ask for new credentials"}});
}

// A replacement leaves no time at all.
std::optional<Reply> check_replacement(Control& control, const Request& request) {
  const std::string use = control.configuration()->use_in_media(request.names[0]);
  if (use.empty() || request.query.find("force") != nullptr) return std::nullopt;
  return error_reply(409, "/v1/certificates/" + request.names[0],
                     "it is an A/V certificate, " + use +
                         ": with another key all credentials that were given out end now",
                     "POST to …/successor stages one; with the parameter force it is replaced");
}

bool has_key(const Control& control, const store::Certificate& certificate, std::string_view pem) {
  const auto key = pki::parse_key(pem);
  const auto token = control.vault().token_key(certificate);
  if (!key || !token) return false;
  const auto other = pki::derive_token_key(key->bytes());
  return other && pki::token_key_id(*other) == pki::token_key_id(*token);
}

// Imports `import`; `replaced` go. Answers when the forwarders have.
Answer import_certificate(Control& control, Request& request, const Import& import, bool made,
                          const std::vector<store::Certificate>& replaced) {
  const auto wait = request.query.duration("wait", 5s, 2min);
  if (!wait) return error_reply(400, wait.error());
  const std::string id = request.names[0];
  const WallTime now = control.wall();
  auto certificate = control.vault().import(id, import.chain, import.key,
                                            import.effective_from.value_or(now), now);
  if (!certificate) {
    const Error& e = certificate.error();
    return findings_reply({{e.where, e.what, "a certificate that can work", e.remedy}});
  }
  auto published = control.configuration()->change_certificates(
      "certificate " + id + " changed", request.actor, now, [&]() -> Status {
        for (const store::Certificate& old : replaced) {
          auto done = control.store()->remove_certificate(old.key, request.actor, now);
          if (!done) return done;
        }
        auto added = control.store()->add_certificate(*certificate, request.actor, now);
        if (!added) return std::unexpected(added.error());
        return {};
      });
  if (!published) return refusal_reply(published.error());
  control.watch_certificates();
  const auto finish = [id, made](Reply reply) {
    if (made && reply.status == 200) reply.status = 201;
    reply.location = "/v1/certificates/" + id;
    return reply;
  };
  if (!*published) {
    json::Writer w(json::Writer::Style::pretty);
    w.begin_object().member("id", id).member("fingerprint", certificate->fingerprint);
    w.member("state", "not used by the running revision").end_object();
    return finish(json_reply(w.take()));
  }
  control.publisher().wait((*published)->generation, (*published)->revision, control.now() + *wait,
                           [respond = std::move(request.respond), finish, id](const RollOut& r) {
                             respond(finish(roll_out_reply(r, id)));
                           });
  return later;
}

std::optional<Reply> read_body(const Request& request, Import& import) {
  if (!is_id(request.names[0])) return bad_id(request.names[0]);
  auto document = json::Document::parse(request.body);
  if (!document) return error_reply(400, document.error());
  const topology::Findings findings = read_import(document->root(), import);
  if (!findings.empty()) return findings_reply(findings);
  return std::nullopt;
}

}  // namespace

Answer on_list_certificates(Control& control, Request& request) {
  const auto limit = request.query.number("limit", 50, 1, 500);
  if (!limit) return error_reply(400, limit.error());
  const std::string after = request.query.text("after");
  auto all = control.store()->certificates();
  if (!all) return error_reply(500, all.error());
  std::map<std::string, std::vector<store::Certificate>> by_id;
  for (store::Certificate& c : *all) {
    if (c.id > after) by_id[c.id].push_back(std::move(c));
  }
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("certificates").begin_array();
  uint64_t shown = 0;
  std::string last;
  for (const auto& [id, entries] : by_id) {
    if (shown++ == *limit) break;
    write_id(w, control, id, entries);
    last = id;
  }
  w.end_array();
  if (shown > *limit) {
    w.member("next", "/v1/certificates?after=" + last + "&limit=" + std::to_string(*limit));
  }
  w.end_object();
  return json_reply(w.take());
}

Answer on_get_certificate(Control& control, Request& request) {
  auto entries = control.store()->certificates(request.names[0]);
  if (!entries) return error_reply(500, entries.error());
  if (entries->empty()) return no_certificate(request.names[0]);
  json::Writer w(json::Writer::Style::pretty);
  write_id(w, control, request.names[0], *entries);
  return json_reply(w.take());
}

Answer on_put_certificate(Control& control, Request& request) {
  Import import;
  if (auto wrong = read_body(request, import)) return wrong;
  if (import.effective_from && *import.effective_from > control.wall()) {
    return findings_reply({{"/effective_from", "a time in the future", "none, or one in the past",
                            "POST to …/successor stages a certificate"}});
  }
  auto old = control.store()->certificates(request.names[0]);
  if (!old) return error_reply(500, old.error());
  // The same key again, or one that is lost, disturbs nobody.
  const auto live = in_force_and_staged(*old, control.wall());
  if (!live.empty() && control.vault().opens(live.front()) &&
      !has_key(control, live.front(), import.key)) {
    if (auto wrong = check_replacement(control, request)) return wrong;
  }
  return import_certificate(control, request, import, old->empty(), *old);
}

Answer on_stage_certificate(Control& control, Request& request) {
  Import import;
  if (auto wrong = read_body(request, import)) return wrong;
  auto old = control.store()->certificates(request.names[0]);
  if (!old) return error_reply(500, old.error());
  if (old->empty()) return no_certificate(request.names[0]);
  if (!import.effective_from || *import.effective_from <= control.wall()) {
    return findings_reply(
        {{"/effective_from", import.effective_from ? "a time in the past" : "nothing",
          "when it takes over: a time in the future", ""}});
  }
  if (auto wrong = check_lead(control, request, *import.effective_from)) return wrong;
  return import_certificate(control, request, import, true, {});
}

Answer on_delete_certificate(Control& control, Request& request) {
  const std::string& id = request.names[0];
  auto entries = control.store()->certificates(id);
  if (!entries) return error_reply(500, entries.error());
  if (entries->empty()) return no_certificate(id);
  if (const std::string use = control.configuration()->use_of_certificate(id); !use.empty()) {
    return error_reply(409, "/v1/certificates/" + id, "the running topology uses it at " + use,
                       "publish a topology without it first");
  }
  store::Store::Batch batch(*control.store());
  Status done = batch.begun();
  for (const store::Certificate& c : *entries) {
    if (done) done = control.store()->remove_certificate(c.key, request.actor, control.wall());
  }
  if (done) done = batch.commit();
  if (!done) return error_reply(500, done.error());
  return json_reply("", 204);
}

}  // namespace fedge::control
