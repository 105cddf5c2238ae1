#include "firmware/control/route_compiler.h"

#include <algorithm>
#include <span>
#include <tuple>
#include <vector>

#include "firmware/base/json.h"
#include "firmware/snapshot/routes.h"
#include "firmware/snapshot/writer.h"
#include "firmware/topology/pattern.h"

namespace fedge::control {
namespace {

using snapshot::Forking;
using snapshot::kNone16;
using snapshot::Lookup;
using snapshot::RouteKind;
namespace topo = fedge::topology;

class RouteCompiler {
 public:
  RouteCompiler(const topo::Topology& topology, const NameIndex& index)
      : t_(topology), index_(index), writer_(snapshot::Kind::routing) {}

  Result<std::string> run() {
    if (!add_pools() || !add_presence_domains() || !add_partners() || !add_static_routes()) {
      return std::unexpected(std::move(error_));
    }
    return finish();
  }

 private:
  struct DraftRoute {
    std::string pattern;
    snapshot::Text path;
    RouteKind kind;
    Forking forking;
    std::vector<snapshot::Target> targets;
  };
  struct DraftPeer {
    std::string name;
    std::string domain;
    uint16_t realm;
    snapshot::PeerSide side;
    uint32_t next_hop;
    bool media_edge;
    auto key() const { return std::tie(name, realm, side, domain); }
  };

  bool lose(std::string path, const std::string& name) {
    error_ = Error{std::move(path), "found " + json::quote(name) + ", which leads nowhere",
                   "validate the topology again"};
    return false;
  }

  // The place of a next hop; equal ones are one, so that a host has one health.
  std::optional<uint32_t> next_hop(const std::string& path, const topo::NextHop& hop,
                                   Lookup lookup = Lookup::address) {
    const auto realm = index_.realm(hop.realm);
    const auto tls = index_.tls(hop.transport, hop.tls);
    if (!realm || !tls) {
      lose(path, realm ? hop.tls : hop.realm);
      return std::nullopt;
    }
    std::vector<Endpoint> endpoints;
    endpoints.reserve(hop.addresses.size());
    std::string key = hop.host + ' ' + std::to_string(*realm) + ' ' + std::to_string(*tls);
    for (const IpAddress& address : hop.addresses) endpoints.push_back({address, hop.port});
    if (endpoints.empty()) {
      const auto literal = IpAddress::parse(hop.host);
      if (literal) endpoints.push_back({*literal, hop.port});
    }
    if (endpoints.empty()) key.append(lookup == Lookup::srv ? " srv " : " name ");
    if (endpoints.empty()) key.append(std::to_string(hop.port));
    for (const Endpoint& endpoint : endpoints) key.append(" ").append(endpoint.text());
    const auto [known, is_new] =
        hop_index_.emplace(std::move(key), static_cast<uint32_t>(hops_.size()));
    if (is_new) {
      hops_.push_back({writer_.text(hop.host), writer_.slice(endpoints), *realm, *tls,
                       hop.transport, endpoints.empty() ? lookup : Lookup::none, hop.port,
                       hop.media, hop.ice, hop.latch_v4, hop.latch_v6});
    }
    return known->second;
  }

  // Sorted by priority, and among equals in the order of the document.
  static void insert(const snapshot::Target& target, std::vector<snapshot::Target>& targets) {
    const auto behind =
        std::ranges::upper_bound(targets, target.priority, {}, &snapshot::Target::priority);
    targets.insert(behind, target);
  }

  bool add_pools() {
    for (size_t i = 0; i < t_.next_hop_pools.size(); ++i) {
      const topo::NextHopPool& pool = t_.next_hop_pools[i];
      auto& targets = pools_[pool.name];
      const std::string members = json::join_path("/next_hop_pools", i) + "/members";
      for (size_t j = 0; j < pool.members.size(); ++j) {
        const topo::PoolMember& member = pool.members[j];
        const std::string path = json::join_path(members, j);
        const auto hop = next_hop(path, member);
        if (!hop) return false;
        insert({*hop, member.priority, member.weight, writer_.text(path)}, targets);
        peers_.push_back({member.host, "", *index_.realm(member.realm), snapshot::PeerSide::inside,
                          *hop, pool.media_edge});
      }
    }
    return true;
  }

  bool add_presence_domains() {
    if (t_.presence_domains.empty()) return true;
    const std::string name = t_.federation_route ? t_.federation_route->next_hop : "";
    const auto pool = pools_.find(name);
    if (pool == pools_.end()) return lose("/federation_route/next_hop", name);
    for (size_t i = 0; i < t_.presence_domains.size(); ++i) {
      const auto path = writer_.text(json::join_path("/presence_domains", i));
      routes_.push_back(
          {t_.presence_domains[i], path, RouteKind::presence_domain, Forking::one, pool->second});
    }
    return true;
  }

  bool add_partners() {
    for (size_t i = 0; i < t_.partners.size(); ++i) {
      const topo::Partner& p = t_.partners[i];
      const std::string path = json::join_path("/partners", i);
      const bool by_srv = p.edge.empty();
      const topo::NextHop edge{
          p, by_srv ? p.domain : p.edge, p.addresses, p.port, p.transport, p.realm, p.tls};
      const auto hop = next_hop(path, edge, by_srv ? Lookup::srv : Lookup::address);
      if (!hop) return false;
      const auto text = writer_.text(path);
      routes_.push_back({p.domain, text, RouteKind::partner, Forking::one, {{*hop, 1, 1, text}}});
      peers_.push_back({by_srv ? "*." + p.domain : p.edge, p.domain, *index_.realm(p.realm),
                        snapshot::PeerSide::partner, *hop, false});
    }
    return true;
  }

