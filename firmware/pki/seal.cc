#include "firmware/pki/seal.h"

#include <mbedtls/gcm.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "firmware/pki/digest.h"
#include "firmware/pki/library.h"

namespace fedge::pki {

namespace {

constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;

// An AES-256-GCM context with its key set, wiped when it goes.
class Cipher {
 public:
  Cipher() { mbedtls_gcm_init(&context_); }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher() { mbedtls_gcm_free(&context_); }
  Status set_key(const Secret& key) {
    if (key.bytes().size() != kSealingKeySize) {
      return fail("sealing key", "has " + std::to_string(key.bytes().size()) + " octets, not 32");
    }
    const int code = mbedtls_gcm_setkey(&context_, MBEDTLS_CIPHER_ID_AES,
                                        library::octets(key.bytes()), kSealingKeySize * 8);
    if (code != 0) return fail("sealing key", library::error_text(code));
    return {};
  }
  mbedtls_gcm_context* get() { return &context_; }

 private:
  mbedtls_gcm_context context_;
};

}  // namespace

void wipe_memory(MutableBytes bytes) { ::explicit_bzero(bytes.data(), bytes.size()); }

Secret::Secret(Bytes bytes) : data_(bytes.begin(), bytes.end()) {}

Secret::Secret(Secret&& other) noexcept : data_(std::move(other.data_)) { other.data_.clear(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::move(other.data_);
    other.data_.clear();
  }
  return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() {
  if (!data_.empty()) wipe_memory(data_);
}

Result<Secret> read_sealing_key(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("sealing key", "cannot look at its descriptor");
  if (info.st_size != static_cast<off_t>(kSealingKeySize)) {
    return fail("sealing key", "has " + std::to_string(info.st_size) + " octets, not 32");
  }
  std::vector<std::byte> bytes(kSealingKeySize);
  if (::pread(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(kSealingKeySize)) {
    return fail_errno("sealing key", "cannot read it");
  }
  return Secret(std::move(bytes));
}

Secret derive_key(const Secret& key, std::string_view purpose) {
  Hmac hmac(Hash::sha256);
  hmac.set_key(key.bytes());
  DigestValue derived = hmac.compute({as_bytes(purpose)});
  Secret secret{Bytes(derived.bytes())};
  wipe_memory(derived.bytes());
  return secret;
}

Result<std::string> seal(const Secret& key, std::string_view purpose, Bytes plain) {
  Cipher cipher;
  if (auto ready = cipher.set_key(key); !ready) return std::unexpected(ready.error());
  std::string out(kNonceSize + plain.size() + kTagSize, '\0');
  auto* nonce = reinterpret_cast<unsigned char*>(out.data());
  if (library::random_bytes(nullptr, nonce, kNonceSize) != 0) {
    return fail_errno("sealing", "the kernel gives no random octets");
  }
  const int code = mbedtls_gcm_crypt_and_tag(
      cipher.get(), MBEDTLS_GCM_ENCRYPT, plain.size(), nonce, kNonceSize,
      library::octets(as_bytes(purpose)), purpose.size(), library::octets(plain),
      nonce + kNonceSize, kTagSize, nonce + kNonceSize + plain.size());
  if (code != 0) return fail("sealing", library::error_text(code));
  return out;
}

Result<Secret> unseal(const Secret& key, std::string_view purpose, Bytes sealed) {
  if (sealed.size() < kNonceSize + kTagSize) {
    return fail("sealed keys", "are too short to be whole", "publish again to write them anew");
  }
  Cipher cipher;
  if (auto ready = cipher.set_key(key); !ready) return std::unexpected(ready.error());
  const auto* nonce = library::octets(sealed);
  const size_t size = sealed.size() - kNonceSize - kTagSize;
  std::vector<std::byte> plain(size);
  const int code = mbedtls_gcm_auth_decrypt(cipher.get(), size, nonce, kNonceSize,
                                            library::octets(as_bytes(purpose)), purpose.size(),
                                            nonce + kNonceSize + size, kTagSize, nonce + kNonceSize,
                                            reinterpret_cast<unsigned char*>(plain.data()));
  if (code != 0) {
    return fail("sealed keys", "do not open with this sealing key, or were changed",
                "publish again to seal them anew");
  }
  return Secret(std::move(plain));
}

}  // namespace fedge::pki
