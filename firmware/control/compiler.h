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
  virtual ~CertificateSource() = default;
  // The certificate assigned to `id` and its staged successors; empty when there is none.
  virtual std::vector<Version> certificate(const std::string& id) const = 0;
  // DER of the CAs under `id`; empty when there is none.
  virtual std::vector<std::string> trust(const std::string& id) const = 0;
};

struct Compiled {
  std::map<snapshot::Kind, std::string> sections;  // whole sections, header included
};

// `topology` has passed check_rules(). Fails, with the path, when a certificate or a trust id
// has nothing behind it, or when a name leads nowhere. Equal input gives equal bytes. `now`
// picks the management certificate: the latest in force, or the first when none is (TLS contexts
// carry all versions, and forwarders choose).
Result<Compiled> compile(const topology::Topology& topology, const CertificateSource& certificates,
                         WallTime now = {});

}  // namespace fedge::control
