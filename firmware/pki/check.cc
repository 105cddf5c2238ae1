// Whether a certificate and a key can work together, before anybody relies on them (C5).
#include <array>
#include <cstdio>
#include <memory>

#include "firmware/pki/certificate.h"
#include "firmware/pki/library.h"

namespace fedge::pki {

namespace {

constexpr size_t kLeastRsaBits = 2048;
constexpr size_t kLeastCurveBits = 256;
constexpr const char* kRemedy = "use RSA of 2048 bits or more, P-256 or P-384";

std::string date(WallTime t) {
  const std::chrono::year_month_day d(std::chrono::floor<std::chrono::days>(t));
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(d.year()),
                static_cast<unsigned>(d.month()), static_cast<unsigned>(d.day()));
  return text.data();
}

std::string place(const Chain& chain, size_t i) {
  return (i == 0 ? "certificate " : "chain certificate ") + chain.info[i].subject;
}

Status check_dates(const Chain& chain, size_t i, WallTime now) {
  const CertificateInfo& info = chain.info[i];
  if (now > info.not_after) {
    return fail(place(chain, i), "expired on " + date(info.not_after), "renew it");
  }
  if (now < info.not_before) {
    return fail(place(chain, i), "is not valid before " + date(info.not_before),
                "check the clock, or stage it as a successor");
  }
  return {};
}

Status check_strength(const Chain& chain, size_t i, const mbedtls_x509_crt& certificate) {
  auto* key = const_cast<mbedtls_pk_context*>(&certificate.pk);
  const size_t bits = mbedtls_pk_get_bitlen(key);
  const bool rsa = mbedtls_pk_can_do(key, MBEDTLS_PK_RSA) != 0;
  if (bits < (rsa ? kLeastRsaBits : kLeastCurveBits)) {
    return fail(place(chain, i), "has a weak key of " + std::to_string(bits) + " bits", kRemedy);
  }
  if (i == 0 && !library::has_usual_curve(certificate)) {
    return fail(place(chain, i), "has a key on a curve that peers do not offer", kRemedy);
  }
  // Nobody checks a root's signature of itself.
  const bool root = chain.info[i].subject == chain.info[i].issuer && i + 1 == chain.der.size();
  if (!(root && i > 0) && library::has_weak_signature(certificate)) {
    return fail(place(chain, i), "is signed with MD5 or SHA-1, which peers refuse",
                "have it issued again with SHA-256");
  }
  return {};
}

Status check_link(const Chain& chain, size_t i, library::Certificates& child,
                  library::Certificates& parent) {
  const auto issuer = as_text(library::bytes_of(child.front().issuer_raw));
  const auto subject = as_text(library::bytes_of(parent.front().subject_raw));
  if (issuer != subject) {
    return fail(place(chain, i + 1), "is not the issuer of " + chain.info[i].subject,
                "order the chain: the certificate first, then each issuer");
  }
  uint32_t flags = 0;
  constexpr uint32_t kUnlinked = MBEDTLS_X509_BADCERT_NOT_TRUSTED | MBEDTLS_X509_BADCERT_OTHER;
  const int code = mbedtls_x509_crt_verify(child.get(), parent.get(), nullptr, nullptr, &flags,
                                           nullptr, nullptr);
  if (code == 0 || (flags & kUnlinked) == 0) return {};
  return fail(place(chain, i),
              "is not signed by the next one of the chain, " + chain.info[i + 1].subject,
              "send the issuer that is in use now (CAs keep their names when they change keys)");
}

}  // namespace

Status check_pair(const Chain& chain, const Secret& key, WallTime now) {
  if (chain.der.empty()) return fail("certificate", "there is none");
  std::vector<std::unique_ptr<library::Certificates>> parsed;
  for (size_t i = 0; i < chain.der.size(); ++i) {
    parsed.push_back(std::make_unique<library::Certificates>());
    if (auto s = parsed.back()->add_der(as_bytes(chain.der[i])); !s) return s;
  }
  library::Key private_key;
  if (auto s = private_key.parse(key.bytes()); !s) {
    return fail("private key", s.error().what, s.error().remedy);
  }
  if (!private_key.fits(parsed[0]->front())) {
    for (size_t i = 1; i < parsed.size(); ++i) {
      if (!private_key.fits(parsed[i]->front())) continue;
      return fail("private key", "belongs to " + place(chain, i),
                  "order the chain: the certificate of the key first, then each issuer");
    }
    return fail("private key", "does not belong to " + place(chain, 0),
                "send the key that its request was made with");
  }
  if (chain.info[0].is_ca && chain.info[0].subject != chain.info[0].issuer) {
    return fail(place(chain, 0), "is a CA's, not a host's", "send the host's certificate first");
  }
  for (size_t i = 0; i < chain.der.size(); ++i) {
    if (auto s = check_dates(chain, i, now); !s) return s;
    if (auto s = check_strength(chain, i, parsed[i]->front()); !s) return s;
    if (i + 1 == chain.der.size()) continue;
    if (auto s = check_link(chain, i, *parsed[i], *parsed[i + 1]); !s) return s;
  }
  return {};
}

}  // namespace fedge::pki
