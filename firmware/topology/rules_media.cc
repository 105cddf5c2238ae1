// Media: can these relay ports be opened, and does every service and host find what it needs?
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "firmware/topology/field.h"
#include "firmware/topology/rule_book.h"

namespace fedge::topology {
namespace {

constexpr PortRange kKernelsPorts{10240, 49151};  // the design's ephemeral range

bool overlap(PortRange a, PortRange b) { return a.first <= b.last && b.first <= a.last; }
PortRange range_of(const MediaPool& pool) { return {pool.first_port, pool.last_port}; }
std::string text_of(PortRange range) { return fmt::format("{}-{}", range.first, range.last); }

bool has_use(const Topology& t, PoolUse use) {
  return t.media && std::ranges::any_of(t.media->pools,
                                        [&](const MediaPool& pool) { return pool.use == use; });
}

bool has_listener(const Topology& t, Service service) {
  return std::ranges::any_of(t.listeners, [&](const Listener& l) { return l.service == service; });
}

void check_range(RuleBook& book, const std::string& path, const MediaPool& pool) {
  if (pool.first_port % 2 != 0) {
    book.add(path + "/first_port", fmt::format("the number {}", pool.first_port),
             "an even port: ports come in pairs for RTP and RTCP", "");
  }
  if (pool.last_port % 2 == 0) {
    book.add(path + "/last_port", fmt::format("the number {}", pool.last_port),
             "an odd port: ports come in pairs for RTP and RTCP", "");
  }
  if (pool.first_port > pool.last_port) {
    book.add(path + "/last_port", fmt::format("the number {}", pool.last_port),
             fmt::format("above first_port, {}", pool.first_port), "");
  } else if (overlap(range_of(pool), kKernelsPorts)) {
    book.add(
        path + (pool.first_port >= kKernelsPorts.first ? "/first_port" : "/last_port"),
        fmt::format("the ports {}", text_of(range_of(pool))),
        fmt::format("none of {}: the kernel makes connections from them", text_of(kKernelsPorts)),
        "choose a range from 49152 on, such as 50000-59999");
  }
}

// Relay ports take UDP, and TCP of peers (RFC 6062): no listener's port is one of them.
void check_against_listeners(RuleBook& book, const std::string& path, const MediaPool& pool) {
  const auto& listeners = book.topology.listeners;
  for (size_t i = 0; i < listeners.size(); ++i) {
    const Listener& l = listeners[i];
    if (l.realm != pool.realm || !overlap(range_of(pool), {l.port, l.port})) continue;
    if (std::ranges::find(pool.addresses, l.address) == pool.addresses.end()) continue;
    book.add(path,
             fmt::format("ports {} of {}, one of which {} has", text_of(range_of(pool)),
                         l.address.text(), RuleBook::item("/listeners", i)),
             "ports without a listener", "move the listener, or choose another range");
  }
}

void check_pool_address(RuleBook& book, const std::string& path, size_t pool_place, size_t place) {
  const auto& pools = book.topology.media->pools;
  const MediaPool& pool = pools[pool_place];
  const IpAddress& address = pool.addresses[place];
  const Realm* realm = book.realm(pool.realm);
  if (realm && std::ranges::none_of(realm->addresses, [&](const RealmAddress& a) {
        return a.address.address == address;
      })) {
    book.add(path, RuleBook::text(address.text()),
             fmt::format("one of realm {}'s own addresses", pool.realm),
             "not its public translation, which stands with the realm");
  }
  if (std::find(pool.addresses.begin(), pool.addresses.begin() + static_cast<ptrdiff_t>(place),
                address) != pool.addresses.begin() + static_cast<ptrdiff_t>(place)) {
    return book.add(path, RuleBook::text(address.text()), "each address once", "");
  }
  for (size_t i = 0; i < pool_place; ++i) {
    if (pools[i].realm != pool.realm || !overlap(range_of(pools[i]), range_of(pool))) continue;
    if (std::ranges::find(pools[i].addresses, address) == pools[i].addresses.end()) continue;
    book.add(path, fmt::format("{} with ports {}", address.text(), text_of(range_of(pool))),
             fmt::format("ports that no other pool has; {} has {} of it",
                         RuleBook::item("/media/pools", i), text_of(range_of(pools[i]))),
             "give one of the two another range or address");
  }
}

void check_pools(RuleBook& book) {
  const auto& pools = book.topology.media->pools;
  for (size_t i = 0; i < pools.size() && !book.full(); ++i) {
    const std::string path = RuleBook::item("/media/pools", i);
    book.check_realm(path, pools[i].realm);
    check_range(book, path, pools[i]);
    check_against_listeners(book, path, pools[i]);
    for (size_t j = 0; j < pools[i].addresses.size(); ++j) {
      if (pools[i].addresses[j]) {
        check_pool_address(book, RuleBook::item(path + "/addresses", j), i, j);
      }
    }
  }
}

void check_quotas(RuleBook& book) {
  const Media& media = *book.topology.media;
  const uint32_t most = media_capacity(media.pools);
  if (media.quotas.sessions <= most) return;
  book.add("/media/quotas/sessions", fmt::format("the number {}", media.quotas.sessions),
           fmt::format("at most {}: what the pools can hold", most),
           "widen /media/pools (a TURN allocation takes one port, an anchored stream two on each "
           "side), or leave it out");
}

void check_peer_rules(RuleBook& book) {
  const auto& rules = book.topology.media->peer_rules;
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < rules.size() && !book.full(); ++i) {
    if (!rules[i].prefix.address) continue;
    const std::string path = RuleBook::item("/media/peer_rules", i) + "/prefix";
    const std::string text = rules[i].prefix.text();
    if (!is_network(rules[i].prefix)) {
      book.add(path, RuleBook::text(text),
               fmt::format("a network: no bits behind the first {}", rules[i].prefix.length), "");
    }
    const auto [known, is_new] = seen.emplace(text, i);
    if (is_new) continue;
    book.add(path, RuleBook::text(text),
             "each network once; " + RuleBook::item("/media/peer_rules", known->second) + " has it",
             "");
  }
}

void check_alternates(RuleBook& book) {
  const auto& servers = book.topology.media->alternate_servers;
  for (size_t i = 0; i < servers.size(); ++i) {
    const IpAddress& address = servers[i].address;
    if (!address) continue;
    const std::string path = RuleBook::item("/media/alternate_servers", i) + "/address";
    if (address.is_unspecified() || address.is_multicast() || address.is_loopback()) {
      book.add(path, RuleBook::text(address.text()), "the address of another edge", "");
    } else if (book.is_own(address)) {
      book.add(path, RuleBook::text(address.text()) + ", one of this appliance's own addresses",
               "the address of another edge", "");
    } else if (i > 0 && servers[0].address.family == address.family) {
      book.add(path, RuleBook::text(address.text()), "one server of each IP version", "");
    }
  }
}

void check_turn_realm(RuleBook& book) {
  const Topology& t = book.topology;
  const auto realm = turn_realm_of(*t.media, t.appliance.fqdn);
  if (!has_listener(t, Service::av) || t.appliance.fqdn.empty()) return;
  if (!realm.empty() && realm.size() <= kLongestTurnRealm) return;
  book.add("/media/turn_realm", realm.empty() ? "nothing" : RuleBook::text(realm),
           fmt::format("a name of at most {} characters", kLongestTurnRealm),
           "the answer to a client's shortest first request has room for no more");
}

void check_media(RuleBook& book) {
  const Media& media = *book.topology.media;
  book.check_ids("/media/certificates", media.certificates, book.environment.has_certificate,
                 "the id of an imported certificate", "import it first, or correct the id");
  check_pools(book);
  check_quotas(book);
  check_peer_rules(book);
  check_alternates(book);
  check_turn_realm(book);
  if (media.lifetimes.allocation_s > media.lifetimes.allocation_most_s) {
    book.add("/media/lifetimes/allocation_s",
             fmt::format("the number {}", media.lifetimes.allocation_s),
             fmt::format("at most allocation_most_s, {}", media.lifetimes.allocation_most_s), "");
  }
  if (has_use(book.topology, PoolUse::turn) && media.certificates.empty()) {
    book.add("/media/certificates", "an empty list", "the id of the A/V authentication certificate",
             "keys of TURN's credentials follow from its private key");
  }
}

// Service av: TURN needs relay ports.
void check_av(RuleBook& book, const std::string& path) {
  if (has_use(book.topology, PoolUse::turn)) return;
  book.add(path + "/service", RuleBook::text("av"), "a service that has what it needs",
           "add a pool with use turn to /media/pools: TURN relays from its ports");
}

// Service mras: who asks must be known, and there must be something to tell.
void check_mras(RuleBook& book, const std::string& path, const Listener& l) {
  const Topology& t = book.topology;
  if (l.transport != Transport::tls) {
    book.add(path + "/transport", RuleBook::text(word_of(l.transport)),
             "tls: internal servers are known by their certificates", "");
  } else if (const TlsContext* tls = book.tls(l.tls);
             tls && tls->client_certificate != ClientCertificate::required) {
    book.add(path + "/tls", RuleBook::text(l.tls), "a TLS context with client_certificate required",
             "internal servers are known by their certificates");
  }
  if (std::ranges::none_of(t.next_hop_pools, &NextHopPool::media_edge)) {
    book.add(path + "/service", RuleBook::text("mras"), "a service that somebody may ask",
             "associate an internal pool with this edge: \"media_edge\": true in /next_hop_pools");
  }
  if (!has_listener(t, Service::av)) {
    book.add(path + "/service", RuleBook::text("mras"), "a service that has what it tells of",
             "add a listener of service av: the relay that clients are told to use");
  }
}

void check_listeners(RuleBook& book) {
  const auto& listeners = book.topology.listeners;
  for (size_t i = 0; i < listeners.size() && !book.full(); ++i) {
    const Listener& l = listeners[i];
    const std::string path = RuleBook::item("/listeners", i);
    if (l.transport == Transport::udp && l.service != Service::av && l.service != Service::mras) {
      book.add(path + "/transport", RuleBook::text("udp"), "tcp or tls",
               "only service av answers over UDP");
    }
    if (l.service != Service::av && l.service != Service::mras) continue;
    if (!book.topology.media) {
      book.add(path + "/service", RuleBook::text(word_of(l.service)),
               "a service that has what it needs", "add /media");
    } else if (l.service == Service::av) {
      check_av(book, path);
    } else {
      check_mras(book, path, l);
    }
  }
}

// One host that requests go to or come from, wherever it stands.
struct Host {
  const std::string& name;
  uint16_t port;
  const std::vector<IpAddress>& addresses;
  const std::string& realm;
  const HostMedia& media;
};
Host host_of(const NextHop& hop) { return {hop.host, hop.port, hop.addresses, hop.realm, hop}; }

// Calls visit(host, path()): there may be a million, whose paths nobody asks for.
template <class Visit>
void each_host(const Topology& t, Visit&& visit) {
  for (size_t i = 0; i < t.partners.size(); ++i) {
    const Partner& p = t.partners[i];
    visit(Host{p.edge.empty() ? p.domain : p.edge, p.port, p.addresses, p.realm, p},
          [&] { return RuleBook::item("/partners", i); });
  }
  for (size_t i = 0; i < t.next_hop_pools.size(); ++i) {
    for (size_t j = 0; j < t.next_hop_pools[i].members.size(); ++j) {
      visit(host_of(t.next_hop_pools[i].members[j]),
            [&] { return RuleBook::item(RuleBook::item("/next_hop_pools", i) + "/members", j); });
    }
  }
  for (size_t i = 0; i < t.static_routes.size(); ++i) {
    if (!t.static_routes[i].next_hop) continue;
    visit(host_of(*t.static_routes[i].next_hop),
          [&] { return RuleBook::item("/static_routes", i) + "/next_hop"; });
  }
}

// The IP versions of a realm's ports for anchoring: bit 0 for IPv4, bit 1 for IPv6.
unsigned bit_of(const IpAddress& address) {
  return address.is_v4() ? 1u : address.is_v6() ? 2u : 0u;
}
std::map<std::string, unsigned> anchor_realms(const Topology& t) {
  std::map<std::string, unsigned> out;
  if (!t.media) return out;
  for (const MediaPool& pool : t.media->pools) {
    if (pool.use != PoolUse::anchor) continue;
    for (const IpAddress& address : pool.addresses) out[pool.realm] |= bit_of(address);
  }
  return out;
}

// A call between two realms has a leg in each, whichever of the two hosts asks for anchoring.
void check_leg(RuleBook& book, const Host& host, const std::string& path, unsigned pool_versions,
               const std::string& anchored) {
  if (pool_versions == 0) {
    const bool asks = host.media.media == MediaHandling::anchor;
    return book.add(
        path + (asks ? "/media" : "/realm"), RuleBook::text(asks ? "anchor" : host.realm),
        fmt::format("a realm with ports for anchored calls: {} has none", host.realm),
        fmt::format(
            "add a pool with use anchor in realm {} to /media/pools: {} asks for anchoring, "
            "and a call has a leg on each side",
            host.realm, anchored));
  }
  unsigned versions = 0;
  for (const IpAddress& address : host.addresses) versions |= bit_of(address);
  if (const auto literal = IpAddress::parse(host.name)) versions |= bit_of(*literal);
  if (versions == 0 || (versions & pool_versions) != 0) return;
  const char* const version = versions == 1 ? "IPv4" : "IPv6";
  book.add(path + "/addresses", std::string(version) + " only",
           fmt::format("an IP version that realm {}'s pools for anchoring have", host.realm),
           fmt::format("add an {} address to such a pool", version));
}

using Handlings = std::map<std::tuple<std::string, uint16_t, std::string>, HostMedia>;

// Hosts whose media is handled in another way than usual, and the first that is anchored.
Handlings find_handlings(RuleBook& book, std::string& anchored) {
  Handlings out;
  const HostMedia usual;
  each_host(book.topology, [&](const Host& host, const auto& path) {
    if (host.media == usual || book.full()) return;
    out.emplace(std::tuple{host.name, host.port, host.realm}, host.media);
    if (host.media.media == MediaHandling::anchor) {
      if (anchored.empty()) anchored = path();
    } else if (host.media.ice != usual.ice) {
      book.add(path() + "/ice", RuleBook::text(word_of(host.media.ice)) + " beside media pass",
               "strip", "ICE is touched only where media is anchor: set that, or leave it out");
    }
  });
  return out;
}

void check_hosts(RuleBook& book) {
  std::string anchored;
  const Handlings handlings = find_handlings(book, anchored);
  if (handlings.empty()) return;
  const auto pools = anchor_realms(book.topology);
  std::set<std::string> without;
  each_host(book.topology, [&](const Host& host, const auto& path) {
    if (book.full() || host.name.empty()) return;
    const auto known = handlings.find(std::tuple{host.name, host.port, host.realm});
    if (known != handlings.end() && known->second != host.media) {
      book.add(path(), "another handling of media than elsewhere for " + host.name,
               "one handling of a host, wherever it stands",
               "give media, ice, latch_v4 and latch_v6 the same values");
    }
    if (anchored.empty() || !book.realm(host.realm)) return;
    const auto found = pools.find(host.realm);
    const unsigned versions = found == pools.end() ? 0 : found->second;
    if (versions != 0 || without.insert(host.realm).second) {
      check_leg(book, host, path(), versions, anchored);
    }
  });
}

}  // namespace

void check_media_rules(RuleBook& book) {
  if (book.topology.media) check_media(book);
  check_listeners(book);
  check_hosts(book);
}

}  // namespace fedge::topology
