// What makes our Record-Route hard to forge (T4): a partner that names one of our systems by
// Route has been given that name by us, for this dialog. It outlives the process: its key does.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/pki/cmac.h"

namespace fedge::sip {

// 96 bits in hexadecimal.
inline constexpr size_t kRouteMacSize = 24;
using RouteMacText = std::array<char, kRouteMacSize>;

// AES-CMAC: a dialog with a partner asks for it with nearly every request. One thread only.
class RouteMac {
 public:
  // A secret of any size.
  explicit RouteMac(Bytes secret);

  // Of the next hop of that key (NextHops) in the dialogs of that Call-ID.
  std::string_view write(uint32_t next_hop, std::string_view call_id, RouteMacText& out);
  bool verify(uint32_t next_hop, std::string_view call_id, std::string_view text);

  // Of a text of fixed length in the dialogs of that Call-ID; never equal to one of a next hop,
  // whose key is not 0.
  std::string_view write(std::string_view subject, std::string_view call_id, RouteMacText& out);
  bool verify(std::string_view subject, std::string_view call_id, std::string_view text);

 private:
  std::string_view write(Bytes head, std::string_view subject, std::string_view call_id,
                         RouteMacText& out);
  pki::Cmac cmac_;
};

}  // namespace fedge::sip
