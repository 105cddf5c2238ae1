#include "dataplane/signal/generation.h"

#include <algorithm>
#include <tuple>

#include "firmware/pki/key_section.h"

namespace fedge::signal {

namespace {

using snapshot::Kind;

// Media has the others, and UDP.
bool is_served(const snapshot::Listener& listener) {
  return listener.service == snapshot::Service::access ||
         listener.service == snapshot::Service::mras;
}

// A key that is not there (its certificate was sealed with another sealing key) makes nothing.
std::vector<sip::TokenSecret> take_token_secrets(const snapshot::Section<snapshot::Media>& media,
                                                 const std::vector<pki::PrivateKey>& keys) {
  std::vector<sip::TokenSecret> out;
  for (const snapshot::TokenKey& key : media.items(media.root().token_keys)) {
    const auto found = std::ranges::find(keys, key.key, &pki::PrivateKey::id);
    if (found == keys.end()) continue;
    out.push_back({key.id, key.effective_from, key.expires, pki::Secret(found->der.bytes())});
  }
  return out;
}

Result<std::vector<std::shared_ptr<pki::TlsContext>>> make_contexts(
    const snapshot::Section<snapshot::Tls>& tls, const std::vector<pki::PrivateKey>& keys) {
  std::vector<std::shared_ptr<pki::TlsContext>> contexts;
  for (uint32_t i = 0; i < tls.root().contexts.count; ++i) {
    auto context = pki::TlsContext::make(tls, i, keys);
    if (!context) return std::unexpected(context.error());
    contexts.push_back(std::move(*context));
  }
  return contexts;
}

}  // namespace

std::vector<ListeningPlace> Generation::places() const {
  std::vector<ListeningPlace> out;
  for (size_t i = 0; i < listener_list().size(); ++i) {
    const snapshot::Listener& l = listener_list()[i];
    if (!is_served(l)) continue;
    out.push_back({std::string(listeners.text(l.name)), std::string(realm_name(l.realm)),
                   l.endpoint, realm_list()[l.realm].dscp_signalling, static_cast<uint16_t>(i)});
  }
  return out;
}

uint16_t Generation::find_realm(std::string_view name) const {
  for (size_t i = 0; i < realm_list().size(); ++i) {
    if (realms.text(realm_list()[i].name) == name) return static_cast<uint16_t>(i);
  }
  return snapshot::kNone16;
}

uint16_t Generation::find_realm_of(const Generation& other, uint16_t realm) const {
  return realm == snapshot::kNone16 ? realm : find_realm(other.realm_name(realm));
}

uint16_t Generation::find_listener_of(const Generation& other, uint16_t listener) const {
  if (listener == snapshot::kNone16) return listener;
  const snapshot::Listener& wanted = other.listener_list()[listener];
  const uint16_t realm = find_realm_of(other, wanted.realm);
  const auto listed = listener_list();
  const auto it = std::ranges::find_if(listed, [&](const snapshot::Listener& l) {
    return l.endpoint == wanted.endpoint && l.realm == realm;
  });
  return it == listed.end() ? snapshot::kNone16 : static_cast<uint16_t>(it - listed.begin());
}

bool Generation::has_address(uint16_t realm, const IpAddress& address) const {
  const auto addresses = realms.items(realm_list()[realm].addresses);
  return std::ranges::any_of(
      addresses, [&](const snapshot::RealmAddress& a) { return a.address.address == address; });
}

void Generation::collect_tcp_peers() {
  for (const snapshot::Peer& peer : routing.items(routing.root().peers)) {
    const snapshot::NextHop& next_hop = next_hops()[peer.next_hop];
    if (next_hop.transport != snapshot::Transport::tcp) continue;
    for (const Endpoint& endpoint : routing.items(next_hop.endpoints)) {
      tcp_peers_.push_back({endpoint.address, peer.realm, &peer});
    }
  }
  std::ranges::sort(tcp_peers_, {}, [](const TcpPeer& p) { return std::tie(p.address, p.realm); });
}

const snapshot::Peer* Generation::find_tcp_peer(const IpAddress& remote, uint16_t realm) const {
  const auto key = [](const TcpPeer& p) { return std::tie(p.address, p.realm); };
  const auto it = std::ranges::lower_bound(tcp_peers_, std::tie(remote, realm), {}, key);
  if (it == tcp_peers_.end() || it->address != remote || it->realm != realm) return nullptr;
  return it->peer;
}

Result<std::unique_ptr<Generation>> open_generation(const link::Offer& offer,
                                                    const pki::Secret& sealing_key,
                                                    const Generation* running) {
  auto made = std::make_unique<Generation>();
  Generation& g = *made;
  g.number = offer.message.generation;
  g.revision = offer.message.revision;
  g.sections = offer.message.sections;
  Status ok = offer.open(g.appliance);
  if (ok) ok = offer.open(g.realms);
  if (ok) ok = offer.open(g.listeners);
  if (ok) ok = offer.open(g.tls);
  if (ok) ok = offer.open(g.routing);
  if (ok) ok = offer.open(g.signalling);
  if (ok) ok = offer.open(g.resolver);
  if (ok) ok = offer.open(g.media);
  if (ok) ok = snapshot::check_against(g.listeners, g.realms, g.tls);
  if (ok) ok = snapshot::check_against(g.routing, g.realms, g.tls);
  if (ok) ok = snapshot::check_against(g.resolver, g.realms);
  if (ok) ok = snapshot::check_against(g.media, g.realms);
  if (!ok) return std::unexpected(ok.error());
  g.collect_tcp_peers();
  auto keys = pki::open_keys(offer.fd_of(Kind::keys_signal), Kind::keys_signal, sealing_key);
  if (!keys) return std::unexpected(keys.error());
  g.token_secrets = take_token_secrets(g.media, *keys);
  if (running != nullptr && link::same_section(g.sections, running->sections, Kind::tls) &&
      link::same_section(g.sections, running->sections, Kind::keys_signal)) {
    g.contexts = running->contexts;
    return made;
  }
  auto contexts = make_contexts(g.tls, *keys);
  if (!contexts) return std::unexpected(contexts.error());
  g.contexts = std::move(*contexts);
  return made;
}

}  // namespace fedge::signal
