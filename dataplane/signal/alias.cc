// Connections that a peer made carry our requests to it too (RFC 5923): to the next hop of its own
// authenticated name and no other, for peers that say so (`alias` in the Via) over mutual TLS.
#include <algorithm>
#include <iterator>
#include <vector>

#include "dataplane/signal/worker.h"

namespace fedge::signal {

namespace {

// What the peer was checked by when it came is what it would be checked by if we called.
bool same_trust(const Generation& g, uint16_t a, uint16_t b) {
  if (a == snapshot::kNone16 || b == snapshot::kNone16) return false;
  const auto contexts = g.tls.items(g.tls.root().contexts);
  return a == b || std::ranges::equal(
                       g.tls.items(contexts[a].trust), g.tls.items(contexts[b].trust), {},
                       [&](snapshot::Text t) { return g.tls.text(t); },
                       [&](snapshot::Text t) { return g.tls.text(t); });
}

}  // namespace

// The names that we would look for in its certificate are in it, and it came from where it lives.
bool Worker::may_be_alias(const Connection& connection, const Trunk& trunk) const {
  if (connection.listener == snapshot::kNone16 || !connection.uses_tls() ||
      trunk.transport != snapshot::Transport::tls || trunk.realm != connection.realm) {
    return false;
  }
  const snapshot::Listener& listener = generation_->listener_list()[connection.listener];
  if (!same_trust(*generation_, listener.tls_context, trunk.tls_context)) return false;
  const auto& names = connection.tls->peer_names();
  const auto has = [&](const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (trunk.name.lookup != snapshot::Lookup::srv) return has(trunk.host);
  return std::ranges::any_of(trunk.targets, [&](const auto& t) { return has(t.host); });
}

// A request with `alias` has come.
void Worker::offer_alias(Connection& connection) {
  if (connection.dialled() || connection.alias_of != nullptr) return;
  const snapshot::Peer* const peer = connection.peer;
  if (peer == nullptr || !connection.uses_tls()) {
    connection.alias_refused = true;
    return;
  }
  Trunk& trunk = trunk_of(peer->next_hop);
  if (trunk.is_resolving() || trunk.size() == kMostConnections) return;
  if (!may_be_alias(connection, trunk)) {
    connection.alias_refused = true;
    return;
  }
  (void)trunk.add(connection);
  connection.alias_of = &trunk;
}

// After a publish, or when the next hop's name leads elsewhere.
void Worker::check_alias(Connection& connection) {
  Trunk* const trunk = connection.alias_of;
  if (connection.peer_known_in != epoch_) identify(connection);
  if (connection.peer == nullptr || &trunk_of(connection.peer->next_hop) != trunk ||
      !may_be_alias(connection, *trunk)) {
    drop_alias(connection);
  }
}

void Worker::check_aliases() {
  std::vector<Connection*> aliases;
  for (const auto& trunk : trunks_.all()) {
    std::ranges::copy_if(trunk->connections, std::back_inserter(aliases),
                         [](const Connection* c) { return c != nullptr && !c->dialled(); });
  }
  for (Connection* connection : aliases) check_alias(*connection);
}

void Worker::drop_alias(Connection& connection) {
  if (connection.alias_of == nullptr) return;
  connection.alias_of->remove(connection);
  connection.alias_of = nullptr;
}

}  // namespace fedge::signal
