#include "firmware/pki/certificate.h"

#include <mbedtls/md.h>

#include <algorithm>
#include <array>

#include "firmware/pki/certificate_fields.h"

namespace fedge::pki {

namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr size_t kMostPem = 1 << 20;
constexpr size_t kMostCertificates = 64;

// A NUL-terminated copy of a PEM text, as mbedTLS wants it, wiped afterwards.
class PemText {
 public:
  explicit PemText(std::string_view pem) : bytes_(pem.size() + 1) {
    std::ranges::copy(as_bytes(pem), bytes_.begin());
  }
  PemText(const PemText&) = delete;
  PemText& operator=(const PemText&) = delete;
  ~PemText() { wipe_memory(bytes_); }
  Bytes bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

constexpr const char* kSendPem = "send it as PEM, from -----BEGIN CERTIFICATE----- to the END line";

Status append_certificate(Chain& chain, std::string_view block) {
  const std::string where = "certificate " + std::to_string(chain.der.size() + 1) + " of the chain";
  library::Certificates parsed;
  const PemText text(block);
  const int code =
      mbedtls_x509_crt_parse(parsed.get(), library::octets(text.bytes()), text.bytes().size());
  if (code != 0) return fail(where, "cannot be read: " + library::error_text(code), kSendPem);
  chain.der.emplace_back(as_text(library::bytes_of(parsed.front().raw)));
  chain.info.push_back(describe(parsed.front()));
  return {};
}

}  // namespace

Result<Chain> parse_chain(std::string_view pem) {
  if (pem.size() > kMostPem) return fail("certificate", "is over 1 MiB", kSendPem);
  Chain chain;
  for (size_t at = pem.find(kBegin); at != pem.npos; at = pem.find(kBegin, at)) {
    const size_t end = pem.find(kEnd, at);
    if (end == pem.npos) return fail("certificate", "the PEM text is cut off", kSendPem);
    if (chain.der.size() == kMostCertificates) {
      return fail("certificate", "the chain is over 64", "send one host's chain only");
    }
    const size_t size = end + kEnd.size() - at;
    if (auto s = append_certificate(chain, std::string(pem.substr(at, size)) + "\n"); !s) {
      return std::unexpected(s.error());
    }
    at += size;
  }
  if (chain.der.empty()) {
    return fail("certificate", "there is no PEM certificate in it", kSendPem);
  }
  return chain;
}

Result<Secret> parse_key(std::string_view pem) {
  if (pem.size() > kMostPem) return fail("private key", "is over 1 MiB");
  library::Key key;
  const PemText text(pem);
  if (auto parsed = key.parse(text.bytes()); !parsed) {
    return fail("private key", parsed.error().what,
                parsed.error().remedy.empty()
                    ? "send it as PEM, beginning with -----BEGIN PRIVATE KEY-----"
                    : parsed.error().remedy);
  }
  return library::to_der(key);
}

std::string sha256_hex(Bytes bytes) {
  std::array<unsigned char, 32> digest{};
  (void)mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), library::octets(bytes),
                   bytes.size(), digest.data());
  std::string out;
  for (const unsigned char b : digest) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

std::string random_token(size_t octets) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::vector<unsigned char> raw(octets);
  // A token that can be guessed is worse than none: an empty one opens nothing.
  if (library::random_bytes(nullptr, raw.data(), raw.size()) != 0) return {};
  std::string out;
  uint32_t bits = 0;
  unsigned held = 0;
  for (const unsigned char b : raw) {
    bits = (bits << 8) | b;
    held += 8;
    for (; held >= 6; held -= 6) out += kAlphabet[(bits >> (held - 6)) & 63];
  }
  if (held > 0) out += kAlphabet[(bits << (6 - held)) & 63];
  return out;
}

}  // namespace fedge::pki
