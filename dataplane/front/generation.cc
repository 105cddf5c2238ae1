#include "dataplane/front/generation.h"

#include <algorithm>

#include "firmware/pki/key_section.h"

namespace fedge::front {

namespace {

using snapshot::Kind;

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

// Only the contexts that our listeners name: keys of the others are not given to this process.
Status make_contexts(Generation& g, const Opened& opened, const Generation* running, int keys_fd,
                     const pki::Secret& sealing_key) {
  const bool same = running != nullptr &&
                    link::same_section(g.sections, running->sections, Kind::tls) &&
                    link::same_section(g.sections, running->sections, Kind::keys_front);
  g.contexts.resize(opened.tls.root().contexts.count);
  std::vector<pki::PrivateKey> keys;
  bool has_keys = false;
  for (const auto& l : opened.listeners.items(opened.listeners.root().listeners)) {
    if (!is_ours(l) || l.tls_context == snapshot::kNone16) continue;
    auto& context = g.contexts[l.tls_context];
    if (context == nullptr && same) context = running->contexts[l.tls_context];
    if (context != nullptr) continue;
    if (!has_keys) {
      auto read = pki::open_keys(keys_fd, Kind::keys_front, sealing_key);
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

std::vector<ListeningPlace> Generation::places() const {
  std::vector<ListeningPlace> out;
  for (const Listener& l : listeners) {
    out.push_back({l.name, l.realm, l.endpoint, l.dscp, static_cast<uint16_t>(out.size())});
  }
  return out;
}

Result<std::shared_ptr<const Generation>> open_generation(const link::Offer& offer,
                                                          const pki::Secret& sealing_key,
                                                          const Generation* running) {
  auto made = std::make_shared<Generation>();
  Generation& g = *made;
  g.number = offer.message.generation;
  g.revision = offer.message.revision;
  g.sections = offer.message.sections;
  Opened opened;
  Status ok = offer.open(opened.appliance);
  if (ok) ok = offer.open(g.realms);
  if (ok) ok = offer.open(opened.listeners);
  if (ok) ok = offer.open(opened.tls);
  if (ok) ok = offer.open(opened.signalling);
  if (ok) ok = offer.open(opened.media);
  if (ok) ok = snapshot::check_against(opened.listeners, g.realms, opened.tls);
  if (ok) ok = snapshot::check_against(opened.media, g.realms);
  if (ok) {
    ok = make_contexts(g, opened, running, offer.fd_of(Kind::keys_front), sealing_key);
  }
  if (!ok) return std::unexpected(ok.error());
  g.limits = opened.signalling.root();
  g.longest_allocation = std::chrono::seconds(opened.media.root().lifetime_max_s);
  collect_listeners(g, opened.listeners);
  return made;
}

}  // namespace fedge::front
