#include <algorithm>

#include "firmware/pki/tls.h"
#include "firmware/pki/tls_setup.h"

namespace fedge::pki {

namespace {

const PrivateKey* find_key(const std::vector<PrivateKey>& keys, uint64_t id) {
  const auto found = std::ranges::find(keys, id, &PrivateKey::id);
  return found == keys.end() ? nullptr : &*found;
}

template <class Root>
Status add_own(TlsContext::Impl& impl, const snapshot::Section<Root>& section,
               const snapshot::Certificate& certificate, const std::vector<PrivateKey>& keys) {
  std::vector<Bytes> chain;
  for (const snapshot::Text der : section.items(certificate.chain)) {
    chain.push_back(as_bytes(section.text(der)));
  }
  return impl.add_certificate(section.text(certificate.id),
                              WallTime(std::chrono::seconds(certificate.effective_from)), chain,
                              find_key(keys, certificate.key));
}

Status set_suites(TlsContext::Impl& impl, std::span<const uint16_t> wanted) {
  for (const uint16_t number : wanted) {
    if (mbedtls_ssl_ciphersuite_from_id(number) != nullptr) impl.ciphersuites.push_back(number);
  }
  if (!wanted.empty() && impl.ciphersuites.empty()) {
    return fail("TLS context " + impl.name, "this build has none of its ciphersuites",
                "leave `ciphers` out, or name one of GET /v1/status");
  }
  if (impl.ciphersuites.empty()) {
    for (const std::string& name : ciphersuite_names()) {
      impl.ciphersuites.push_back(ciphersuite_number(name));
    }
  }
  impl.ciphersuites.push_back(0);
  return {};
}

Status set_version_range(TlsContext::Impl& impl, uint16_t lowest, uint16_t highest) {
  constexpr uint16_t kBest = library::kHasTls13 ? 0x0304 : 0x0303;
  // 0 is "as this build thinks best"; nothing under TLS 1.2 is spoken whatever is asked.
  impl.version_min = std::max<uint16_t>(lowest, 0x0303);
  impl.version_max = highest == 0 ? kBest : std::min(highest, kBest);
  if (impl.version_min > impl.version_max) {
    return fail("TLS context " + impl.name, "asks for TLS versions that this build does not speak",
                "allow TLS 1.2");
  }
  return {};
}

// Everything that can be wrong shows now, not in the first handshake.
Result<std::shared_ptr<TlsContext>> complete(std::shared_ptr<TlsContext> context) {
  if (auto s = context->impl().finish(); !s) return std::unexpected(s.error());
  if (auto s = context->impl().setup_at(now_wall()); !s) return std::unexpected(s.error());
  return context;
}

}  // namespace

TlsContext::TlsContext() : impl_(std::make_unique<Impl>()) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::make(const snapshot::Section<snapshot::Tls>& tls,
                                                     uint32_t index,
                                                     const std::vector<PrivateKey>& keys) {
  const auto contexts = tls.items(tls.root().contexts);
  if (index >= contexts.size()) return fail("TLS contexts", "there is no number so high");
  const snapshot::TlsContext& record = contexts[index];
  std::shared_ptr<TlsContext> context(new TlsContext);
  Impl& impl = context->impl();
  impl.name = tls.text(record.name);
  impl.client_certificate = record.client_certificate;
  for (const snapshot::Certificate& certificate : tls.items(record.certificates)) {
    if (auto s = add_own(impl, tls, certificate, keys); !s) return std::unexpected(s.error());
  }
  for (const snapshot::Text der : tls.items(record.trust)) {
    if (auto s = impl.trust.add_der(as_bytes(tls.text(der))); !s) {
      return fail("TLS context " + impl.name + ", trusted CA", s.error().what);
    }
  }
  if (impl.trust.empty() && impl.client_certificate != snapshot::ClientCertificate::none &&
      !impl.certificates.empty()) {
    return fail("TLS context " + impl.name, "asks for client certificates but trusts no CA",
                "name the CAs in `trust`");
  }
  if (auto s = set_suites(impl, tls.items(record.ciphersuites)); !s) {
    return std::unexpected(s.error());
  }
  if (auto s = set_version_range(impl, record.version_min, record.version_max); !s) {
    return std::unexpected(s.error());
  }
  return complete(std::move(context));
}

Result<std::shared_ptr<TlsContext>> TlsContext::make_management(
    const snapshot::Section<snapshot::Management>& management,
    const std::vector<PrivateKey>& keys) {
  std::shared_ptr<TlsContext> context(new TlsContext);
  Impl& impl = context->impl();
  impl.name = "management";
  if (auto s = add_own(impl, management, management.root().certificate, keys); !s) {
    return std::unexpected(s.error());
  }
  if (auto s = set_suites(impl, {}); !s) return std::unexpected(s.error());
  if (auto s = set_version_range(impl, 0, 0); !s) return std::unexpected(s.error());
  return complete(std::move(context));
}

}  // namespace fedge::pki
