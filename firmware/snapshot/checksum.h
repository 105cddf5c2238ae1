// The two hashes of a section: over all of it, and of one text. Internal to firmware/snapshot.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/bytes.h"

namespace fedge::snapshot {

// XXH3-128 with the header's checksum words taken as zero; `section` has at least a header.
std::array<uint64_t, 2> checksum_of(Bytes section);
// XXH3-64.
uint64_t hash_of(std::string_view text);

}  // namespace fedge::snapshot
