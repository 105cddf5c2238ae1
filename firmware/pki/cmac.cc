#include "firmware/pki/cmac.h"

#include <mbedtls/cipher.h>
#include <mbedtls/cmac.h>

#include <cstdlib>

#include "firmware/pki/library.h"

namespace fedge::pki {

struct Cmac::Context {
  mbedtls_cipher_context_t cipher;
};

namespace {

// Its calls fail only for want of memory or when misused, which is a fault of the program.
void must(int code) {
  if (code != 0) std::abort();
}

}  // namespace

Cmac::Cmac(std::span<const std::byte, kKeySize> key) : context_(std::make_unique<Context>()) {
  mbedtls_cipher_context_t* const cipher = &context_->cipher;
  mbedtls_cipher_init(cipher);
  must(mbedtls_cipher_setup(cipher, mbedtls_cipher_info_from_type(MBEDTLS_CIPHER_AES_128_ECB)));
  must(mbedtls_cipher_cmac_starts(cipher, library::octets(key), kKeySize * 8));
}

Cmac::~Cmac() { mbedtls_cipher_free(&context_->cipher); }

Cmac::Code Cmac::compute(std::initializer_list<Bytes> parts) {
  Code code;
  mbedtls_cipher_context_t* const cipher = &context_->cipher;
  must(mbedtls_cipher_cmac_reset(cipher));
  for (const Bytes part : parts) {
    if (part.empty()) continue;
    must(mbedtls_cipher_cmac_update(cipher, library::octets(part), part.size()));
  }
  must(mbedtls_cipher_cmac_finish(cipher, reinterpret_cast<unsigned char*>(code.data())));
  return code;
}

}  // namespace fedge::pki
