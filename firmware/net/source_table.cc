#include "firmware/net/source_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace fedge {

namespace {

uint64_t hash_of(uint16_t realm, const IpAddress& key) {
  uint64_t high;
  std::memcpy(&high, key.octets.data(), sizeof high);
  uint64_t h = (high ^ (uint64_t{realm} << 48) ^ key.family) * 0x9e3779b97f4a7c15U;
  h ^= h >> 29;
  h *= 0xbf58476d1ce4e5b9U;
  return h ^ (h >> 32);
}

}  // namespace

IpAddress source_of(const IpAddress& address) {
  IpAddress key = address;
  if (key.is_v6()) std::fill(key.octets.begin() + 8, key.octets.end(), uint8_t{0});
  return key;
}

SourceTable::SourceTable(uint32_t most) { grow(most); }

void SourceTable::grow(uint32_t most) {
  const size_t wanted = std::bit_ceil(size_t{most} * 2 + 2);
  if (wanted <= slots_.size()) return;
  const std::vector<Source> before = std::exchange(slots_, std::vector<Source>(wanted));
  for (const Source& source : before) {
    if (source.address) slots_[slot_of(source.realm, source.address)] = source;
  }
}

size_t SourceTable::slot_of(uint16_t realm, const IpAddress& key) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_of(realm, key) & mask;
  while (slots_[slot].address && !(slots_[slot].realm == realm && slots_[slot].address == key)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

uint32_t SourceTable::connections(uint16_t realm, const IpAddress& address) const {
  return slots_[slot_of(realm, source_of(address))].connections;
}

bool SourceTable::add(uint16_t realm, const IpAddress& address) {
  const IpAddress key = source_of(address);
  Source& source = slots_[slot_of(realm, key)];
  if (!source.address) {
    if (used_ * 2 >= slots_.size()) return false;
    source = {.address = key, .realm = realm};
    ++used_;
  }
  ++source.connections;
  return true;
}

void SourceTable::remove(uint16_t realm, const IpAddress& address) {
  const size_t slot = slot_of(realm, source_of(address));
  if (slots_[slot].connections == 0) return;
  --slots_[slot].connections;
  if (slots_[slot].connections == 0) erase(slot);
}

// Moves later entries of the probe run back, so that no mark of deletion is needed.
void SourceTable::erase(size_t slot) {
  const size_t mask = slots_.size() - 1;
  --used_;
  size_t hole = slot;
  for (size_t at = (hole + 1) & mask; slots_[at].address; at = (at + 1) & mask) {
    const size_t home = hash_of(slots_[at].realm, slots_[at].address) & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      slots_[hole] = slots_[at];
      hole = at;
    }
  }
  slots_[hole] = {};
}

}  // namespace fedge
