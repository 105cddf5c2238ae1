// The peers that signal has announced: connections it made or accepted. The control thread
// writes, the worker reads while it forwards.
#pragma once

#include <cstdint>
#include <span>

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
  size_t size() const { return table_.size(); }

  // Any thread.
  PeerClass find(uint16_t realm, const Endpoint& remote) const;

 private:
  SharedTable<3, 1> table_;
};

}  // namespace fedge::admission
