#include "dataplane/signal/generation.h"

#include <algorithm>
#include <tuple>

namespace fedge::signal {

namespace {

using snapshot::Kind;

constexpr std::string_view kKeysPurpose = "keys-signal";

const link::SectionRef* find_section(const std::vector<link::SectionRef>& sections, Kind kind) {
  const auto it = std::ranges::find(sections, kind, &link::SectionRef::kind);
  return it == sections.end() ? nullptr : &*it;
}

// The descriptor of a kind; -1 when the offer does not bring it.
int find_fd(const link::SnapshotOffer& offer, const std::vector<Fd>& fds, Kind kind) {
  const link::SectionRef* section = find_section(offer.sections, kind);
  return section == nullptr ? -1 : fds[static_cast<size_t>(section - offer.sections.data())].get();
}

template <class Root>
Status open_section(const link::SnapshotOffer& offer, const std::vector<Fd>& fds,
                    snapshot::Section<Root>& section) {
  const int fd = find_fd(offer, fds, Root::kKind);
  if (fd < 0) {
    return fail("section " + std::to_string(static_cast<int>(Root::kKind)), "is missing",
                "the offer must bring every section of signal");
  }
  auto opened = snapshot::Section<Root>::open(fd);
  if (!opened) return std::unexpected(opened.error());
  section = std::move(*opened);
  return {};
}

Result<std::vector<pki::PrivateKey>> open_keys(int fd, const pki::Secret& sealing_key) {
  if (fd < 0) return std::vector<pki::PrivateKey>{};
  auto mapping = Mapping::read_only(fd);
  if (!mapping) return std::unexpected(mapping.error());
  if (auto ok = snapshot::check_envelope(mapping->bytes(), Kind::keys_signal); !ok) {
    return std::unexpected(ok.error());
  }
  auto plain = pki::unseal(sealing_key, kKeysPurpose, snapshot::key_payload(mapping->bytes()));
  if (!plain) return std::unexpected(plain.error());
  return pki::decode_keys(plain->bytes());
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

bool Generation::same_section(const Generation& other, Kind kind) const {
  const link::SectionRef* a = find_section(sections, kind);
  const link::SectionRef* b = find_section(other.sections, kind);
  if (a == nullptr || b == nullptr) return a == b;
  return std::ranges::equal(a->checksum, b->checksum);
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

Result<std::unique_ptr<Generation>> open_generation(const link::SnapshotOffer& offer,
                                                    const std::vector<Fd>& fds,
                                                    const pki::Secret& sealing_key,
                                                    const Generation* running) {
  if (fds.size() != offer.sections.size()) {
    return fail("snapshot offer", "sections and descriptors differ in number");
  }
  auto made = std::make_unique<Generation>();
  Generation& g = *made;
  g.number = offer.generation;
  g.revision = offer.revision;
  g.sections = offer.sections;
  Status ok = open_section(offer, fds, g.appliance);
  if (ok) ok = open_section(offer, fds, g.realms);
  if (ok) ok = open_section(offer, fds, g.listeners);
  if (ok) ok = open_section(offer, fds, g.tls);
  if (ok) ok = open_section(offer, fds, g.routing);
  if (ok) ok = open_section(offer, fds, g.signalling);
  if (ok) ok = open_section(offer, fds, g.resolver);
  if (ok) ok = open_section(offer, fds, g.media);
  if (ok) ok = snapshot::check_against(g.listeners, g.realms, g.tls);
  if (ok) ok = snapshot::check_against(g.routing, g.realms, g.tls);
  if (ok) ok = snapshot::check_against(g.resolver, g.realms);
  if (ok) ok = snapshot::check_against(g.media, g.realms);
  if (!ok) return std::unexpected(ok.error());
  g.collect_tcp_peers();
  auto keys = open_keys(find_fd(offer, fds, Kind::keys_signal), sealing_key);
  if (!keys) return std::unexpected(keys.error());
  g.token_secrets = take_token_secrets(g.media, *keys);
  if (running != nullptr && g.same_section(*running, Kind::tls) &&
      g.same_section(*running, Kind::keys_signal)) {
    g.contexts = running->contexts;
    return made;
  }
  auto contexts = make_contexts(g.tls, *keys);
  if (!contexts) return std::unexpected(contexts.error());
  g.contexts = std::move(*contexts);
  return made;
}

}  // namespace fedge::signal
