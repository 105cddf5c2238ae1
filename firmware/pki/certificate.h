// Certificates and keys as the operator brings them: reading, checking that they can work, and
// what they say. Control's side; nothing here is on a handshake's path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/result.h"
#include "firmware/base/time.h"
#include "firmware/pki/seal.h"

namespace fedge::pki {

struct CertificateInfo {
  std::string subject;      // RFC 4514 text
  std::string common_name;  // empty when there is none
  std::string issuer;
  std::string serial;                  // hex
  std::string sha256;                  // fingerprint of the DER, hex, lower case
  std::string key_type;                // "rsa2048", "p256", …
  std::vector<std::string> dns_names;  // SAN dNSName, lower case
  std::vector<std::string> uris;       // SAN URI
  std::vector<std::string> addresses;  // SAN iPAddress, text
  bool server_auth = true;  // false only when an EKU extension is there and leaves it out
  bool client_auth = true;
  bool is_ca = false;
  WallTime not_before{};
  WallTime not_after{};
};

// One or more certificates in PEM; chain[0] is the leaf. DER of each.
struct Chain {
  std::vector<std::string> der;
  std::vector<CertificateInfo> info;
};
Result<Chain> parse_chain(std::string_view pem);

// An unencrypted private key in PEM (PKCS#1, SEC1, PKCS#8) to DER.
Result<Secret> parse_key(std::string_view pem);

// Refuses with the reason what cannot work: the key is not the leaf's, expired, not yet valid
// at `effective`, weak (RSA under 2048 bits, SHA-1 or MD5 signature), chain out of order or
// not linked.
Status check_pair(const Chain& chain, const Secret& key, WallTime now);

// A self-signed certificate with a fresh P-256 key, for management at first start.
struct GeneratedCertificate {
  std::string certificate_pem;
  Secret key_der;
};
Result<GeneratedCertificate> make_self_signed(const std::string& common_name,
                                              const std::vector<std::string>& alternative_names,
                                              WallTime now, std::chrono::days life);

// Lower-case hex of SHA-256: tokens and certificates are looked up by it.
std::string sha256_hex(Bytes bytes);
// n random octets from the kernel, in URL-safe base64 without padding.
std::string random_token(size_t octets);

}  // namespace fedge::pki
