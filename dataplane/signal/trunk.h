// The connections to next hops: one trunk per next hop, that is per host, addresses, realm,
// transport and TLS context, with up to four connections. Trunks live over publishes; one that a
// publish no longer has takes no new request and closes when nothing is awaited on it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dataplane/signal/connection.h"
#include "dataplane/signal/directory.h"
#include "dataplane/signal/generation.h"
#include "dataplane/signal/hop_name.h"

namespace fedge::signal {

// Towards one federation partner (OutgoingTlsCountForFederatedPartners) and, alike, any next hop.
inline constexpr size_t kMostConnections = 4;

struct Trunk {
  std::string host;
  HopName name;                        // what is looked up; its lookup is none when nothing is
  std::shared_ptr<const Found> found;  // what that led to; null as long as that is not known
  std::vector<resolve::Target> targets;
  std::string realm_name;
  std::string context_name;  // empty over plain TCP
  snapshot::Transport transport = snapshot::Transport::tls;
  // Indices into the generation in use; kNone16 when it has this trunk no more.
  uint16_t realm = snapshot::kNone16;
  uint16_t tls_context = snapshot::kNone16;

  std::array<Connection*, kMostConnections> connections{};  // dialled ones and aliases
  std::vector<std::pair<Endpoint, Instant>> avoided;        // tried last until then: they failed
  Instant down_until{};                                     // after a failure, no attempt before
  bool reported_down = false;
  bool is_wanted = false;  // the directory was asked since the last publish

  bool listed() const { return realm != snapshot::kNone16; }
  bool looked_up() const { return name.lookup != snapshot::Lookup::none; }
  bool is_resolving() const { return looked_up() && found == nullptr; }
  size_t size() const;
  bool add(Connection& connection);
  void remove(Connection& connection);
  // The open connection with the least waiting: of those dialled, else of those that the peer
  // made (aliases); else one being made, else one that is retiring. Null when there is none.
  Connection* choose() const;

  // Where a new connection is tried, in order: listed addresses as they are listed, those found by
  // name drawn anew by priority and weight, and last what failed a moment ago.
  std::vector<resolve::Target> order(resolve::RandomSource& random, Instant now);
  void avoid(const Endpoint& endpoint, Instant until);
  void welcome(const Endpoint& endpoint);
  bool has_target(const Endpoint& endpoint) const;
};

class TrunkSet {
 public:
  // After a publish: which trunks it still has.
  void use(const Generation& generation);
  // The trunk of a next hop of the generation in use, made at its first use.
  Trunk& find(uint32_t next_hop);
  std::span<const std::unique_ptr<Trunk>> all() const { return trunks_; }
  // Those that a name was looked up for.
  std::vector<Trunk*> find_named(const HopName& name) const;
  // Trunks without connections that the generation in use has not.
  void drop_unused();

 private:
  bool matches(const Trunk& trunk, const snapshot::NextHop& next_hop) const;
  Trunk* lookup(const snapshot::NextHop& next_hop) const;
  void adopt(Trunk& trunk, const snapshot::NextHop& next_hop);
  std::unique_ptr<Trunk> make(const snapshot::NextHop& next_hop) const;

  const Generation* generation_ = nullptr;
  std::vector<Trunk*> by_next_hop_;  // null until first used
  std::vector<std::unique_ptr<Trunk>> trunks_;
  // Looked up by views: a publish asks for every next hop.
  struct HostHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_multimap<std::string, Trunk*, HostHash, std::equal_to<>> by_host_;
};

}  // namespace fedge::signal
