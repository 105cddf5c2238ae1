// What makes our Record-Route hard to forge (T4): a partner that names one of our systems by
// Route has been given that name by us, for this dialog. It outlives the process: its key does.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/pki/digest.h"

namespace fedge::sip {

// 96 bits in hexadecimal.
inline constexpr size_t kRouteMacSize = 24;
using RouteMacText = std::array<char, kRouteMacSize>;

// HMAC-SHA-256, some 1.1 µs each. One thread only.
class RouteMac {
 public:
  explicit RouteMac(Bytes key);

  // Of the next hop of that key (NextHops) in the dialogs of that Call-ID.
  std::string_view write(uint32_t next_hop, std::string_view call_id, RouteMacText& out);
  bool verify(uint32_t next_hop, std::string_view call_id, std::string_view text);

 private:
  pki::Hmac hmac_;
};

}  // namespace fedge::sip
