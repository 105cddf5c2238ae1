// Private keys at rest and on their way: encrypted for one process with AES-256-GCM (random
// nonce, the purpose as additional data). Plain key material lives only in Secret, which wipes
// itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/result.h"

namespace fedge::pki {

inline constexpr size_t kSealingKeySize = 32;

// Bytes that are wiped when they go. Move-only.
class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes);
  // Takes over the memory: no second copy stays behind.
  explicit Secret(std::vector<std::byte>&& bytes) : data_(std::move(bytes)) {}
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();
  Bytes bytes() const { return {data_.data(), data_.size()}; }
  bool empty() const { return data_.empty(); }

 private:
  void wipe();
  std::vector<std::byte> data_;
};

// Overwrites what held key material; the compiler cannot leave it out.
void wipe_memory(MutableBytes bytes);

// Reads a sealing key from the descriptor init passed (a memfd of 32 octets).
Result<Secret> read_sealing_key(int fd);

// A key for `purpose` that follows from `key` and tells nothing about it (HMAC-SHA-256).
Secret derive_key(const Secret& key, std::string_view purpose);

// nonce || ciphertext || tag.
Result<std::string> seal(const Secret& key, std::string_view purpose, Bytes plain);
// Fails on a wrong key, purpose or any changed octet.
Result<Secret> unseal(const Secret& key, std::string_view purpose, Bytes sealed);

// What a key section of a snapshot holds, in clear: the keys of one process's roles.
struct PrivateKey {
  uint64_t id = 0;  // snapshot::Certificate::key
  Secret der;       // PKCS#8 or SEC1 or PKCS#1, DER
};
Result<Secret> encode_keys(const std::vector<PrivateKey>& keys);
Result<std::vector<PrivateKey>> decode_keys(Bytes plain);

}  // namespace fedge::pki
