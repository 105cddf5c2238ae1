// The management certificate of the first start: self-signed, P-256, good for TLS servers.
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509.h>

#include <array>
#include <cstdio>

#include "firmware/net/address.h"
#include "firmware/pki/certificate.h"
#include "firmware/pki/library.h"

namespace fedge::pki {

namespace {

constexpr size_t kMostCommonName = 64;  // ub-common-name, RFC 5280
constexpr int kContext = MBEDTLS_ASN1_CONTEXT_SPECIFIC;

struct Writer {
  Writer() { mbedtls_x509write_crt_init(&crt); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { mbedtls_x509write_crt_free(&crt); }
  mbedtls_x509write_cert crt;
};

std::string validity_text(WallTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day d(day);
  const std::chrono::hh_mm_ss time(t - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02u%02d%02d%02d", static_cast<int>(d.year()),
                static_cast<unsigned>(d.month()), static_cast<unsigned>(d.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text.data();
}

// DER is written backwards, from the end of the buffer.
class DerBuffer {
 public:
  Bytes wrap_sequence() {
    add(mbedtls_asn1_write_len(&at_, bytes_.data(), size()));
    add(mbedtls_asn1_write_tag(&at_, bytes_.data(),
                               MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE));
    if (failed_) return {};
    return {reinterpret_cast<const std::byte*>(at_), size()};
  }
  void add_tagged(int tag, Bytes value) {
    add(mbedtls_asn1_write_raw_buffer(&at_, bytes_.data(), library::octets(value), value.size()));
    add(mbedtls_asn1_write_len(&at_, bytes_.data(), value.size()));
    add(mbedtls_asn1_write_tag(&at_, bytes_.data(), static_cast<unsigned char>(tag)));
  }

 private:
  void add(int code) { failed_ = failed_ || code < 0; }
  size_t size() const { return static_cast<size_t>(bytes_.data() + bytes_.size() - at_); }
  std::array<unsigned char, 3072> bytes_{};
  unsigned char* at_ = bytes_.data() + bytes_.size();
  bool failed_ = false;
};

int add_extension(mbedtls_x509write_cert& crt, std::string_view oid, Bytes value) {
  if (value.empty()) return MBEDTLS_ERR_X509_BUFFER_TOO_SMALL;
  return mbedtls_x509write_crt_set_extension(&crt, oid.data(), oid.size(), 0,
                                             library::octets(value), value.size());
}

int add_alternative_names(mbedtls_x509write_cert& crt, const std::vector<std::string>& names) {
  if (names.empty()) return 0;
  DerBuffer der;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (const auto address = IpAddress::parse(*name)) {
      const auto octets = std::as_bytes(std::span(address->octets));
      der.add_tagged(kContext | 7, octets.first(address->bits() / 8));
    } else {
      der.add_tagged(kContext | 2, as_bytes(*name));
    }
  }
  return add_extension(crt, {MBEDTLS_OID_SUBJECT_ALT_NAME, 3}, der.wrap_sequence());
}

int add_server_usage(mbedtls_x509write_cert& crt) {
  DerBuffer der;
  der.add_tagged(MBEDTLS_ASN1_OID, as_bytes({MBEDTLS_OID_SERVER_AUTH, 8}));
  return add_extension(crt, {MBEDTLS_OID_EXTENDED_KEY_USAGE, 3}, der.wrap_sequence());
}

// What set_subject_name() would read as syntax.
bool fits_common_name(const std::string& name) {
  return !name.empty() && name.size() <= kMostCommonName &&
         name.find_first_of(",+=\\\"<>;#") == std::string::npos;
}

int fill(mbedtls_x509write_cert& crt, library::Key& key, const std::string& subject,
         const std::vector<std::string>& names, WallTime from, WallTime to) {
  std::array<unsigned char, 16> serial{};
  if (const int code = library::random_bytes(nullptr, serial.data(), serial.size())) return code;
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive, full length
  library::set_serial(crt, std::as_bytes(std::span(serial)));
  mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(&crt, key.get());
  mbedtls_x509write_crt_set_issuer_key(&crt, key.get());
  int code = mbedtls_x509write_crt_set_subject_name(&crt, subject.c_str());
  if (code == 0) code = mbedtls_x509write_crt_set_issuer_name(&crt, subject.c_str());
  if (code == 0) {
    code = mbedtls_x509write_crt_set_validity(&crt, validity_text(from).c_str(),
                                              validity_text(to).c_str());
  }
  if (code == 0) code = mbedtls_x509write_crt_set_basic_constraints(&crt, 0, -1);
  if (code == 0)
    code = mbedtls_x509write_crt_set_key_usage(&crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
  if (code == 0) code = add_alternative_names(crt, names);
  if (code == 0) code = add_server_usage(crt);
  return code;
}

}  // namespace

Result<GeneratedCertificate> make_self_signed(const std::string& common_name,
                                              const std::vector<std::string>& alternative_names,
                                              WallTime now, std::chrono::days life) {
  const auto failed = [](int code) {
    return fail("self-signed certificate", "cannot be made: " + library::error_text(code));
  };
  library::Key key;
  int code = mbedtls_pk_setup(key.get(), mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  if (code == 0) {
    code = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key.get()),
                               library::random_bytes, nullptr);
  }
  if (code != 0) return failed(code);
  Writer writer;
  const std::string subject = "CN=" + (fits_common_name(common_name) ? common_name : "fedge");
  // An hour back: clocks of browsers differ.
  code = fill(writer.crt, key, subject, alternative_names, now - std::chrono::hours(1), now + life);
  if (code != 0) return failed(code);
  std::array<unsigned char, 8192> pem{};
  code = mbedtls_x509write_crt_pem(&writer.crt, pem.data(), pem.size(), library::random_bytes,
                                   nullptr);
  if (code != 0) return failed(code);
  auto der = library::to_der(key);
  if (!der) return std::unexpected(der.error());
  return GeneratedCertificate{reinterpret_cast<const char*>(pem.data()), std::move(*der)};
}

}  // namespace fedge::pki
