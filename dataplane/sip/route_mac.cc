#include "dataplane/sip/route_mac.h"

#include "firmware/pki/digest.h"

namespace fedge::sip {

namespace {

pki::DigestValue key_of(Bytes secret) {
  pki::Hmac hmac(pki::Hash::sha256);
  hmac.set_key(secret);
  return hmac.compute({as_bytes("AES-CMAC")});
}

}  // namespace

RouteMac::RouteMac(Bytes secret)
    : cmac_(Bytes(key_of(secret).bytes()).first<pki::Cmac::kKeySize>()) {}

std::string_view RouteMac::write(Bytes head, std::string_view subject, std::string_view call_id,
                                 RouteMacText& out) {
  const pki::Cmac::Code code = cmac_.compute({head, as_bytes(subject), as_bytes(call_id)});
  for (size_t i = 0; i < out.size(); ++i) {
    const auto octet = std::to_integer<unsigned>(code[i / 2]);
    out[i] = "0123456789abcdef"[(i % 2 == 0 ? octet >> 4 : octet) & 15];
  }
  return {out.data(), out.size()};
}

std::string_view RouteMac::write(uint32_t next_hop, std::string_view call_id, RouteMacText& out) {
  std::array<std::byte, 4> key;
  store_be32(key.data(), next_hop);
  return write(Bytes(key), {}, call_id, out);
}

bool RouteMac::verify(uint32_t next_hop, std::string_view call_id, std::string_view text) {
  if (text.size() != kRouteMacSize) return false;
  RouteMacText expected;
  return pki::are_equal_secretly(as_bytes(write(next_hop, call_id, expected)), as_bytes(text));
}

std::string_view RouteMac::write(std::string_view subject, std::string_view call_id,
                                 RouteMacText& out) {
  const std::array<std::byte, 4> nobody{};
  return write(Bytes(nobody), subject, call_id, out);
}

bool RouteMac::verify(std::string_view subject, std::string_view call_id, std::string_view text) {
  if (text.size() != kRouteMacSize) return false;
  RouteMacText expected;
  return pki::are_equal_secretly(as_bytes(write(subject, call_id, expected)), as_bytes(text));
}

}  // namespace fedge::sip
