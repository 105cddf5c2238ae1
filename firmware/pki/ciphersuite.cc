#include <mbedtls/ssl_ciphersuites.h>

#include <algorithm>
#include <array>

#include "firmware/pki/library.h"
#include "firmware/pki/tls.h"
#include "firmware/pki/tls_setup.h"

namespace fedge::pki {

namespace {

struct Suite {
  std::string_view name;
  uint16_t number;  // IANA TLS Cipher Suites
};

// Preferred first: forward secrecy and AEAD, then what old peers need (Lync has no elliptic
// curves). By the names operators know from other products.
constexpr std::array kSuites = {
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    Suite{"TLS_AES_128_GCM_SHA256", 0x1301},
    Suite{"TLS_AES_256_GCM_SHA384", 0x1302},
    Suite{"TLS_CHACHA20_POLY1305_SHA256", 0x1303},
#endif
    Suite{"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
    Suite{"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f},
    Suite{"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
    Suite{"ECDHE-RSA-AES256-GCM-SHA384", 0xc030},
    Suite{"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
    Suite{"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8},
    Suite{"DHE-RSA-AES128-GCM-SHA256", 0x009e},
    Suite{"DHE-RSA-AES256-GCM-SHA384", 0x009f},
    Suite{"ECDHE-ECDSA-AES128-SHA256", 0xc023},
    Suite{"ECDHE-RSA-AES128-SHA256", 0xc027},
    Suite{"ECDHE-ECDSA-AES256-SHA384", 0xc024},
    Suite{"ECDHE-RSA-AES256-SHA384", 0xc028},
    Suite{"ECDHE-RSA-AES128-SHA", 0xc013},
    Suite{"ECDHE-RSA-AES256-SHA", 0xc014},
    Suite{"AES128-GCM-SHA256", 0x009c},
    Suite{"AES256-GCM-SHA384", 0x009d},
    Suite{"AES128-SHA256", 0x003c},
    Suite{"AES256-SHA256", 0x003d},
    Suite{"AES128-SHA", 0x002f},
    Suite{"AES256-SHA", 0x0035},
};

}  // namespace

uint16_t ciphersuite_number(std::string_view name) {
  const auto found = std::ranges::find(kSuites, name, &Suite::name);
  return found == kSuites.end() ? 0 : found->number;
}

std::vector<std::string> ciphersuite_names() {
  std::vector<std::string> out;
  for (const Suite& suite : kSuites) {
    if (mbedtls_ssl_ciphersuite_from_id(suite.number) != nullptr) out.emplace_back(suite.name);
  }
  return out;
}

std::string_view ciphersuite_name(uint16_t number) {
  const auto found = std::ranges::find(kSuites, number, &Suite::number);
  return found == kSuites.end() ? std::string_view("unknown") : found->name;
}

}  // namespace fedge::pki
