#include "dataplane/sip/branch.h"

#include <cstring>

#include "dataplane/sip/hash.h"
#include "firmware/wire/sip/constants.h"

namespace fedge::sip {

namespace {

constexpr size_t kLoopDigits = 16;

char* write_hex(char* out, uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = "0123456789abcdef"[value & 15];
    value >>= 4;
  }
  return out + digits;
}

bool read_hex(std::string_view text, uint64_t& value) {
  value = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string_view write_branch(const Branch& branch, BranchText& out) {
  std::memcpy(out.data(), kBranchCookie.data(), kBranchCookie.size());
  char* p = write_hex(out.data() + kBranchCookie.size(), branch.index, 8);
  *p++ = '.';
  p = write_hex(p, branch.nonce, 16);
  *p++ = '.';
  write_hex(p, branch.loop, kLoopDigits);
  return {out.data(), out.size()};
}

std::optional<Branch> parse_branch(std::string_view text) {
  if (text.size() != kBranchSize || !text.starts_with(kBranchCookie)) return {};
  if (text[15] != '.' || text[32] != '.') return {};
  Branch branch;
  uint64_t index = 0;
  if (!read_hex(text.substr(7, 8), index) || !read_hex(text.substr(16, 16), branch.nonce) ||
      !read_hex(text.substr(33), branch.loop)) {
    return {};
  }
  branch.index = static_cast<uint32_t>(index);
  return branch;
}

std::optional<uint32_t> worker_of_branch(std::string_view text) {
  const auto branch = parse_branch(text);
  if (!branch || branch->index == kStateless) return {};
  return branch->index >> kWorkerShift;
}

uint64_t loop_hash(const Message& request, uint64_t secret) {
  uint64_t h = hash_of(request.request_uri, secret);
  h = hash_of(request.call_id, h);
  h = hash_of(request.from_tag, h);
  h = hash_of(request.to_tag, h + request.cseq);
  for (const Header& header : request.headers()) {
    if (header.id == HeaderId::route || header.id == HeaderId::proxy_require) {
      h = hash_of(header.value, h);
    }
  }
  return h;
}

bool has_looped(const Message& request, uint64_t loop) {
  char text[1 + kLoopDigits] = {'.'};
  write_hex(text + 1, loop, kLoopDigits);
  const std::string_view mark(text, sizeof text);
  for (const Header& header : request.headers()) {
    if (header.id != HeaderId::via || header.value.size() < kBranchSize) continue;
    if (memmem(header.value.data(), header.value.size(), mark.data(), mark.size()) != nullptr) {
      return true;
    }
  }
  return false;
}

}  // namespace fedge::sip
