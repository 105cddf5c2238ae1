#include "firmware/control/vault.h"

#include <algorithm>
#include <cstring>

#include "firmware/base/log.h"
#include "firmware/pki/key_section.h"
#include "firmware/pki/media_token.h"
#include "firmware/snapshot/reader.h"
#include "firmware/snapshot/writer.h"

namespace fedge::control {

using link::Process;

namespace {

constexpr std::string_view kAtRest = "certificate-key";
constexpr std::chrono::days kSelfSignedLife{825};
constexpr std::array kOwners{Process::control, Process::fastpath, Process::signal, Process::front,
                             Process::agent};

bool same_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace

const pki::Secret& Vault::key_of(Process owner) const { return keys_[static_cast<size_t>(owner)]; }

Status Vault::take_sealing_key(Process owner, int fd) {
  auto key = pki::read_sealing_key(fd);
  if (!key) return std::unexpected(key.error());
  keys_[static_cast<size_t>(owner)] = std::move(*key);
  return {};
}

bool Vault::has_keys() const {
  return std::ranges::none_of(kOwners, [this](Process p) { return key_of(p).empty(); });
}

Result<store::Certificate> Vault::import(const std::string& id, std::string_view chain_pem,
                                         std::string_view key_pem, WallTime effective_from,
                                         WallTime now) const {
  auto chain = pki::parse_chain(chain_pem);
  if (!chain) return fail("/chain", chain.error().what, chain.error().remedy);
  auto key = pki::parse_key(key_pem);
  if (!key) return fail("/key", key.error().what, key.error().remedy);
  if (auto fits = pki::check_pair(*chain, *key, std::max(effective_from, now)); !fits) {
    const Error& e = fits.error();
    return fail("/chain", e.where + " " + e.what, e.remedy);
  }
  auto sealed = pki::seal(key_of(Process::control), kAtRest, key->bytes());
  if (!sealed) return std::unexpected(sealed.error());
  store::Certificate certificate;
  certificate.id = id;
  certificate.chain = chain_pem;
  certificate.sealed_key = std::move(*sealed);
  certificate.effective_from = effective_from;
  certificate.fingerprint = chain->info.front().sha256;
  return certificate;
}

Result<pki::Chain> Vault::check_trust(std::string_view pem, WallTime now) {
  auto chain = pki::parse_chain(pem);
  if (!chain) return fail("/pem", chain.error().what, chain.error().remedy);
  for (size_t i = 0; i < chain->info.size(); ++i) {
    const pki::CertificateInfo& info = chain->info[i];
    const std::string which = "certificate " + std::to_string(i + 1) + " (" + info.subject + ")";
    if (!info.is_ca) {
      return fail("/pem", which + " is not a CA certificate",
                  "give the certificate of the authority that signed it");
    }
    if (info.not_after < now) return fail("/pem", which + " has expired", "give its successor");
  }
  return chain;
}

Result<store::Certificate> Vault::make_management(const std::string& fqdn,
                                                  const std::string& address, WallTime now) const {
  auto made = pki::make_self_signed(fqdn, {fqdn, "localhost", address}, now, kSelfSignedLife);
  if (!made) return std::unexpected(made.error());
  auto chain = pki::parse_chain(made->certificate_pem);
  if (!chain) return std::unexpected(chain.error());
  auto sealed = pki::seal(key_of(Process::control), kAtRest, made->key_der.bytes());
  if (!sealed) return std::unexpected(sealed.error());
  store::Certificate certificate;
  certificate.id = kManagementCertificate;
  certificate.chain = std::move(made->certificate_pem);
  certificate.sealed_key = std::move(*sealed);
  certificate.effective_from = chain->info.front().not_before;
  certificate.fingerprint = chain->info.front().sha256;
  return certificate;
}

bool Vault::opens(const store::Certificate& certificate) const {
  return pki::unseal(key_of(Process::control), kAtRest, as_bytes(certificate.sealed_key))
      .has_value();
}

std::optional<pki::Secret> Vault::open_key(const store::Certificate& certificate) const {
  auto key = pki::unseal(key_of(Process::control), kAtRest, as_bytes(certificate.sealed_key));
  if (key) return std::move(*key);
  log::error("control", "certificate {}: {} {}; import the certificate and its key again",
             certificate.id, key.error().where, key.error().what);
  return std::nullopt;
}

std::optional<pki::Secret> Vault::token_key(const store::Certificate& certificate) const {
  const auto key = open_key(certificate);
  if (!key) return std::nullopt;
  auto token = pki::derive_token_key(key->bytes());
  if (token) return std::move(*token);
  log::error("control", "certificate {}: {}", certificate.id, token.error().text());
  return std::nullopt;
}

Result<SectionPointer> Vault::seal_keys(snapshot::Kind kind, Process owner,
                                        const std::vector<uint64_t>& keys, store::Store& store,
                                        const SectionPointer& previous) const {
  auto stored = store.certificates();
  if (!stored) return std::unexpected(stored.error());
  std::vector<pki::PrivateKey> in_clear;
  const auto wanted = [&](uint64_t key) { return std::ranges::find(keys, key) != keys.end(); };
  for (const store::Certificate& certificate : *stored) {
    if (wanted(certificate.key)) {
      if (auto key = open_key(certificate)) in_clear.push_back({certificate.key, std::move(*key)});
    }
    if (const uint64_t token = token_key_of(certificate.key); wanted(token)) {
      if (auto key = token_key(certificate)) in_clear.push_back({token, std::move(*key)});
    }
  }
  std::ranges::sort(in_clear, {}, &pki::PrivateKey::id);
  auto plain = pki::encode_keys(in_clear);
  if (!plain) return std::unexpected(plain.error());
  if (previous) {
    auto old = pki::unseal(key_of(owner), pki::purpose_of(kind),
                           snapshot::key_payload(previous->mapping.bytes()));
    if (old && same_bytes(old->bytes(), plain->bytes())) return previous;
  }
  auto sealed = pki::seal(key_of(owner), pki::purpose_of(kind), plain->bytes());
  if (!sealed) return std::unexpected(sealed.error());
  return hold_section(kind, as_bytes(snapshot::wrap_keys(kind, as_bytes(*sealed))));
}

std::vector<store::Certificate> in_force_and_staged(std::vector<store::Certificate> entries,
                                                    WallTime now) {
  size_t in_force = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].effective_from <= now) in_force = i;
  }
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(in_force));
  return entries;
}

