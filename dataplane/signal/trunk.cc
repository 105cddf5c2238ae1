#include "dataplane/signal/trunk.h"

#include <algorithm>

#include "dataplane/signal/output.h"

namespace fedge::signal {

size_t Trunk::size() const {
  return connections.size() -
         static_cast<size_t>(std::ranges::count(connections, static_cast<Connection*>(nullptr)));
}

bool Trunk::add(Connection& connection) {
  const auto it = std::ranges::find(connections, static_cast<Connection*>(nullptr));
  if (it == connections.end()) return false;
  *it = &connection;
  return true;
}

void Trunk::remove(Connection& connection) {
  const auto it = std::ranges::find(connections, &connection);
  if (it != connections.end()) *it = nullptr;
}

Connection* Trunk::choose() const {
  const auto rank = [](const Connection& c) {
    if (c.retiring) return 0;
    if (c.state != ConnectionState::open) return 1;
    return c.dialled() ? 3 : 2;
  };
  Connection* best = nullptr;
  int best_rank = -1;
  for (Connection* c : connections) {
    if (c == nullptr) continue;
    const int r = rank(*c);
    if (r > best_rank || (r == best_rank && Output::waiting(*c) < Output::waiting(*best))) {
      best = c;
      best_rank = r;
    }
  }
  return best;
}

std::vector<resolve::Target> Trunk::order(resolve::RandomSource& random, Instant now) {
  auto ordered = looked_up() ? resolve::order_targets(targets, random) : targets;
  std::erase_if(avoided, [&](const auto& entry) { return now >= entry.second; });
  std::vector<resolve::Target> last;
  std::erase_if(ordered, [&](const resolve::Target& target) {
    const bool is_avoided = std::ranges::any_of(
        avoided, [&](const auto& entry) { return entry.first == target.endpoint; });
    if (is_avoided) last.push_back(target);
    return is_avoided;
  });
  ordered.insert(ordered.end(), last.begin(), last.end());
  return ordered;
}

void Trunk::avoid(const Endpoint& endpoint, Instant until) {
  welcome(endpoint);
  if (has_target(endpoint)) avoided.emplace_back(endpoint, until);
}

void Trunk::welcome(const Endpoint& endpoint) {
  std::erase_if(avoided, [&](const auto& entry) { return entry.first == endpoint; });
}

bool Trunk::has_target(const Endpoint& endpoint) const {
  return std::ranges::find(targets, endpoint, &resolve::Target::endpoint) != targets.end();
}

bool TrunkSet::matches(const Trunk& trunk, const snapshot::NextHop& next_hop) const {
  const Generation& g = *generation_;
  if (trunk.host != g.routing.text(next_hop.host) || trunk.transport != next_hop.transport ||
      trunk.realm_name != g.realm_name(next_hop.realm) || trunk.name.lookup != next_hop.lookup) {
    return false;
  }
  const bool same_place =
      trunk.looked_up() ? trunk.name == name_of(g, next_hop)
                        : std::ranges::equal(trunk.targets, g.routing.items(next_hop.endpoints), {},
                                             &resolve::Target::endpoint);
  if (!same_place) return false;
  if (next_hop.tls_context == snapshot::kNone16) return trunk.context_name.empty();
  const auto contexts = g.tls.items(g.tls.root().contexts);
  return trunk.context_name == g.tls.text(contexts[next_hop.tls_context].name);
}

void TrunkSet::adopt(Trunk& trunk, const snapshot::NextHop& next_hop) {
  trunk.realm = next_hop.realm;
  trunk.tls_context = next_hop.tls_context;
}

void TrunkSet::use(const Generation& generation) {
  generation_ = &generation;
  const auto next_hops = generation.next_hops();
  by_next_hop_.assign(next_hops.size(), nullptr);
  for (const auto& trunk : trunks_) trunk->realm = trunk->tls_context = snapshot::kNone16;
  if (trunks_.empty()) return;
  for (uint32_t i = 0; i < next_hops.size(); ++i) {
    by_next_hop_[i] = lookup(next_hops[i]);
    if (by_next_hop_[i] != nullptr) adopt(*by_next_hop_[i], next_hops[i]);
  }
}

Trunk* TrunkSet::lookup(const snapshot::NextHop& next_hop) const {
  const auto [first, last] = by_host_.equal_range(generation_->routing.text(next_hop.host));
  for (auto it = first; it != last; ++it) {
    if (matches(*it->second, next_hop)) return it->second;
  }
  return nullptr;
}

Trunk& TrunkSet::find(uint32_t next_hop) {
  Trunk*& known = by_next_hop_[next_hop];
  if (known != nullptr) return *known;
  const snapshot::NextHop& record = generation_->next_hops()[next_hop];
  known = lookup(record);
  if (known == nullptr) {
    trunks_.push_back(make(record));
    known = trunks_.back().get();
    by_host_.emplace(known->host, known);
  }
  adopt(*known, record);
  return *known;
}

std::unique_ptr<Trunk> TrunkSet::make(const snapshot::NextHop& record) const {
  auto trunk = std::make_unique<Trunk>();
  const Generation& g = *generation_;
  trunk->host = g.routing.text(record.host);
  trunk->name = name_of(g, record);
  for (const Endpoint& endpoint : g.routing.items(record.endpoints)) {
    trunk->targets.push_back({endpoint, trunk->host});
  }
  trunk->realm_name = g.realm_name(record.realm);
  if (record.tls_context != snapshot::kNone16) {
    trunk->context_name = g.tls.text(g.tls.items(g.tls.root().contexts)[record.tls_context].name);
  }
  trunk->transport = record.transport;
  return trunk;
}

std::vector<Trunk*> TrunkSet::find_named(const HopName& name) const {
  std::vector<Trunk*> found;
  const auto [first, last] = by_host_.equal_range(name.host);
  for (auto it = first; it != last; ++it) {
    if (it->second->name == name) found.push_back(it->second);
  }
  return found;
}

void TrunkSet::drop_unused() {
  const auto unused = [](const Trunk& t) { return !t.listed() && t.size() == 0; };
  std::erase_if(by_host_, [&](const auto& entry) { return unused(*entry.second); });
  std::erase_if(trunks_, [&](const auto& trunk) { return unused(*trunk); });
}

}  // namespace fedge::signal