  // Routes of one pattern become one route with a target each.
  bool add_static_routes() {
    std::unordered_map<std::string, size_t> by_pattern;
    by_pattern.reserve(t_.static_routes.size());
    for (size_t i = 0; i < t_.static_routes.size(); ++i) {
      const topo::StaticRoute& r = t_.static_routes[i];
      const std::string path = json::join_path("/static_routes", i);
      auto pattern = topo::normal_pattern(r.pattern, r.type);
      if (!pattern) return lose(path + "/pattern", r.pattern);
      const auto text = writer_.text(path);
      const auto [known, is_new] = by_pattern.emplace(*pattern, routes_.size());
      if (is_new) {
        routes_.push_back(
            {std::move(*pattern),
             text,
             r.type == topo::RouteType::user ? RouteKind::static_user : RouteKind::static_domain,
             r.forking,
             {}});
      }
      if (!add_targets(path, text, r, routes_[known->second].targets)) return false;
    }
    return true;
  }

  // A pool's members keep their order among themselves: behind the priority of the route comes
  // that of the member.
  bool add_targets(const std::string& path, snapshot::Text text, const topo::StaticRoute& r,
                   std::vector<snapshot::Target>& targets) {
    if (r.next_hop) {
      const auto hop = next_hop(path + "/next_hop", *r.next_hop);
      if (hop) insert({*hop, r.priority, r.weight, text}, targets);
      return hop.has_value();
    }
    const auto pool = pools_.find(r.next_hop_pool);
    if (pool == pools_.end()) return lose(path + "/next_hop_pool", r.next_hop_pool);
    for (const snapshot::Target& member : pool->second) {
      const unsigned priority = r.priority + member.priority - 1u;
      insert(
          {member.next_hop, static_cast<uint16_t>(std::min(priority, 65535u)), member.weight, text},
          targets);
    }
    return true;
  }

  // Most routes lead to one of a few pools.
  snapshot::Slice<snapshot::Target> share(const std::vector<snapshot::Target>& targets) {
    if (targets.size() > snapshot::Route::kMostShared) return writer_.slice(targets);
    const std::string key(as_text(std::as_bytes(std::span(targets))));
    const auto [known, is_new] = target_lists_.try_emplace(key);
    if (is_new) known->second = writer_.slice(targets);
    return known->second;
  }

  std::string finish() {
    std::vector<snapshot::Route> routes;
    routes.reserve(routes_.size());
    for (DraftRoute& draft : routes_) {
      for (snapshot::Target& target : draft.targets) {
        if (target.path.at == draft.path.at) target.path = {};
      }
      routes.push_back({writer_.text(draft.pattern), draft.path, share(draft.targets), draft.kind,
                        draft.forking});
    }
    std::ranges::sort(peers_, {},
                      [](const DraftPeer& p) { return std::tuple{p.key(), p.next_hop}; });
    // A member of two pools is associated when one of them is.
    const auto same = [](const DraftPeer& a, const DraftPeer& b) { return a.key() == b.key(); };
    for (size_t i = peers_.size(); i-- > 1;) {
      if (same(peers_[i - 1], peers_[i])) peers_[i - 1].media_edge |= peers_[i].media_edge;
    }
    peers_.erase(std::unique(peers_.begin(), peers_.end(), same), peers_.end());
    std::vector<snapshot::Peer> peers;
    peers.reserve(peers_.size());
    for (const DraftPeer& p : peers_) {
      peers.push_back({writer_.text(p.name), writer_.text(p.domain), p.next_hop, p.realm, p.side,
                       uint8_t{p.media_edge}});
    }
    const bool federates = t_.edge_pool && t_.edge_pool->federation;
    snapshot::Routing root{};
    root.next_hops = writer_.slice(hops_);
    snapshot::write_routes(writer_, std::move(routes), root);
    root.peers = writer_.slice(peers);
    root.federation = federates ? 1 : 0;
    return writer_.finish(root);
  }

  const topo::Topology& t_;
  const NameIndex& index_;
  snapshot::Writer writer_;
  Error error_;
  std::unordered_map<std::string, std::vector<snapshot::Target>> pools_;
  std::unordered_map<std::string, uint32_t> hop_index_;
  std::unordered_map<std::string, snapshot::Slice<snapshot::Target>> target_lists_;
  std::vector<snapshot::NextHop> hops_;
  std::vector<DraftRoute> routes_;
  std::vector<DraftPeer> peers_;
};

}  // namespace

NameIndex::NameIndex(const topo::Topology& topology) {
  uint16_t place = 0;
  for (const topo::Realm& r : topology.realms) realms_.emplace(r.name, place++);
  place = 0;
  for (const topo::TlsContext& c : topology.tls_contexts) contexts_.emplace(c.name, place++);
}

std::optional<uint16_t> NameIndex::realm(std::string_view name) const {
  const auto found = realms_.find(name);
  return found == realms_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint16_t> NameIndex::tls(topo::Transport transport, std::string_view name) const {
  if (transport != topo::Transport::tls) return kNone16;
  const auto found = contexts_.find(name);
  return found == contexts_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::string> compile_routing(const topo::Topology& topology, const NameIndex& index) {
  return RouteCompiler(topology, index).run();
}

}  // namespace fedge::control