Result<StoredCertificates> StoredCertificates::read(store::Store& store, const Vault& vault,
                                                    WallTime now) {
  StoredCertificates out(vault);
  auto stored = store.certificates();
  if (!stored) return std::unexpected(stored.error());
  for (store::Certificate& c : *stored) out.kept_[c.id].push_back(std::move(c));
  for (const auto& [id, entries] : out.kept_) {
    for (const store::Certificate& c : in_force_and_staged(entries, now)) {
      auto chain = pki::parse_chain(c.chain);
      if (!chain) continue;
      out.certificates_[id].push_back(
          {std::move(chain->der), c.key, c.effective_from.time_since_epoch().count()});
    }
  }
  auto anchors = store.trust_anchors();
  if (!anchors) return std::unexpected(anchors.error());
  for (const store::TrustAnchor& anchor : *anchors) {
    if (auto chain = pki::parse_chain(anchor.pem)) out.trust_[anchor.id] = std::move(chain->der);
  }
  return out;
}

std::vector<CertificateSource::Version> StoredCertificates::certificate(
    const std::string& id) const {
  const auto found = certificates_.find(id);
  return found == certificates_.end() ? std::vector<Version>() : found->second;
}

std::vector<CertificateSource::TokenVersion> StoredCertificates::token_keys(
    const std::string& id) const {
  std::vector<TokenVersion> out;
  const auto found = kept_.find(id);
  if (found == kept_.end()) return out;
  for (const store::Certificate& c : found->second) {
    const auto chain = pki::parse_chain(c.chain);
    const auto key = chain ? vault_->token_key(c) : std::nullopt;
    if (!key) continue;
    out.push_back({token_key_of(c.key), pki::token_key_id(*key),
                   c.effective_from.time_since_epoch().count(),
                   chain->info.front().not_after.time_since_epoch().count()});
  }
  return out;
}

std::vector<std::string> StoredCertificates::trust(const std::string& id) const {
  const auto found = trust_.find(id);
  return found == trust_.end() ? std::vector<std::string>() : found->second;
}

}  // namespace fedge::control
