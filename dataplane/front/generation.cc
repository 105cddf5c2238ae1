#include "dataplane/front/generation.h"

#include <algorithm>

namespace fedge::front {

namespace {

using snapshot::Kind;

constexpr std::string_view kKeysPurpose = "keys-front";

const link::SectionRef* find_section(const std::vector<link::SectionRef>& sections, Kind kind) {
  const auto it = std::ranges::find(sections, kind, &link::SectionRef::kind);
  return it == sections.end() ? nullptr : &*it;
}

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
                "the offer must bring every section of front");
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
  if (auto ok = snapshot::check_envelope(mapping->bytes(), Kind::keys_front); !ok) {
    return std::unexpected(ok.error());
  }
  auto plain = pki::unseal(sealing_key, kKeysPurpose, snapshot::key_payload(mapping->bytes()));
  if (!plain) return std::unexpected(plain.error());
  return pki::decode_keys(plain->bytes());
}

bool is_ours(const snapshot::Listener& listener) {
  return listener.service == snapshot::Service::av &&
         listener.transport != snapshot::Transport::udp;
}

struct Opened {
  snapshot::Section<snapshot::Appliance> appliance;
  snapshot::Section<snapshot::Listeners> listeners;
  snapshot::Section<snapshot::Tls> tls;
  snapshot::Section<snapshot::Signalling> signalling;
  snapshot::Section<snapshot::Media> media;
};

bool same_section(const Generation& a, const Generation& b, Kind kind) {
  const link::SectionRef* x = find_section(a.sections, kind);
  const link::SectionRef* y = find_section(b.sections, kind);
  if (x == nullptr || y == nullptr) return x == y;
  return std::ranges::equal(x->checksum, y->checksum);
}

// Only the contexts that our listeners name: keys of the others are not given to this process.
Status make_contexts(Generation& g, const Opened& opened, const Generation* running, int keys_fd,
                     const pki::Secret& sealing_key) {
  const bool same = running != nullptr && same_section(g, *running, Kind::tls) &&
                    same_section(g, *running, Kind::keys_front);
  g.contexts.resize(opened.tls.root().contexts.count);
  std::vector<pki::PrivateKey> keys;
  bool has_keys = false;
  for (const auto& l : opened.listeners.items(opened.listeners.root().listeners)) {
    if (!is_ours(l) || l.tls_context == snapshot::kNone16) continue;
    auto& context = g.contexts[l.tls_context];
    if (context == nullptr && same) context = running->contexts[l.tls_context];
    if (context != nullptr) continue;
    if (!has_keys) {
      auto read = open_keys(keys_fd, sealing_key);
      if (!read) return std::unexpected(read.error());
      keys = std::move(*read);
      has_keys = true;
    }
    auto made = pki::TlsContext::make(opened.tls, l.tls_context, keys);
    if (!made) return std::unexpected(made.error());
    context = std::move(*made);
  }
  return {};
}

void collect_listeners(Generation& g, const snapshot::Section<snapshot::Listeners>& section) {
  for (const auto& l : section.items(section.root().listeners)) {
    if (!is_ours(l)) continue;
    const snapshot::Realm& realm = g.realms.items(g.realms.root().realms)[l.realm];
    Listener listener;
    listener.name = section.text(l.name);
    listener.realm = g.realms.text(realm.name);
    listener.realm_index = l.realm;
    listener.dscp = realm.dscp_media;
    listener.endpoint = l.endpoint;
    if (l.tls_context != snapshot::kNone16) listener.context = g.contexts[l.tls_context];
    g.listeners.push_back(std::move(listener));
  }
}

}  // namespace

Waits Generation::waits() const {
  const auto ms = [](uint32_t n) { return std::chrono::milliseconds(n); };
  // Whoever has an allocation refreshes it in its lifetime; nothing else need be said.
  return {.first = ms(limits.handshake_ms),
          .partial = ms(limits.partial_message_ms),
          .idle = std::max<Duration>(ms(limits.idle_ms), longest_allocation)};
}

const Listener* Generation::find(std::string_view realm, const Endpoint& endpoint) const {
  const auto it = std::ranges::find_if(
      listeners, [&](const Listener& l) { return l.realm == realm && l.endpoint == endpoint; });
  return it == listeners.end() ? nullptr : &*it;
}

Result<std::shared_ptr<const Generation>> open_generation(const link::SnapshotOffer& offer,
                                                          const std::vector<Fd>& fds,
                                                          const pki::Secret& sealing_key,
                                                          const Generation* running) {
  if (fds.size() != offer.sections.size()) {
    return fail("snapshot offer", "sections and descriptors differ in number");
  }
  auto made = std::make_shared<Generation>();
  Generation& g = *made;
  g.number = offer.generation;
  g.revision = offer.revision;
  g.sections = offer.sections;
  Opened opened;
  Status ok = open_section(offer, fds, opened.appliance);
  if (ok) ok = open_section(offer, fds, g.realms);
  if (ok) ok = open_section(offer, fds, opened.listeners);
  if (ok) ok = open_section(offer, fds, opened.tls);
  if (ok) ok = open_section(offer, fds, opened.signalling);
  if (ok) ok = open_section(offer, fds, opened.media);
  if (ok) ok = snapshot::check_against(opened.listeners, g.realms, opened.tls);
  if (ok) ok = snapshot::check_against(opened.media, g.realms);
  if (ok) {
    ok = make_contexts(g, opened, running, find_fd(offer, fds, Kind::keys_front), sealing_key);
  }
  if (!ok) return std::unexpected(ok.error());
  g.limits = opened.signalling.root();
  g.longest_allocation = std::chrono::seconds(opened.media.root().lifetime_max_s);
  collect_listeners(g, opened.listeners);
  return made;
}

}  // namespace fedge::front
