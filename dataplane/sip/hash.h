// Keyed hashing of message parts: XXH3 with the proxy's secret as seed.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace fedge::sip {

inline uint64_t hash_of(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}
inline uint64_t hash_of(uint64_t number, uint64_t seed) {
  return XXH3_64bits_withSeed(&number, sizeof number, seed);
}

}  // namespace fedge::sip
