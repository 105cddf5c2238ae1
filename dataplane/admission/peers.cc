#include "dataplane/admission/peers.h"

#include <cstring>

namespace fedge::admission {

std::array<uint64_t, 3> table_key(uint16_t realm, const Endpoint& endpoint) {
  std::array<uint64_t, 3> key{};
  std::memcpy(key.data(), endpoint.address.octets.data(), endpoint.address.octets.size());
  // The family is never zero, so a key never is.
  key[2] = uint64_t{realm} << 32 | uint64_t{endpoint.address.family} << 16 | endpoint.port;
  return key;
}

uint16_t realm_of_key(const std::array<uint64_t, 3>& key) {
  return static_cast<uint16_t>(key[2] >> 32);
}

bool Peers::connect(uint16_t realm, const Endpoint& remote, bool trusted) {
  const auto as = trusted ? PeerClass::trusted : PeerClass::known;
  return table_.put(table_key(realm, remote), {static_cast<uint64_t>(as)});
}

void Peers::disconnect(uint16_t realm, const Endpoint& remote) {
  table_.erase(table_key(realm, remote));
}

void Peers::clear() {
  table_.erase_if([](const auto&, const auto&) { return true; });
}

PeerClass Peers::find(uint16_t realm, const Endpoint& remote) const {
  const auto found = table_.find(table_key(realm, remote));
  return found ? static_cast<PeerClass>((*found)[0]) : PeerClass::stranger;
}

}  // namespace fedge::admission
