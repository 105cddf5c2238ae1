// Next-hop pools, federation, presence domains, partners and static routes: does every
// destination lead to one place?
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "firmware/topology/pattern.h"
#include "firmware/topology/rule_book.h"

namespace fedge::topology {
namespace {

// Without addresses a host is found by DNS.
void check_resolvable(RuleBook& book, const std::string& path, const std::string& host) {
  if (book.topology.resolver) return;
  book.add(path + "/addresses", "nothing", "at least one address of " + RuleBook::text(host),
           "list them, or add /resolver so that the name is looked up");
}

void check_host_transport(RuleBook& book, const std::string& path, Transport transport,
                          const std::string& tls) {
  if (transport != Transport::udp) return book.check_transport(path, transport, tls);
  book.add(path + "/transport", RuleBook::text("udp"), "tls or tcp", "SIP goes over TLS or TCP");
}

void check_next_hop(RuleBook& book, const std::string& path, const NextHop& hop) {
  const Realm* realm = book.check_realm(path, hop.realm);
  check_host_transport(book, path, hop.transport, hop.tls);
  book.check_addresses(path, hop.addresses, realm);
  if (hop.host.empty()) return;
  const auto literal = IpAddress::parse(hop.host);
  if (!literal && hop.addresses.empty()) check_resolvable(book, path, hop.host);
  if (literal && hop.addresses.empty()) book.check_addresses(path, {*literal}, realm);
}

void check_pools(RuleBook& book) {
  const auto& pools = book.topology.next_hop_pools;
  book.check_unique("/next_hop_pools", pools, "/name",
                    [](const NextHopPool& p) -> auto& { return p.name; });
  for (size_t i = 0; i < pools.size() && !book.full(); ++i) {
    const std::string path = RuleBook::item("/next_hop_pools", i) + "/members";
    std::map<std::pair<std::string, uint16_t>, size_t> members;
    for (size_t j = 0; j < pools[i].members.size(); ++j) {
      const PoolMember& m = pools[i].members[j];
      check_next_hop(book, RuleBook::item(path, j), m);
      if (!members.emplace(std::pair{m.host, m.port}, j).second && !m.host.empty()) {
        book.add(RuleBook::item(path, j) + "/host", RuleBook::text(m.host),
                 "a host and port that stand once in their pool", "");
      }
    }
  }
}

void check_federation(RuleBook& book) {
  const Topology& t = book.topology;
  if (!t.federation_route) {
    if (t.presence_domains.empty()) return;
    return book.add("/federation_route", "nothing",
                    "the route on which requests for the presence domains go inside",
                    "add it, or remove the presence domains");
  }
  const FederationRoute& route = *t.federation_route;
  if (!route.next_hop.empty() && !book.pool(route.next_hop)) {
    book.add("/federation_route/next_hop", RuleBook::text(route.next_hop),
             "a next-hop pool: " + RuleBook::names_of(t.next_hop_pools), "");
  }
  if (!route.site.empty() && route.site != t.appliance.site) {
    book.add("/federation_route/site", RuleBook::text(route.site),
             "the appliance's site, " + RuleBook::text(t.appliance.site), "");
  }
}

void check_edge_pool(RuleBook& book) {
  if (!book.topology.edge_pool) {
    if (book.topology.partners.empty()) return;
    return book.add("/edge_pool", "nothing", "the edge pool that federates with the partners",
                    "add it with federation on, or remove the partners");
  }
  const auto& services = book.topology.edge_pool->services;
  for (size_t i = 0; i < services.size(); ++i) {
    const std::string path = RuleBook::item("/edge_pool/services", i);
    if (services[i] != Service::access && services[i] != Service::av) {
      book.add(path, "a service that this version does not have", "access or av",
               services[i] == Service::mras ? "mras comes with av" : "");
    } else if (std::find(services.begin(), services.end(), services[i]) - services.begin() !=
               static_cast<std::ptrdiff_t>(i)) {
      book.add(path, "the same service again", "each once", "");
    } else if (services[i] == Service::av &&
               std::ranges::none_of(book.topology.listeners,
                                    [](const Listener& l) { return l.service == Service::av; })) {
      book.add(path, RuleBook::text("av"), "a service that a listener has",
               "add a listener of service av");
    }
  }
}

void check_domains(RuleBook& book) {
  const Topology& t = book.topology;
  book.check_unique("/presence_domains", t.presence_domains, "",
                    [](const std::string& d) -> auto& { return d; });
  book.check_unique("/partners", t.partners, "/domain",
                    [](const Partner& p) -> auto& { return p.domain; });
  const std::unordered_set<std::string_view> ours(t.presence_domains.begin(),
                                                  t.presence_domains.end());
  for (size_t i = 0; i < t.partners.size() && !book.full(); ++i) {
    const Partner& partner = t.partners[i];
    const std::string path = RuleBook::item("/partners", i);
    if (ours.contains(partner.domain)) {
      book.add(path + "/domain", RuleBook::text(partner.domain) + ", which is a presence domain",
               "a domain that is not ours",
               "a domain is ours or a partner's: remove it from one of the two lists");
    }
    const Realm* realm = book.check_realm(path, partner.realm);
    check_host_transport(book, path, partner.transport, partner.tls);
    book.check_addresses(path, partner.addresses, realm);
    if (partner.domain.empty()) continue;
    if (partner.addresses.empty()) {
      check_resolvable(book, path, partner.edge.empty() ? partner.domain : partner.edge);
    } else if (partner.edge.empty()) {
      book.add(path + "/edge", "nothing",
               "the name in the certificate of the edge at " + partner.addresses.front().text(),
               "add it, or remove the addresses so that DNS names the edge");
    }
    if (partner.edge.empty() && partner.transport == Transport::tcp) {
      book.add(path + "/transport", RuleBook::text("tcp"), "tls",
               "a partner that DNS names proves its name by its certificate");
    }
  }
}

std::string target_of(const StaticRoute& route) {
  if (!route.next_hop) return "pool " + route.next_hop_pool;
  return fmt::format("{}:{} in {}", route.next_hop->host, route.next_hop->port,
                     route.next_hop->realm);
}

// One next hop, and it exists.
void check_target(RuleBook& book, const std::string& path, const StaticRoute& route) {
  if (route.next_hop) {
    if (!route.next_hop_pool.empty()) {
      book.add(path + "/next_hop_pool", RuleBook::text(route.next_hop_pool) + " beside next_hop",
               "next_hop or next_hop_pool", "remove one of them");
    }
    return check_next_hop(book, path + "/next_hop", *route.next_hop);
  }
  if (route.next_hop_pool.empty()) {
    book.add(path, "a route without a target", "next_hop or next_hop_pool", "add one of them");
  } else if (!book.pool(route.next_hop_pool)) {
    book.add(path + "/next_hop_pool", RuleBook::text(route.next_hop_pool),
             "a next-hop pool: " + RuleBook::names_of(book.topology.next_hop_pools), "");
  }
}

}  // namespace

void check_routing_rules(RuleBook& book) {
  check_edge_pool(book);
  check_pools(book);
  check_federation(book);
  check_domains(book);
}

void check_static_routes(RuleBook& book) {
  const Topology& t = book.topology;
  std::unordered_map<std::string, std::string_view> taken;
  for (const std::string& d : t.presence_domains) taken.emplace(d, "a presence domain");
  for (const Partner& p : t.partners) taken.emplace(p.domain, "a partner's domain");
  std::unordered_map<std::string, size_t> seen;
  std::unordered_map<std::string, size_t> first;
  for (size_t i = 0; i < t.static_routes.size() && !book.full(); ++i) {
    const StaticRoute& route = t.static_routes[i];
    const std::string path = RuleBook::item("/static_routes", i);
    check_target(book, path, route);
    const auto pattern = normal_pattern(route.pattern, route.type);
    if (!pattern) {
      if (route.pattern.empty()) continue;
      book.add(
          path + "/pattern", RuleBook::text(route.pattern),
          route.type == RouteType::user
              ? "user@domain, as the type is user"
              : "a domain as example.com, .com.example, *.example.com or .com.example.*",
          route.pattern.find('@') == std::string::npos ? "" : "for one user set the type to user");
      continue;
    }
    if (const auto other = taken.find(*pattern); other != taken.end()) {
      book.add(path + "/pattern",
               fmt::format("{}, which is {}", RuleBook::text(route.pattern), other->second),
               "a destination that is routed in one place",
               "remove it from one of the two, or route single users");
    }
    if (const size_t before = first.emplace(*pattern, i).first->second;
        t.static_routes[before].forking != route.forking) {
      book.add(path + "/forking", "another value than " + RuleBook::item("/static_routes", before),
               "one value for all routes of a pattern", "");
    }
    const auto [known, is_new] = seen.emplace(*pattern + " " + target_of(route), i);
    if (!is_new) {
      book.add(path,
               "the same pattern and target as " + RuleBook::item("/static_routes", known->second),
               "each once", "remove one of them");
    }
  }
}

}  // namespace fedge::topology
