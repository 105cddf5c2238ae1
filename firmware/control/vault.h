// Certificates, keys and trust: importing them with every reason why they cannot work, handing
// their public part to the compiler, and sealing keys for the processes that serve their roles.
// Keys are in clear only inside one call.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/time.h"
#include "firmware/control/compiler.h"
#include "firmware/control/generations.h"
#include "firmware/link/process.h"
#include "firmware/pki/certificate.h"
#include "firmware/store/store.h"

namespace fedge::control {

// The certificate of the management interface until the operator imports one under this id.
inline constexpr std::string_view kManagementCertificate = "management";

class Vault {
 public:
  // A sealing key as init passes it, of any process that has one.
  Status take_sealing_key(link::Process owner, int fd);
  bool has_keys() const;

  // Checks chain and key (PEM) and gives the record to store, sealed. `now` is when they must be
  // valid at the latest: the effective time.
  Result<store::Certificate> import(const std::string& id, std::string_view chain_pem,
                                    std::string_view key_pem, WallTime effective_from,
                                    WallTime now) const;
  // One or more CA certificates in PEM; says what is in them.
  static Result<pki::Chain> check_trust(std::string_view pem, WallTime now);
  // Self-signed, for management at first start.
  Result<store::Certificate> make_management(const std::string& fqdn, const std::string& address,
                                             WallTime now) const;
  // False: its key was sealed with another sealing key, or is damaged.
  bool opens(const store::Certificate& certificate) const;

  // The token key that follows from its private key; nullopt, logged, when that does not open.
  std::optional<pki::Secret> token_key(const store::Certificate& certificate) const;

  // The key section of `kind` for the certificates (by key number) that `owner` serves, and the
  // token keys (by token_key_of()) that it makes or verifies credentials with. Gives
  // `previous` itself when it holds the same keys: sealing draws a nonce, so the bytes differ
  // every time. A key that does not open is left out: its owner refuses what needs it, and the
  // others can be imported anew one by one.
  Result<SectionPointer> seal_keys(snapshot::Kind kind, link::Process owner,
                                   const std::vector<uint64_t>& keys, store::Store& store,
                                   const SectionPointer& previous) const;

 private:
  const pki::Secret& key_of(link::Process owner) const;
  std::optional<pki::Secret> open_key(const store::Certificate& certificate) const;
  std::array<pki::Secret, link::kProcessCount> keys_;
};

// What of the entries of one id still matters: the one in force at `now` and those to come; all of
// them when none is in force. Sorted by effective time, as the store gives them.
std::vector<store::Certificate> in_force_and_staged(std::vector<store::Certificate> entries,
                                                    WallTime now);

// The store as the compiler sees it. Reads everything once; a certificate that does not parse
// counts as missing (it was checked when it was imported). The vault outlives it.
class StoredCertificates final : public CertificateSource {
 public:
  static Result<StoredCertificates> read(store::Store& store, const Vault& vault, WallTime now);
  std::vector<Version> certificate(const std::string& id) const override;
  std::vector<TokenVersion> token_keys(const std::string& id) const override;
  std::vector<std::string> trust(const std::string& id) const override;

 private:
  explicit StoredCertificates(const Vault& vault) : vault_(&vault) {}
  const Vault* vault_;
  std::map<std::string, std::vector<store::Certificate>> kept_;
  std::map<std::string, std::vector<Version>> certificates_;
  std::map<std::string, std::vector<std::string>> trust_;
};

}  // namespace fedge::control
