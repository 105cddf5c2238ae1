#include "dataplane/sip/route_mac.h"

namespace fedge::sip {

RouteMac::RouteMac(Bytes key) : hmac_(pki::Hash::sha256) { hmac_.set_key(key); }

std::string_view RouteMac::write(uint32_t next_hop, std::string_view call_id, RouteMacText& out) {
  std::array<std::byte, 4> key;
  store_be32(key.data(), next_hop);
  const pki::DigestValue digest = hmac_.compute({key, as_bytes(call_id)});
  for (size_t i = 0; i < out.size(); ++i) {
    const auto octet = std::to_integer<unsigned>(digest.bytes()[i / 2]);
    out[i] = "0123456789abcdef"[(i % 2 == 0 ? octet >> 4 : octet) & 15];
  }
  return {out.data(), out.size()};
}

bool RouteMac::verify(uint32_t next_hop, std::string_view call_id, std::string_view text) {
  if (text.size() != kRouteMacSize) return false;
  RouteMacText expected;
  return pki::are_equal_secretly(as_bytes(write(next_hop, call_id, expected)), as_bytes(text));
}

}  // namespace fedge::sip
