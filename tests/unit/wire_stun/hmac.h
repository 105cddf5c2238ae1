// HMAC for tests, from the library itself: firmware/wire may not use firmware/pki.
#pragma once

#include <mbedtls/md.h>

#include <string>
#include <string_view>

#include "firmware/wire/stun/integrity.h"

namespace fedge::stun::test {

inline std::string digest(mbedtls_md_type_t type, std::string_view text) {
  const auto* info = mbedtls_md_info_from_type(type);
  std::string out(mbedtls_md_get_size(info), '\0');
  mbedtls_md(info, reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

inline std::string hmac(mbedtls_md_type_t type, std::string_view key, const Covered& covered) {
  std::string text;
  for (const Bytes part : covered.parts()) text += as_text(part);
  const auto* info = mbedtls_md_info_from_type(type);
  std::string out(mbedtls_md_get_size(info), '\0');
  mbedtls_md_hmac(info, reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                  reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                  reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

// RFC 8489 section 9.2.2.
inline std::string long_term_key(mbedtls_md_type_t type, const std::string& user,
                                 const std::string& realm, const std::string& password) {
  return digest(type, user + ':' + realm + ':' + password);
}

}  // namespace fedge::stun::test
