// What a parsed certificate says, as text. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include "firmware/pki/certificate.h"
#include "firmware/pki/library.h"

namespace fedge::pki {

// RFC 4514: the last relative name first, special characters escaped.
std::string name_text(const mbedtls_x509_name& name);
// The last CN of the subject, as it stands; empty when there is none.
std::string common_name_of(const mbedtls_x509_crt& certificate);

struct AlternativeNames {
  std::vector<std::string> dns_names;  // lower case
  std::vector<std::string> uris;
  std::vector<std::string> addresses;
  bool present = false;  // the extension is there with any name
};
AlternativeNames alternative_names_of(const mbedtls_x509_crt& certificate);

// The names a peer goes by: SAN dNSNames, or the CN when there is no SAN; lower case.
std::vector<std::string> peer_names_of(const mbedtls_x509_crt& certificate);

CertificateInfo describe(const mbedtls_x509_crt& certificate);

}  // namespace fedge::pki
