// Topology to snapshot: pure, deterministic, no IO. The key sections are not made here: they are
// encrypted for their processes by the caller.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "firmware/base/result.h"
#include "firmware/base/time.h"
#include "firmware/snapshot/layout.h"
#include "firmware/topology/topology.h"

namespace fedge::control {

// Where the compiler finds certificates by their ids.
class CertificateSource {
 public:
  struct Version {
    std::vector<std::string> chain;  // DER, leaf first
    uint64_t key = 0;                // its id in the key sections
    int64_t effective_from = 0;      // seconds since 1970
    bool operator==(const Version&) const = default;
  };
  // A key of media's credentials, which follows from a certificate's private key.
  struct TokenVersion {
    uint64_t key = 0;    // its id in the key sections, see token_key_of()
    uint32_t token = 0;  // its id in credentials
    int64_t effective_from = 0;
    int64_t expires = 0;  // with its certificate
    bool operator==(const TokenVersion&) const = default;
  };
  virtual ~CertificateSource() = default;
  // The certificate assigned to `id` and its staged successors; empty when there is none.
  virtual std::vector<Version> certificate(const std::string& id) const = 0;
  // Of every certificate under `id` that is kept, superseded ones too: credentials made with them
  // are good until they expire (C3). One whose private key does not open is left out.
  virtual std::vector<TokenVersion> token_keys(const std::string& id) const = 0;
  // DER of the CAs under `id`; empty when there is none.
  virtual std::vector<std::string> trust(const std::string& id) const = 0;
};

// Token keys lie in the key sections beside the keys that they follow from.
inline constexpr uint64_t kTokenKeyBit = uint64_t{1} << 63;
constexpr uint64_t token_key_of(uint64_t certificate_key) { return certificate_key | kTokenKeyBit; }

struct Compiled {
  std::map<snapshot::Kind, std::string> sections;  // whole sections, header included
};

// `topology` has passed check_rules(). Fails, with the path, when a certificate or a trust id
// has nothing behind it, or when a name leads nowhere. Equal input gives equal bytes. `now`
// picks the management certificate: the latest in force, or the first when none is (TLS contexts
// and media carry all versions, and forwarders choose). Token keys that have expired are left out.
Result<Compiled> compile(const topology::Topology& topology, const CertificateSource& certificates,
                         WallTime now = {});

}  // namespace fedge::control
