// What a process's secret becomes. From an XXH3 hash (hash.h) and what was hashed its seed can be
// computed, and peers see our hashes: loop marks and tags. So each use has a seed of its own, which
// does not lead back to the secret, and what names a transaction outside is no hash: whoever could
// guess it would answer for others.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/pki/cmac.h"

namespace fedge::sip {

// For hash_of(). `use` is a word of the caller's.
uint64_t derive_seed(uint64_t secret, std::string_view use);

// Numbers that cannot be guessed from others of them: an AES-CMAC over a count.
class Nonces {
 public:
  // Streams of one secret have nothing in common.
  Nonces(uint64_t secret, uint32_t stream);
  uint64_t next();

 private:
  pki::Cmac cmac_;
  uint32_t stream_;
  uint64_t count_ = 0;
  uint64_t second_ = 0;  // a code is enough for two
};

}  // namespace fedge::sip
