// The branch of our own Via (RFC 3261 8.1.1.7, 16.6 step 8): the cookie, the client transaction's
// place and nonce, by which a response finds it without a search, and a keyed hash of what the
// request was routed by, by which a request that comes round again is known as a loop.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/via.h"

namespace fedge::sip {

// "z9hG4bK" index "." nonce "." loop hash, in hexadecimal.
inline constexpr size_t kBranchSize = 7 + 8 + 1 + 16 + 1 + 16;
using BranchText = std::array<char, kBranchSize>;

// The index of a request that was forwarded without a transaction (ACK of a 2xx).
inline constexpr uint32_t kStateless = 0xffffffff;

// The upper bits of an index say which worker's transaction it is.
inline constexpr uint32_t kWorkerShift = 28;
inline constexpr uint32_t kMostWorkers = 1u << (32 - kWorkerShift);

struct Branch {
  uint32_t index = 0;
  uint64_t nonce = 0;
  uint64_t loop = 0;
};

// Of a SendToken, whose lower half is such an index.
inline uint32_t worker_of(uint64_t token) { return static_cast<uint32_t>(token) >> kWorkerShift; }
// The worker whose client transaction a branch of ours names; nullopt when the text is none, or
// belongs to no transaction.
std::optional<uint32_t> worker_of_branch(std::string_view text);

std::string_view write_branch(const Branch& branch, BranchText& out);
// Nullopt when the text is not one of ours by its form.
std::optional<Branch> parse_branch(std::string_view text);

// RFC 3261 16.6 step 8 and RFC 5393 4.2.2: To and From tags, Call-ID, CSeq number, the Request-URI
// as received, every Route and Proxy-Require. The topmost Via is left out: it differs each time
// round.
uint64_t loop_hash(const Message& request, uint64_t secret);
// RFC 3261 16.3 step 4: one of the Via values carries a branch of ours with this hash.
bool has_looped(const Message& request, uint64_t loop);

}  // namespace fedge::sip
