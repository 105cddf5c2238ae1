#include "firmware/net/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "firmware/base/bytes.h"

namespace fedge {

namespace {

template <class T>
std::optional<T> parse_number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value > most) {
    return std::nullopt;
  }
  return static_cast<T>(value);
}

}  // namespace

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress a;
  store_be32(a.octets.data(), host_order);
  a.family = 4;
  return a;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress a;
  const bool six = text.find(':') != std::string_view::npos;
  if (::inet_pton(six ? AF_INET6 : AF_INET, buffer, a.octets.data()) != 1) return std::nullopt;
  a.family = six ? 6 : 4;
  return a;
}

uint32_t IpAddress::v4_host_order() const { return load_be32(octets.data()); }

std::string IpAddress::text() const {
  if (family == 0) return "-";
  char buffer[INET6_ADDRSTRLEN];
  ::inet_ntop(is_v6() ? AF_INET6 : AF_INET, octets.data(), buffer, sizeof buffer);
  return buffer;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets[0] == 127;
  static constexpr std::array<uint8_t, 16> one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return octets == one;
}

bool IpAddress::is_multicast() const {
  return is_v4() ? (octets[0] & 0xf0) == 0xe0 : octets[0] == 0xff;
}

bool IpAddress::is_unspecified() const { return octets == std::array<uint8_t, 16>{}; }

bool IpAddress::is_link_local() const {
  if (is_v4()) return octets[0] == 169 && octets[1] == 254;
  return octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) {
    return Prefix{*address, static_cast<uint8_t>(address->bits())};
  }
  const auto length = parse_number<uint8_t>(text.substr(slash + 1), address->bits());
  if (!length) return std::nullopt;
  return Prefix{*address, *length};
}

bool Prefix::contains(const IpAddress& other) const {
  if (other.family != address.family) return false;
  const unsigned whole = length / 8;
  if (std::memcmp(address.octets.data(), other.octets.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((address.octets[whole] ^ other.octets[whole]) & mask) == 0;
}

std::string Prefix::text() const { return address.text() + "/" + std::to_string(length); }

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  std::string_view host;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find("]:");
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
    if (host.find(':') == std::string_view::npos) return std::nullopt;
  } else {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto address = IpAddress::parse(host);
  const auto number = parse_number<uint16_t>(port, 65535);
  if (!address || !number) return std::nullopt;
  return Endpoint{*address, *number};
}

std::string Endpoint::text() const {
  if (address.is_v6()) return "[" + address.text() + "]:" + std::to_string(port);
  return address.text() + ":" + std::to_string(port);
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& out) const {
  out = {};
  if (address.is_v6()) {
    auto& six = reinterpret_cast<sockaddr_in6&>(out);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    std::memcpy(&six.sin6_addr, address.octets.data(), 16);
    return sizeof(sockaddr_in6);
  }
  auto& four = reinterpret_cast<sockaddr_in&>(out);
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  std::memcpy(&four.sin_addr, address.octets.data(), 4);
  return sizeof(sockaddr_in);
}

Endpoint Endpoint::from_sockaddr(const sockaddr_storage& in) {
  Endpoint e;
  if (in.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(in);
    std::memcpy(e.address.octets.data(), &six.sin6_addr, 16);
    e.address.family = 6;
    e.port = ntohs(six.sin6_port);
  } else if (in.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(in);
    std::memcpy(e.address.octets.data(), &four.sin_addr, 4);
    e.address.family = 4;
    e.port = ntohs(four.sin_port);
  }
  return e;
}

}  // namespace fedge
