#include "dataplane/sip/nonces.h"

#include <cstring>

#include "firmware/pki/digest.h"

namespace fedge::sip {

namespace {

template <class T>
Bytes octets_of(const T& number) {
  return std::as_bytes(std::span(&number, 1));
}

pki::DigestValue derive(uint64_t secret, std::string_view use) {
  pki::Hmac hmac(pki::Hash::sha256);
  hmac.set_key(octets_of(secret));
  return hmac.compute({as_bytes(use)});
}

}  // namespace

uint64_t derive_seed(uint64_t secret, std::string_view use) {
  uint64_t seed;
  std::memcpy(&seed, derive(secret, use).bytes().data(), sizeof seed);
  return seed;
}

Nonces::Nonces(uint64_t secret, uint32_t stream)
    : cmac_(Bytes(derive(secret, "nonces").bytes()).first<pki::Cmac::kKeySize>()),
      stream_(stream) {}

uint64_t Nonces::next() {
  if (++count_ % 2 == 0) return second_;
  const pki::Cmac::Code code = cmac_.compute({octets_of(stream_), octets_of(count_)});
  uint64_t first;
  std::memcpy(&first, code.data(), sizeof first);
  std::memcpy(&second_, code.data() + sizeof first, sizeof second_);
  return first;
}

}  // namespace fedge::sip
