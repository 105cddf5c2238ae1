#include "firmware/wire/stun/attributes.h"

#include <algorithm>
#include <cstring>

namespace fedge::stun {

std::optional<Endpoint> read_address(Bytes value) {
  if (value.size() < kAttributeHeaderSize) return std::nullopt;
  Endpoint endpoint;
  const auto family = static_cast<Family>(value[1]);  // the first octet is to be ignored
  const size_t size = family == Family::ipv4 ? 4 : 16;
  if (family != Family::ipv4 && family != Family::ipv6) return std::nullopt;
  if (value.size() != 4 + size) return std::nullopt;
  endpoint.port = load_be16(&value[2]);
  endpoint.address.family = family == Family::ipv4 ? 4 : 6;
  std::memcpy(endpoint.address.octets.data(), &value[4], size);
  return endpoint;
}

std::optional<Endpoint> read_xor_address(Bytes value, const Transaction& transaction) {
  auto endpoint = read_address(value);
  if (!endpoint) return std::nullopt;
  endpoint->port ^= load_be16(transaction.data());
  const size_t size = endpoint->address.is_v4() ? 4 : 16;
  for (size_t i = 0; i < size; ++i)
    endpoint->address.octets[i] ^= std::to_integer<uint8_t>(transaction[i]);
  return endpoint;
}

std::optional<uint32_t> read_number(Bytes value) {
  if (value.size() != 4) return std::nullopt;
  return load_be32(value.data());
}

std::optional<uint64_t> read_long_number(Bytes value) {
  if (value.size() != 8) return std::nullopt;
  return uint64_t{load_be32(value.data())} << 32 | load_be32(&value[4]);
}

std::optional<ErrorCode> read_error_code(Bytes value) {
  if (value.size() < 4 || value.size() > 4 + kLongestReason) return std::nullopt;
  const auto hundreds = std::to_integer<uint16_t>(value[2] & std::byte{7});
  const auto number = std::to_integer<uint16_t>(value[3]);
  if (hundreds < 3 || hundreds > 6 || number > 99) return std::nullopt;
  return ErrorCode{static_cast<uint16_t>(hundreds * 100 + number), as_text(value.subspan(4))};
}

std::optional<size_t> read_unknown_attributes(Bytes value, std::span<uint16_t> out) {
  if (value.size() % 2 != 0) return std::nullopt;
  const size_t count = std::min(value.size() / 2, out.size());
  for (size_t i = 0; i < count; ++i) out[i] = load_be16(&value[2 * i]);
  return count;
}

bool take_password_algorithm(Bytes& rest, PasswordAlgorithm& algorithm) {
  if (rest.size() < 4) return false;
  const size_t size = load_be16(&rest[2]);
  if (rest.size() - 4 < size) return false;
  algorithm = {load_be16(rest.data()), rest.subspan(4, size)};
  // The last one's padding may be the attribute's own, which is not in its length.
  rest = rest.subspan(std::min(rest.size(), 4 + ((size + 3) & ~size_t{3})));
  return true;
}

std::optional<PasswordAlgorithm> read_password_algorithm(Bytes value) {
  PasswordAlgorithm algorithm;
  if (!take_password_algorithm(value, algorithm) || !value.empty()) return std::nullopt;
  return algorithm;
}

std::optional<uint16_t> read_response_port(Bytes value) {
  if (value.size() != 2 && value.size() != 4) return std::nullopt;
  return load_be16(value.data());
}

static constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<uint32_t> read_security_features(std::string_view nonce) {
  if (nonce.size() < kNonceCookieSize || !nonce.starts_with(kNonceCookie)) return std::nullopt;
  uint32_t features = 0;
  for (const char c : nonce.substr(kNonceCookie.size(), 4)) {
    const size_t digit = kBase64.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    features = features << 6 | static_cast<uint32_t>(digit);
  }
  return features;
}

void write_nonce_cookie(std::span<char, kNonceCookieSize> out, uint32_t features) {
  std::memcpy(out.data(), kNonceCookie.data(), kNonceCookie.size());
  for (size_t i = 0; i < 4; ++i)
    out[kNonceCookie.size() + i] = kBase64[features >> (18 - 6 * i) & 63];
}

}  // namespace fedge::stun
