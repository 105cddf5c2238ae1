#include "firmware/snapshot/checksum.h"

#include <xxhash.h>

#include <cstdlib>
#include <cstring>

#include "firmware/snapshot/layout.h"

namespace fedge::snapshot {

std::array<uint64_t, 2> checksum_of(Bytes section) {
  SectionHeader header;
  std::memcpy(&header, section.data(), sizeof header);
  header.checksum[0] = header.checksum[1] = 0;
  XXH3_state_t* state = XXH3_createState();
  if (state == nullptr) std::abort();  // out of memory
  XXH3_128bits_reset(state);
  XXH3_128bits_update(state, &header, sizeof header);
  XXH3_128bits_update(state, section.data() + sizeof header, section.size() - sizeof header);
  const XXH128_hash_t hash = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  return {hash.low64, hash.high64};
}

uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace fedge::snapshot
