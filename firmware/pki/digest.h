// Digests and message authentication codes for data paths: the objects allocate when they are
// made, computing does not. One object belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

#include "firmware/base/bytes.h"

namespace fedge::pki {

// MD5 and SHA-1 only where a protocol prescribes them (STUN, RFC 8489 sections 9.2.2 and 14.5).
enum class Hash : uint8_t { md5, sha1, sha256 };
inline constexpr size_t kLargestDigest = 32;
constexpr size_t size_of(Hash hash) {
  return hash == Hash::md5 ? 16 : hash == Hash::sha1 ? 20 : kLargestDigest;
}

// A digest or a code, 16, 20 or 32 octets by its hash.
class DigestValue {
 public:
  DigestValue() = default;
  explicit DigestValue(Hash hash) : size_(static_cast<uint8_t>(size_of(hash))) {}
  Bytes bytes() const { return {octets_.data(), size_}; }
  MutableBytes bytes() { return {octets_.data(), size_}; }

 private:
  std::array<std::byte, kLargestDigest> octets_{};
  uint8_t size_ = 0;
};

namespace library {
class MessageDigest;
}

// Over parts, one behind the other, as if they were one text.
using Parts = std::span<const Bytes>;

class Digest {
 public:
  explicit Digest(Hash hash);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();
  DigestValue compute(Parts parts);
  DigestValue compute(std::initializer_list<Bytes> parts) {
    return compute(Parts(parts.begin(), parts.size()));
  }

 private:
  Hash hash_;
  std::unique_ptr<library::MessageDigest> digest_;
};

// HMAC (RFC 2104). The key stays until the next set_key(); before the first one it is empty.
class Hmac {
 public:
  explicit Hmac(Hash hash);
  Hmac(Hmac&&) noexcept;
  Hmac& operator=(Hmac&&) noexcept;
  ~Hmac();
  void set_key(Bytes key);
  DigestValue compute(Parts parts);
  DigestValue compute(std::initializer_list<Bytes> parts) {
    return compute(Parts(parts.begin(), parts.size()));
  }

 private:
  Hash hash_;
  std::unique_ptr<library::MessageDigest> digest_;
};

// Takes as long for unequal octets as for equal ones. Lengths are no secret: unequal lengths are
// unequal. For comparing codes.
bool are_equal_secretly(Bytes a, Bytes b);

}  // namespace fedge::pki
