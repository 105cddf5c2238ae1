// OPTIONS to a next hop that shows whether it answers (RFC 3261 section 11). It belongs to no
// server transaction and to no record of Transactions: its branch and its token say so.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/branch.h"
#include "dataplane/sip/identity.h"

namespace fedge::sip {

// Branch::index of a worker's probes; the nonce names which.
constexpr uint32_t probe_index(uint32_t worker) {
  return worker << kWorkerShift | ((1u << kWorkerShift) - 2);
}
constexpr SendToken probe_token(uint32_t index, uint64_t nonce) { return nonce << 32 | index; }

struct ProbeTarget {
  std::string_view host;  // name, or address as text
  uint16_t port = 0;      // 0: none is written
  snapshot::Transport transport = snapshot::Transport::tls;
};

// Nullopt when it does not fit.
std::optional<size_t> write_probe(const Side& side, const ProbeTarget& target, const Branch& branch,
                                  std::span<char> out);

}  // namespace fedge::sip
