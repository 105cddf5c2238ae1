// /v1/media/credentials: credentials for TURN (M3). Keys stay in the vault; only what is made with
// them leaves.
#include <fmt/core.h>
#include <sys/random.h>

#include <algorithm>

#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/pki/media_token.h"
#include "firmware/snapshot/reader.h"

namespace fedge::control {

namespace {

enum class Form : uint8_t { token, timestamp };

struct Wish {
  std::string identity;
  std::optional<uint32_t> minutes;
  Form form = Form::token;
};

topology::Findings read_wish(json::Value body, Wish& wish) {
  topology::Findings findings;
  if (!body.is(json::Kind::object)) return {{"", body.found(), "an object", ""}};
  for (const json::Member& m : body.members()) {
    if (m.name == "identity") {
      const auto text = m.value.text();
      if (text && !text->empty() && text->size() <= pki::kLongestTokenUser &&
          std::ranges::none_of(*text, [](char c) { return c >= 0 && c < ' '; })) {
        wish.identity = *text;
      } else {
        findings.push_back({m.value.path(), m.value.found(),
                            fmt::format("a text of 1 to {} octets without control characters",
                                        pki::kLongestTokenUser),
                            ""});
      }
    } else if (m.name == "minutes") {
      const auto minutes = m.value.integer(1, topology::kMostCredentialMinutes);
      if (minutes) {
        wish.minutes = static_cast<uint32_t>(*minutes);
      } else {
        findings.push_back(
            {m.value.path(), m.value.found(),
             fmt::format("a whole number from 1 to {}: 180 days", topology::kMostCredentialMinutes),
             ""});
      }
    } else if (m.name == "form") {
      const auto text = m.value.text();
      if (text && (*text == "token" || *text == "timestamp")) {
        wish.form = *text == "token" ? Form::token : Form::timestamp;
      } else {
        findings.push_back({m.value.path(), m.value.found(), "token or timestamp", ""});
      }
    } else {
      findings.push_back({m.value.path(), "an unknown member", "identity, minutes, form", ""});
    }
  }
  if (!body.find("identity")) {
    findings.push_back({"/identity", "nothing", "whom they are for: sip:alice@example.com", ""});
  }
  return findings;
}

// New credentials come from the latest certificate in force (C3).
const snapshot::TokenKey* key_in_force(const snapshot::Section<snapshot::Media>& media,
                                       int64_t now) {
  const snapshot::TokenKey* found = nullptr;
  for (const snapshot::TokenKey& key : media.items(media.root().token_keys)) {
    if (key.effective_from <= now && now < key.expires) found = &key;  // sorted
  }
  return found;
}

Result<pki::Secret> open_key(Control& control, uint64_t number) {
  auto stored = control.store()->certificates();
  if (!stored) return std::unexpected(stored.error());
  for (const store::Certificate& certificate : *stored) {
    if (token_key_of(certificate.key) != number) continue;
    if (auto key = control.vault().token_key(certificate)) return std::move(*key);
  }
  return fail("/media/certificates", "the private key of the A/V certificate does not open",
              "import the certificate and its key again");
}

// RFC 7065, of the listeners of service av as clients see them, in the document's order.
std::vector<std::string> turn_uris(const topology::Topology& t) {
  std::vector<std::string> out;
  for (const topology::Listener& l : t.listeners) {
    if (l.service != topology::Service::av) continue;
    IpAddress shown = l.address;
    for (const topology::Realm& realm : t.realms) {
      if (realm.name != l.realm) continue;
      for (const topology::RealmAddress& a : realm.addresses) {
        if (a.address.address == l.address && a.public_address) shown = *a.public_address;
      }
    }
    const bool is_udp = l.transport == topology::Transport::udp;
    const bool is_tls = l.transport == topology::Transport::tls;
    out.push_back(fmt::format("{}:{}?transport={}", is_tls ? "turns" : "turn",
                              Endpoint{shown, l.port}.text(), is_udp ? "udp" : "tcp"));
  }
  return out;
}

pki::Credentials make(const pki::Secret& key, uint32_t id, const Wish& wish, int64_t expires) {
  if (wish.form == Form::timestamp) return pki::make_timed_credentials(key, wish.identity, expires);
  std::array<std::byte, pki::kTokenRandomSize> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return {};
  return pki::make_credentials(key, id, wish.identity, expires, random);
}

}  // namespace

Answer on_make_credentials(Control& control, Request& request) {
  auto document = json::Document::parse(request.body);
  if (!document) return error_reply(400, document.error());
  Wish wish;
  const auto findings = read_wish(document->root(), wish);
  if (!findings.empty()) return findings_reply(findings);
  const SectionPointer section = control.running().find(snapshot::Kind::media);
  if (!section) return error_reply(503, control.not_ready());
  auto media = snapshot::Section<snapshot::Media>::open(section->mapping.bytes());
  if (!media) return error_reply(500, media.error());
  const int64_t now = control.wall().time_since_epoch().count();
  const snapshot::TokenKey* const key = key_in_force(*media, now);
  if (key == nullptr) {
    return error_reply(409, "/media/certificates",
                       "the running topology has no A/V certificate that is in force",
                       "import one, name it in /media/certificates and publish");
  }
  auto secret = open_key(control, key->key);
  if (!secret) return error_reply(409, secret.error());
  // They end with the certificate: its key verifies no longer.
  const int64_t minutes = wish.minutes.value_or(media->root().credential_minutes);
  const int64_t expires = std::min(now + minutes * 60, key->expires);
  const pki::Credentials made = make(*secret, key->id, wish, expires);
  if (made.username.empty()) return error_reply(500, "credentials", "they could not be made");
  const std::string ends = format_time(WallTime(std::chrono::seconds(expires)));
  // Who cannot be held to account gets none.
  if (auto noted = control.store()->note(request.actor, "media credentials made",
                                         fmt::format("for {} until {}", wish.identity, ends),
                                         control.wall());
      !noted) {
    return error_reply(500, noted.error());
  }
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("username", made.username).member("password", made.password);
  w.member("expires", ends);
  w.member("ttl", expires - now).member("realm", media->text(media->root().turn_realm));
  w.key("uris").begin_array();
  for (const std::string& uri : turn_uris(control.configuration()->topology())) w.value(uri);
  w.end_array().end_object();
  control.count("fedge_control_media_credentials_total");
  return json_reply(w.take());
}

}  // namespace fedge::control
