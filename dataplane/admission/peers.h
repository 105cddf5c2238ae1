// The peers that signal has announced: connections it made or accepted. The control thread
// writes, the worker reads while it forwards.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "dataplane/admission/shared_table.h"
#include "dataplane/admission/verdict.h"
#include "firmware/net/address.h"

namespace fedge::admission {

// An address in a realm (and a port), as words of a SharedTable's key.
std::array<uint64_t, 3> table_key(uint16_t realm, const Endpoint& endpoint);
uint16_t realm_of_key(const std::array<uint64_t, 3>& key);

class Peers {
 public:
  static constexpr size_t kMost = 24'000;

  explicit Peers(uint64_t seed) : table_(kMost, seed) {}

  // False when there is no room: the peer stays what its address says.
  bool connect(uint16_t realm, const Endpoint& remote, bool trusted);
  void disconnect(uint16_t realm, const Endpoint& remote);
  // The announcer is gone, and with it what it said.
  void clear();
  // Realm i is now realm realms[i]; peers in one that is kNoRealm are forgotten.
  void renumber(std::span<const uint16_t> realms);
  size_t size() const { return connections_; }

  // Any thread. With port 0: whether anybody at that address is connected.
  PeerClass find(uint16_t realm, const Endpoint& remote) const;

 private:
  void add_address(uint16_t realm, const IpAddress& address, uint32_t connections);

  // Connections, and their addresses with port 0.
  SharedTable<3, 1> table_;
  std::map<std::pair<uint16_t, IpAddress>, uint32_t> addresses_;  // connections of each
  size_t connections_ = 0;
};

}  // namespace fedge::admission
