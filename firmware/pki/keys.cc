// The plain contents of a key section: a count, then for each key its id, its size and its DER,
// numbers little-endian. Only ever kept in a Secret.
#include <cstring>

#include "firmware/pki/seal.h"

namespace fedge::pki {

namespace {

constexpr size_t kMostKeys = 4096;
constexpr size_t kMostKeySize = 16 * 1024;

template <class T>
void put(std::vector<std::byte>& out, T value) {
  const auto* p = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), p, p + sizeof value);
}

template <class T>
bool take(Bytes& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in = in.subspan(sizeof value);
  return true;
}

}  // namespace

Result<Secret> encode_keys(const std::vector<PrivateKey>& keys) {
  if (keys.size() > kMostKeys) return fail("private keys", "are more than 4096");
  size_t size = sizeof(uint32_t);
  for (const PrivateKey& key : keys) {
    if (key.der.bytes().size() > kMostKeySize) return fail("private keys", "one is over 16 kB");
    size += sizeof(uint64_t) + sizeof(uint32_t) + key.der.bytes().size();
  }
  std::vector<std::byte> out;
  out.reserve(size);  // so that no unwiped copy is left by growing
  put(out, static_cast<uint32_t>(keys.size()));
  for (const PrivateKey& key : keys) {
    put(out, key.id);
    put(out, static_cast<uint32_t>(key.der.bytes().size()));
    out.insert(out.end(), key.der.bytes().begin(), key.der.bytes().end());
  }
  return Secret(std::move(out));
}

Result<std::vector<PrivateKey>> decode_keys(Bytes plain) {
  const auto damaged = [] { return fail("private keys", "the key section is damaged"); };
  uint32_t count = 0;
  if (!take(plain, count) || count > kMostKeys) return damaged();
  std::vector<PrivateKey> keys(count);
  for (PrivateKey& key : keys) {
    uint32_t size = 0;
    if (!take(plain, key.id) || !take(plain, size) || size > plain.size()) return damaged();
    key.der = Secret(plain.first(size));
    plain = plain.subspan(size);
  }
  if (!plain.empty()) return damaged();
  return keys;
}

}  // namespace fedge::pki
