#include "dataplane/admission/peers.h"

#include <cstring>
#include <utility>
#include <vector>

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
  const size_t before = table_.size();
  if (!table_.put(table_key(realm, remote), {static_cast<uint64_t>(as)})) return false;
  if (table_.size() != before) add_address(realm, remote.address, 1);
  return true;
}

void Peers::add_address(uint16_t realm, const IpAddress& address, uint32_t connections) {
  addresses_[{realm, address}] += connections;
  connections_ += connections;
  (void)table_.put(table_key(realm, {address, 0}), {static_cast<uint64_t>(PeerClass::known)});
}

void Peers::disconnect(uint16_t realm, const Endpoint& remote) {
  if (!table_.erase(table_key(realm, remote))) return;
  --connections_;
  const auto address = addresses_.find({realm, remote.address});
  if (--address->second != 0) return;
  addresses_.erase(address);
  table_.erase(table_key(realm, {remote.address, 0}));
}

void Peers::clear() {
  table_.erase_if([](const auto&, const auto&) { return true; });
  addresses_.clear();
  connections_ = 0;
}

void Peers::renumber(std::span<const uint16_t> realms) {
  constexpr uint64_t kRealmBits = uint64_t{0xffff} << 32;
  const auto place = [&](uint16_t realm) {
    return realm < realms.size() ? realms[realm] : kNoRealm;
  };
  std::vector<std::pair<decltype(table_)::Key, decltype(table_)::Value>> moved;
  table_.erase_if([&](const auto& key, const auto& value) {
    const uint16_t before = realm_of_key(key);
    const uint16_t after = place(before);
    if (after == before) return false;
    if (after == kNoRealm) return true;
    moved.emplace_back(key, value);
    moved.back().first[2] = (key[2] & ~kRealmBits) | uint64_t{after} << 32;
    return true;
  });
  for (const auto& [key, value] : moved) table_.put(key, value);
  connections_ = 0;
  for (const auto& [at, count] : std::exchange(addresses_, {})) {
    if (place(at.first) != kNoRealm) add_address(place(at.first), at.second, count);
  }
}

PeerClass Peers::find(uint16_t realm, const Endpoint& remote) const {
  const auto found = table_.find(table_key(realm, remote));
  return found ? static_cast<PeerClass>((*found)[0]) : PeerClass::stranger;
}

}  // namespace fedge::admission
