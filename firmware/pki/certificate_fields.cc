#include "firmware/pki/certificate_fields.h"

#include <mbedtls/oid.h>
#include <mbedtls/rsa.h>

#include <algorithm>
#include <cstring>

#include "firmware/net/address.h"

namespace fedge::pki {

namespace {

// Choices of GeneralName, RFC 5280 section 4.2.1.6.
constexpr unsigned kDnsName = 2;
constexpr unsigned kUri = 6;
constexpr unsigned kIpAddress = 7;

std::string text_of(const mbedtls_x509_buf& b) {
  return {reinterpret_cast<const char*>(b.p), b.len};
}

std::string to_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string hex(Bytes bytes, bool upper = false) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (const std::byte b : bytes) {
    out += digits[static_cast<unsigned>(b) >> 4];
    out += digits[static_cast<unsigned>(b) & 15];
  }
  return out;
}

std::string escape_value(const std::string& value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    const bool at_edge = (i == 0 && (c == '#' || c == ' ')) || (i + 1 == value.size() && c == ' ');
    if (c < 0x20 || c == 0x7f) {
      out += '\\' + hex(as_bytes(value.substr(i, 1)), true);
    } else {
      if (at_edge || std::strchr(",+\"\\<>;", c) != nullptr) out += '\\';
      out += value[i];
    }
  }
  return out;
}

std::string key_type_of(const mbedtls_x509_crt& certificate) {
  auto* key = const_cast<mbedtls_pk_context*>(&certificate.pk);
  const size_t bits = mbedtls_pk_get_bitlen(key);
  switch (mbedtls_pk_get_type(key)) {
    case MBEDTLS_PK_RSA:
      return "rsa" + std::to_string(bits);
    case MBEDTLS_PK_ECKEY:
    case MBEDTLS_PK_ECKEY_DH:
    case MBEDTLS_PK_ECDSA:
      return "p" + std::to_string(bits);
    default:
      return "unknown";
  }
}

std::string address_text(const mbedtls_x509_buf& b) {
  IpAddress address;
  if (b.len != 4 && b.len != 16) return {};
  std::memcpy(address.octets.data(), b.p, b.len);
  address.family = b.len == 4 ? 4 : 6;
  return address.text();
}

bool permits(const mbedtls_x509_crt& certificate, std::string_view oid) {
  return mbedtls_x509_crt_check_extended_key_usage(&certificate, oid.data(), oid.size()) == 0;
}

}  // namespace

std::string name_text(const mbedtls_x509_name& name) {
  std::string out;
  for (const mbedtls_x509_name* n = &name; n != nullptr; n = n->next) {
    if (n->oid.p == nullptr) continue;
    const char* type = nullptr;
    if (mbedtls_oid_get_attr_short_name(&n->oid, &type) != 0) type = "?";
    std::string part = std::string(type) + "=" + escape_value(text_of(n->val));
    out = out.empty() ? std::move(part) : part + "," + out;
  }
  return out;
}

std::string common_name_of(const mbedtls_x509_crt& certificate) {
  std::string out;
  for (const mbedtls_x509_name* n = &certificate.subject; n != nullptr; n = n->next) {
    if (n->oid.p != nullptr && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0) {
      out = text_of(n->val);
    }
  }
  return out;
}

AlternativeNames alternative_names_of(const mbedtls_x509_crt& certificate) {
  AlternativeNames out;
  for (const auto* item = &certificate.subject_alt_names; item != nullptr; item = item->next) {
    if (item->buf.p == nullptr) continue;
    out.present = true;
    switch (static_cast<unsigned>(item->buf.tag) & MBEDTLS_ASN1_TAG_VALUE_MASK) {
      case kDnsName:
        out.dns_names.push_back(to_lower(text_of(item->buf)));
        break;
      case kUri:
        out.uris.push_back(text_of(item->buf));
        break;
      case kIpAddress:
        if (auto text = address_text(item->buf); !text.empty()) out.addresses.push_back(text);
        break;
      default:
        break;
    }
  }
  return out;
}

std::vector<std::string> peer_names_of(const mbedtls_x509_crt& certificate) {
  AlternativeNames names = alternative_names_of(certificate);
  // A NUL inside a name is the old trick against readers of C strings: such a name names nobody.
  std::erase_if(names.dns_names, [](const auto& n) { return n.find('\0') != n.npos; });
  if (names.present) return std::move(names.dns_names);
  std::string common_name = to_lower(common_name_of(certificate));
  if (common_name.empty() || common_name.find('\0') != std::string::npos) return {};
  return {std::move(common_name)};
}

CertificateInfo describe(const mbedtls_x509_crt& certificate) {
  CertificateInfo info;
  info.subject = name_text(certificate.subject);
  info.common_name = common_name_of(certificate);
  info.issuer = name_text(certificate.issuer);
  info.serial = hex(library::bytes_of(certificate.serial));
  info.sha256 = sha256_hex(library::bytes_of(certificate.raw));
  info.key_type = key_type_of(certificate);
  AlternativeNames names = alternative_names_of(certificate);
  info.dns_names = std::move(names.dns_names);
  info.uris = std::move(names.uris);
  info.addresses = std::move(names.addresses);
  info.server_auth = permits(certificate, {MBEDTLS_OID_SERVER_AUTH, 8});
  info.client_auth = permits(certificate, {MBEDTLS_OID_CLIENT_AUTH, 8});
  info.is_ca = library::is_ca(certificate);
  info.not_before = library::to_wall(certificate.valid_from);
  info.not_after = library::to_wall(certificate.valid_to);
  return info;
}

}  // namespace fedge::pki
