#include "dataplane/signal/explain.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "dataplane/signal/found_names.h"
#include "dataplane/signal/hop_states.h"
#include "dataplane/sip/decision.h"
#include "firmware/base/json.h"
#include "firmware/net/dns_name.h"
#include "firmware/snapshot/routes.h"
#include "firmware/wire/sip/name_addr.h"
#include "firmware/wire/sip/uri.h"

namespace fedge::signal {

namespace {

using snapshot::Kind;

struct Sections {
  std::string realms_bytes, routing_bytes;
  snapshot::Section<snapshot::Realms> realms;
  snapshot::Section<snapshot::Routing> routing;
  HopStates states;
  FoundNames names;
};

template <class Root>
Status load(const std::string& folder, std::string& bytes, snapshot::Section<Root>& section) {
  const std::string path =
      folder + "/" + std::to_string(static_cast<unsigned>(Root::kKind)) + ".section";
  auto read = read_file(path, size_t{1} << 30);
  if (!read) return std::unexpected(read.error());
  bytes = std::move(*read);
  auto opened = snapshot::Section<Root>::open(as_bytes(bytes));
  if (!opened) {
    return fail(path, opened.error().text(), "compile the revision again: publish it");
  }
  section = std::move(*opened);
  return {};
}

Result<sip::Address> address_of(std::string_view option, std::string_view text) {
  if (const size_t at = text.find('<'); at != std::string_view::npos) {
    sip::NameAddr name_addr;
    if (sip::parse_name_addr(text, name_addr)) text = name_addr.uri;
  }
  if (sip::Uri uri; sip::parse_uri(text, uri) && uri.scheme != sip::Scheme::other) {
    return sip::Address{uri.user, uri.host};
  }
  const size_t at = text.rfind('@');
  const std::string_view host = at == std::string_view::npos ? text : text.substr(at + 1);
  if (host.empty() || !sip::is_host(host)) {
    return fail(std::string(option), "\"" + std::string(text) + "\" is no SIP address",
                "write sip:user@domain, user@domain or domain");
  }
  return sip::Address{at == std::string_view::npos ? std::string_view{} : text.substr(0, at), host};
}

std::string_view name_of(snapshot::RouteKind kind) {
  constexpr std::array<std::string_view, 4> kNames{
      "presence domain", "partner", "static route for a domain", "static route for a user"};
  return kNames[static_cast<size_t>(kind)];
}

// The first peer that `wanted` takes, in the realm asked about (any when that is kNone16).
template <class Wanted>
const snapshot::Peer* find_peer_if(const Sections& s, uint16_t realm, Wanted wanted) {
  for (const snapshot::Peer& peer : s.routing.items(s.routing.root().peers)) {
    if ((realm == snapshot::kNone16 || peer.realm == realm) && wanted(peer)) return &peer;
  }
  return nullptr;
}

// Whose certificate is assumed: the one named, else that of the partner or of one of the inside
// systems that From belongs to.
const snapshot::Peer* assume_peer(const Sections& s, const Question& question, uint16_t realm,
                                  const sip::Address& from) {
  const auto& routing = s.routing;
  if (!question.peer.empty()) {
    const std::string name = lower_case(question.peer);
    return find_peer_if(s, realm,
                        [&](const snapshot::Peer& p) { return routing.text(p.name) == name; });
  }
  const auto* partner = find_peer_if(s, realm, [&](const snapshot::Peer& p) {
    return p.side == snapshot::PeerSide::partner && equal_names(routing.text(p.domain), from.host);
  });
  if (partner != nullptr) return partner;
  const snapshot::Route* route = snapshot::find_route(routing, from.user, from.host);
  if (route == nullptr || route->kind == snapshot::RouteKind::partner) return nullptr;
  const auto targets = routing.items(route->targets);
  return find_peer_if(s, realm, [&](const snapshot::Peer& p) {
    return p.side == snapshot::PeerSide::inside &&
           std::ranges::find(targets, p.next_hop, &snapshot::Target::next_hop) != targets.end();
  });
}

sip::PeerFacts facts_of(const Sections& s, const snapshot::Peer* peer) {
  if (peer == nullptr) return {};
  return {.kind = peer->side == snapshot::PeerSide::inside ? sip::PeerKind::inside
                                                           : sip::PeerKind::partner,
          .name = s.routing.text(peer->name),
          .domain = s.routing.text(peer->domain),
          .next_hop = peer->next_hop};
}

std::string realm_name(const Sections& s, uint16_t realm) {
  const auto realms = s.realms.items(s.realms.root().realms);
  return realm < realms.size() ? std::string(s.realms.text(realms[realm].name)) : "?";
}

void write_step(json::Writer& out, std::string_view step, std::string_view rule,
                std::string_view text) {
  out.begin_object().member("step", step).member("rule", rule).member("text", text).end_object();
}

void write_peer_step(json::Writer& out, const Sections& s, const Question& question,
                     const snapshot::Peer* peer) {
  const std::string_view how =
      question.peer.empty() ? ", assumed from the From address" : ", by its certificate's name";
  if (peer == nullptr) {
    return write_step(out, "peer", "stranger",
                      question.peer.empty() ? "No configured peer belongs to the From address"
                                            : "No configured peer has the name " + question.peer);
  }
  const bool inside = peer->side == snapshot::PeerSide::inside;
  std::string text(s.routing.text(peer->name));
  text += inside ? ", one of our own systems" : ", edge of partner ";
  if (!inside) text += s.routing.text(peer->domain);
  text += ", in realm " + realm_name(s, peer->realm);
  write_step(out, "peer", inside ? "inside" : "partner", text += how);
}

void write_targets(json::Writer& out, const Sections& s, const snapshot::Route& route) {
  const auto next_hops = s.routing.items(s.routing.root().next_hops);
  const auto targets = s.routing.items(route.targets);
  const auto is_up = [&](const snapshot::Target& target) {
    const snapshot::NextHop& hop = next_hops[target.next_hop];
    return s.states.is_up(hop, s.routing, realm_name(s, hop.realm));
  };
  const bool any_up = std::ranges::any_of(targets, is_up);
  for (const snapshot::Target& target : targets) {
    const snapshot::NextHop& hop = next_hops[target.next_hop];
    out.begin_object().member("next_hop", target.next_hop);
    out.member("host", s.routing.text(hop.host));
    out.member("transport", hop.transport == snapshot::Transport::tls ? "tls" : "tcp");
    out.member("realm", realm_name(s, hop.realm));
    out.key("endpoints").begin_array();
    for (const Endpoint& endpoint : s.routing.items(hop.endpoints)) out.value(endpoint.text());
    out.end_array();
    s.names.write(out, hop, s.routing);
    out.member("priority", target.priority).member("weight", target.weight);
    out.member("rule", s.routing.text(target.path.size == 0 ? route.path : target.path));
    s.states.write(out, hop, s.routing, realm_name(s, hop.realm), !any_up);
    out.end_object();
  }
}

Result<std::string> answer(const Sections& s, const Question& question) {
  auto from = address_of("--from", question.from);
  if (!from) return std::unexpected(from.error());
  auto to = address_of("--to", question.to);
  if (!to) return std::unexpected(to.error());
  uint16_t realm = snapshot::kNone16;
  if (!question.realm.empty()) {
    const auto realms = s.realms.items(s.realms.root().realms);
    const auto it = std::ranges::find_if(
        realms, [&](const auto& r) { return s.realms.text(r.name) == question.realm; });
    if (it == realms.end()) return fail("--realm", "there is no realm " + question.realm);
    realm = static_cast<uint16_t>(it - realms.begin());
  }
  const snapshot::Peer* peer = assume_peer(s, question, realm, *from);
  const sip::Decision decision =
      sip::decide(s.routing, facts_of(s, peer), sip::method_of(question.method), *from, *to);
  json::Writer out;
  out.begin_object().member("decision", decision.forward() ? "forward" : "refuse");
  out.member("status", decision.forward() ? 0 : decision.status);
  out.member("reason", sip::text_of(decision.rule));
  out.key("steps").begin_array();
  write_peer_step(out, s, question, peer);
  if (decision.route != nullptr) {
    write_step(out, "route", s.routing.text(decision.route->path),
               "Pattern " + std::string(s.routing.text(decision.route->pattern)) + " (" +
                   std::string(name_of(decision.route->kind)) + ") matches the request URI");
  }
  write_step(out, "decision", sip::name_of(decision.rule), sip::text_of(decision.rule));
  out.end_array().key("targets").begin_array();
  if (decision.forward()) write_targets(out, s, *decision.route);
  out.end_array().end_object();
  return out.take();
}

}  // namespace

Result<Question> parse_question(std::span<char* const> arguments) {
  Question question;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (!word.starts_with("--")) {
      question.folder = word;
      continue;
    }
    std::string* value = word == "--from"     ? &question.from
                         : word == "--to"     ? &question.to
                         : word == "--method" ? &question.method
                         : word == "--realm"  ? &question.realm
                         : word == "--peer"   ? &question.peer
                                              : nullptr;
    if (value == nullptr || i + 1 == arguments.size()) {
      return fail(std::string(word), value == nullptr ? "unknown option" : "needs a value",
                  "DIR --from F --to T [--method M] [--realm R] [--peer NAME]");
    }
    *value = arguments[++i];
  }
  if (question.folder.empty() || question.from.empty() || question.to.empty()) {
    return fail("--explain", "the folder, --from or --to is missing",
                "DIR --from F --to T [--method M] [--realm R] [--peer NAME]");
  }
  return question;
}

Result<std::string> explain(const Question& question) {
  Sections sections;
  Status ok = load(question.folder, sections.realms_bytes, sections.realms);
  if (ok) ok = load(question.folder, sections.routing_bytes, sections.routing);
  if (!ok) return std::unexpected(ok.error());
  sections.states = HopStates::read(question.folder + "/next_hops");
  sections.names = FoundNames::read(question.folder + "/names");
  return answer(sections, question);
}

}  // namespace fedge::signal
