#include <algorithm>
#include <string>

#include "firmware/snapshot/checker.h"
#include "firmware/snapshot/routes.h"

namespace fedge::snapshot {
namespace {

constexpr uint16_t kTls12 = 0x0303;

std::string at(std::string_view list, size_t index, std::string_view what) {
  return std::string(list) + " " + std::to_string(index) + " " + std::string(what);
}

// Realm names become interface names.
bool is_realm_name(std::string_view name) {
  return !name.empty() && name.size() <= 15 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string_view defect_of(const Section<Realms>& section, const Realm& realm) {
  if (realm.port >= section.root().ports.count) return "names a port that is not there";
  if (!is_realm_name(section.text(realm.name))) return "has no usable name";
  if (realm.vlan > 4094) return "has a VLAN tag above 4094";
  if (realm.mtu < 576) return "has an MTU below 576";
  if (realm.dscp_signalling > 63 || realm.dscp_media > 63) return "has a DSCP above 63";
  for (const RealmAddress& a : section.items(realm.addresses)) {
    if (a.public_address && a.public_address.family != a.address.address.family) {
      return "has a public address of another family";
    }
  }
  for (const RealmRoute& r : section.items(realm.routes)) {
    if (r.via.family != r.to.address.family) return "has a route through another family";
  }
  return {};
}

template <class Owner>
bool has_chain(const Owner& section, const Certificate& certificate) {
  const auto chain = section.items(certificate.chain);
  return !chain.empty() && std::ranges::all_of(chain, [](Text der) { return der.size > 0; });
}

std::string_view defect_of(const Section<Routing>& section, const Route& route) {
  const auto targets = section.items(route.targets);
  if (route.pattern.size == 0 || route.pattern.size > 320) return "has no usable pattern";
  if (targets.empty()) return "has no targets";
  const auto later = [](const Target& a, const Target& b) { return a.priority < b.priority; };
  if (!std::ranges::is_sorted(targets, later)) return "has its targets out of order";
  for (const Target& target : targets) {
    if (target.next_hop >= section.root().next_hops.count) return "has a target that is not there";
  }
  return {};
}

}  // namespace

std::string check_references(const Section<Appliance>& section) {
  if (section.root().fqdn.size == 0) return "the appliance has no FQDN";
  return {};
}

std::string check_references(const Section<Realms>& section) {
  const auto realms = section.items(section.root().realms);
  if (realms.size() >= kNone16) return "there are too many realms";
  for (size_t i = 0; i < realms.size(); ++i) {
    if (const auto defect = defect_of(section, realms[i]); !defect.empty()) {
      return at("realm", i, defect);
    }
  }
  return {};
}

std::string check_references(const Section<Listeners>& section) {
  const auto listeners = section.items(section.root().listeners);
  for (size_t i = 0; i < listeners.size(); ++i) {
    if ((listeners[i].transport == Transport::tls) != (listeners[i].tls_context != kNone16)) {
      return at("listener", i, "has TLS without a context, or a context without TLS");
    }
  }
  return {};
}

std::string check_references(const Section<Tls>& section) {
  const auto contexts = section.items(section.root().contexts);
  for (size_t i = 0; i < contexts.size(); ++i) {
    const TlsContext& context = contexts[i];
    const auto certificates = section.items(context.certificates);
    if (certificates.empty()) return at("TLS context", i, "has no certificate");
    for (const Certificate& certificate : certificates) {
      if (!has_chain(section, certificate)) return at("TLS context", i, "has an empty chain");
    }
    if (context.version_min < kTls12 || context.version_min > context.version_max) {
      return at("TLS context", i, "has no TLS version");
    }
  }
  return {};
}

std::string check_references(const Section<Routing>& section) {
  const Routing& root = section.root();
  const auto next_hops = section.items(root.next_hops);
  for (size_t i = 0; i < next_hops.size(); ++i) {
    const bool looked_up = next_hops[i].lookup != Lookup::none;
    if ((next_hops[i].endpoints.count == 0) != looked_up) {
      return at("next hop", i, "has no address and no look-up, or both");
    }
    if (looked_up && next_hops[i].port == 0) return at("next hop", i, "has no port");
    if ((next_hops[i].transport == Transport::tls) != (next_hops[i].tls_context != kNone16)) {
      return at("next hop", i, "has TLS without a context, or a context without TLS");
    }
  }
  const auto routes = section.items(root.routes);
  for (size_t i = 0; i < routes.size(); ++i) {
    if (const auto defect = defect_of(section, routes[i]); !defect.empty()) {
      return at("route", i, defect);
    }
  }
  const auto peers = section.items(root.peers);
  for (size_t i = 0; i < peers.size(); ++i) {
    if (peers[i].next_hop >= next_hops.size()) return at("peer", i, "has no next hop");
    if (peers[i].media_edge > 1) return at("peer", i, "is neither given media nor not");
    if (i > 0 && section.text(peers[i].name) < section.text(peers[i - 1].name)) {
      return at("peer", i, "is out of order");
    }
  }
  if (root.federation > 1) return "federation is neither on nor off";
  return check_index(section);
}

std::string check_references(const Section<Signalling>& section) {
  const Signalling& s = section.root();
  for (const uint32_t value :
       {s.t1_ms, s.t2_ms, s.t4_ms, s.timer_c_ms, s.connect_ms, s.first_response_ms, s.handshake_ms,
        s.idle_ms, s.partial_message_ms, s.max_message, s.max_connections,
        s.max_connections_per_source, s.max_handshakes, s.max_transactions, s.queue_bytes,
        s.health_interval_ms, s.overload_delay_ms}) {
    if (value == 0) return "a timer or a limit is zero";
  }
  return {};
}

std::string check_references(const Section<Management>& section) {
  const Management& m = section.root();
  if (!has_chain(section, m.certificate)) return "the management certificate is empty";
  if (m.endpoints.count == 0) return "management has no address";
  if (m.max_connections == 0 || m.max_body == 0) return "a limit is zero";
  return {};
}

std::string check_references(const Section<Resolver>& section) {
  const Resolver& resolver = section.root();
  if ((resolver.servers.count == 0) != (resolver.realm == kNone16)) {
    return "the resolver has servers without a realm, or a realm without servers";
  }
  return {};
}

std::string check_references(const Section<Media>& section) {
  const Media& media = section.root();
  const auto pools = section.items(media.pools);
  for (size_t i = 0; i < pools.size(); ++i) {
    const MediaPool& pool = pools[i];
    if (pool.addresses.count == 0) return at("media pool", i, "has no address");
    if (pool.first_port % 2 != 0 || pool.last_port % 2 != 1 || pool.first_port > pool.last_port ||
        pool.first_port < 1024) {
      return at("media pool", i, "has no range of whole port pairs");
    }
  }
  for (const PeerRule& rule : section.items(media.peer_rules)) {
    if (rule.allow > 1) return "a peer rule neither allows nor denies";
  }
  const auto keys = section.items(media.token_keys);
  if (!std::ranges::is_sorted(keys, {}, &TokenKey::effective_from)) {
    return "the token keys are out of order";
  }
  if (media.alternates.count > 2) return "there are more than two alternate servers";
  if (pools.empty()) return {};
  for (const uint32_t value :
       {media.max_sessions, media.max_sessions_per_user, media.max_sessions_per_source,
        media.credential_minutes, media.lifetime_default_s, media.lifetime_max_s, media.nonce_s}) {
    if (value == 0) return "a limit or a lifetime of media is zero";
  }
  return {};
}

Status check_against(const Section<Media>& media, const Section<Realms>& realms) {
  for (const MediaPool& pool : media.items(media.root().pools)) {
    if (pool.realm < realms.root().realms.count) continue;
    return fail("media pool", "names a realm that this snapshot does not have", "publish again");
  }
  return {};
}

Status check_against(const Section<Listeners>& listeners, const Section<Realms>& realms,
                     const Section<Tls>& tls) {
  for (const Listener& l : listeners.items(listeners.root().listeners)) {
    if (l.realm >= realms.root().realms.count ||
        (l.tls_context != kNone16 && l.tls_context >= tls.root().contexts.count)) {
      return fail("listener " + std::string(listeners.text(l.name)),
                  "names a realm or a TLS context that this snapshot does not have",
                  "publish again");
    }
  }
  return {};
}

Status check_against(const Section<Routing>& routing, const Section<Realms>& realms,
                     const Section<Tls>& tls) {
  for (const NextHop& hop : routing.items(routing.root().next_hops)) {
    if (hop.realm >= realms.root().realms.count ||
        (hop.tls_context != kNone16 && hop.tls_context >= tls.root().contexts.count)) {
      return fail("next hop " + std::string(routing.text(hop.host)),
                  "names a realm or a TLS context that this snapshot does not have",
                  "publish again");
    }
  }
  for (const Peer& peer : routing.items(routing.root().peers)) {
    if (peer.realm >= realms.root().realms.count) {
      return fail("peer " + std::string(routing.text(peer.name)),
                  "names a realm that this snapshot does not have", "publish again");
    }
  }
  return {};
}

Status check_against(const Section<Resolver>& resolver, const Section<Realms>& realms) {
  const Resolver& root = resolver.root();
  if (root.servers.count == 0 || root.realm < realms.root().realms.count) return {};
  return fail("resolver", "names a realm that this snapshot does not have", "publish again");
}

}  // namespace fedge::snapshot
