// Addresses as packets are matched by; they stand in session records.
#pragma once

#include "firmware/link/session_address.h"

namespace fedge::media {

// Both halves of a product: every bit of either factor reaches every bit.
inline uint64_t fold_product(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace fedge::media
