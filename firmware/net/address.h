// IP addresses, prefixes and endpoints, version 4 and 6, as plain data.
#pragma once

#include <netinet/in.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fedge {

// Trivially copyable, fixed layout: stands in snapshot sections as it is. Version 4 keeps its
// four octets first and zeros behind.
struct IpAddress {
  std::array<uint8_t, 16> octets{};
  uint8_t family = 0;  // 4, 6, or 0 for "none"

  static IpAddress v4(uint32_t host_order);
  static IpAddress v6(const std::array<uint8_t, 16>& octets) { return {octets, 6}; }
  // Text forms of RFC 791 dotted quad (no leading zeros) and RFC 4291; no zone, no brackets.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const { return family == 4; }
  bool is_v6() const { return family == 6; }
  explicit operator bool() const { return family != 0; }
  uint32_t v4_host_order() const;
  unsigned bits() const { return is_v4() ? 32 : 128; }
  // RFC 5952 text.
  std::string text() const;
  bool is_loopback() const;
  bool is_multicast() const;
  bool is_unspecified() const;
  bool is_link_local() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};
static_assert(sizeof(IpAddress) == 17);

struct Prefix {
  IpAddress address;  // bits behind `length` are kept as given (an interface address)
  uint8_t length = 0;

  // "192.0.2.1/24", "2001:db8::/32"; without a length the whole address.
  static std::optional<Prefix> parse(std::string_view text);
  bool contains(const IpAddress& other) const;
  std::string text() const;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  // "192.0.2.1:5061", "[2001:db8::1]:5061".
  static std::optional<Endpoint> parse(std::string_view text);
  std::string text() const;
  // Returns the length to hand to the socket call.
  socklen_t to_sockaddr(sockaddr_storage& out) const;
  static Endpoint from_sockaddr(const sockaddr_storage& in);
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace fedge
