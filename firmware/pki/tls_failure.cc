#include "firmware/pki/tls_failure.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "firmware/pki/certificate_fields.h"

namespace fedge::pki {

namespace {

std::string date(const mbedtls_x509_time& t) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", t.year, t.mon, t.day);
  return text.data();
}

std::string join(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    out += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) out += " and " + std::to_string(names.size() - kShown) + " more";
  return out.empty() ? "no name" : out;
}

void add(std::string& out, const std::string& phrase) {
  out += out.empty() ? phrase : ", " + phrase;
}

struct AlertText {
  uint8_t number;
  const char* text;
};

constexpr std::array kAlerts = {
    AlertText{10, "it got a message it did not expect"},
    AlertText{20, "a record from us failed its integrity check"},
    AlertText{22, "a record from us was too long"},
    AlertText{40, "we have no ciphersuite, curve or signature in common"},
    AlertText{42, "it found our certificate damaged or wrongly signed"},
    AlertText{43, "it does not accept our certificate's type or use"},
    AlertText{44, "our certificate has been revoked"},
    AlertText{45, "our certificate has expired"},
    AlertText{46, "it does not accept our certificate"},
    AlertText{47, "a field of our handshake was out of range"},
    AlertText{48, "it does not know the CA of our certificate"},
    AlertText{49, "it denies us access"},
    AlertText{50, "it could not decode our message"},
    AlertText{51, "a signature or key exchange of ours failed its check"},
    AlertText{70, "it does not speak any TLS version we offer"},
    AlertText{71, "it wants stronger ciphers than we offer"},
    AlertText{80, "it had an internal error"},
    AlertText{86, "it suspects a downgrade of the TLS version"},
    AlertText{90, "it cancelled the handshake"},
    AlertText{112, "it does not know the server name we asked for"},
    AlertText{116, "it requires a certificate from us"},
    AlertText{120, "it speaks none of the protocols we offer"},
};

}  // namespace

std::string describe_objection(const mbedtls_x509_crt& certificate, int depth, uint32_t flags,
                               const std::string& expected) {
  std::string what;
  if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
    add(what, "expired on " + date(certificate.valid_to));
  }
  if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0) {
    add(what, "is not valid before " + date(certificate.valid_from));
  }
  if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
    add(what, "was issued by " + name_text(certificate.issuer) +
                  ", which no CA trusted here vouches for");
  }
  if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
    AlternativeNames names = alternative_names_of(certificate);
    for (auto& address : names.addresses) names.dns_names.push_back(address);
    if (!names.present) names.dns_names = peer_names_of(certificate);
    add(what, "names " + join(names.dns_names) + ", not " + expected);
  }
  if ((flags & MBEDTLS_X509_BADCERT_REVOKED) != 0) add(what, "has been revoked");
  if ((flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE)) != 0) {
    add(what, "may not be used for this (key usage or extended key usage)");
  }
  constexpr uint32_t kWeak =
      MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY;
  if ((flags & kWeak) != 0) add(what, "has a key or a signature too weak to accept");
  if (what.empty()) add(what, "was refused");
  const std::string who = depth == 0 ? "the peer's certificate"
                                     : "the CA certificate " + name_text(certificate.subject);
  return who + " " + what;
}

std::string describe_alert(uint8_t alert) {
  const auto found = std::ranges::find(kAlerts, alert, &AlertText::number);
  if (found == kAlerts.end()) return "the peer refused with TLS alert " + std::to_string(alert);
  return "the peer refused: " + std::string(found->text) + " (TLS alert " + std::to_string(alert) +
         ")";
}

std::string describe_code(int code, bool server) {
  switch (code) {
#if defined(MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
      return "the peer presented no certificate, and this context requires one";
#endif
#if defined(MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN)
    case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN:
    case MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE:
      return "the peer offered no ciphersuite that this context and its certificate can use";
    case MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION:
      return server ? "the peer offered no TLS version that this context allows"
                    : "the peer chose a TLS version that this context does not allow";
#endif
#if defined(MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO)
    case MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO:
#endif
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
      return "what arrived is not TLS, or was damaged";
    case MBEDTLS_ERR_SSL_INVALID_MAC:
      return "a record failed its integrity check";
    case MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED:
      return "this context trusts no CA";
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
      return "a TLS message arrived out of order";
    default:
      return "TLS failed: " + library::error_text(code);
  }
}

}  // namespace fedge::pki
