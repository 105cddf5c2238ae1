#include "firmware/pki/digest.h"

#include <mbedtls/md.h>

#include <cstdlib>
#include <utility>

namespace fedge::pki {

namespace library {

static mbedtls_md_type_t type_of(Hash hash) {
  switch (hash) {
    case Hash::md5:
      return MBEDTLS_MD_MD5;
    case Hash::sha1:
      return MBEDTLS_MD_SHA1;
    case Hash::sha256:
      break;
  }
  return MBEDTLS_MD_SHA256;
}

static const unsigned char* octets_of(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// mbedTLS's context, set up once: that is where it allocates. Its calls fail only for want of
// memory or when misused, which is a fault of the program.
class MessageDigest {
 public:
  enum class Keyed : bool { no, yes };
  MessageDigest(Hash hash, Keyed keyed) {
    mbedtls_md_init(&context_);
    const auto* info = mbedtls_md_info_from_type(type_of(hash));
    must(mbedtls_md_setup(&context_, info, keyed == Keyed::yes ? 1 : 0));
  }
  MessageDigest(const MessageDigest&) = delete;
  MessageDigest& operator=(const MessageDigest&) = delete;
  ~MessageDigest() { mbedtls_md_free(&context_); }

  mbedtls_md_context_t* get() { return &context_; }
  static void must(int code) {
    if (code != 0) std::abort();
  }

 private:
  mbedtls_md_context_t context_;
};

}  // namespace library

using library::MessageDigest;
using library::octets_of;

Digest::Digest(Hash hash)
    : hash_(hash), digest_(std::make_unique<MessageDigest>(hash, MessageDigest::Keyed::no)) {}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

DigestValue Digest::compute(Parts parts) {
  DigestValue value(hash_);
  MessageDigest::must(mbedtls_md_starts(digest_->get()));
  for (const Bytes part : parts)
    MessageDigest::must(mbedtls_md_update(digest_->get(), octets_of(part), part.size()));
  MessageDigest::must(
      mbedtls_md_finish(digest_->get(), reinterpret_cast<unsigned char*>(value.bytes().data())));
  return value;
}

Hmac::Hmac(Hash hash)
    : hash_(hash), digest_(std::make_unique<MessageDigest>(hash, MessageDigest::Keyed::yes)) {
  set_key({});
}
Hmac::Hmac(Hmac&&) noexcept = default;
Hmac& Hmac::operator=(Hmac&&) noexcept = default;
Hmac::~Hmac() = default;

void Hmac::set_key(Bytes key) {
  MessageDigest::must(mbedtls_md_hmac_starts(digest_->get(), octets_of(key), key.size()));
}

DigestValue Hmac::compute(Parts parts) {
  DigestValue value(hash_);
  MessageDigest::must(mbedtls_md_hmac_reset(digest_->get()));
  for (const Bytes part : parts)
    MessageDigest::must(mbedtls_md_hmac_update(digest_->get(), octets_of(part), part.size()));
  MessageDigest::must(mbedtls_md_hmac_finish(
      digest_->get(), reinterpret_cast<unsigned char*>(value.bytes().data())));
  return value;
}

bool are_equal_secretly(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i)
    difference = static_cast<uint8_t>(difference | std::to_integer<uint8_t>(a[i] ^ b[i]));
  return difference == 0;
}

}  // namespace fedge::pki
