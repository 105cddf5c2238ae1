// Addresses as packets are matched by: sixteen octets, IPv4 as ::ffff:a.b.c.d, compared as two
// words.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "firmware/net/address.h"

namespace fedge::media {

struct Address {
  std::array<uint64_t, 2> words{};  // in network order; both zero: none

  static Address of(const IpAddress& ip) {
    Address out;
    if (ip.is_v6()) {
      std::memcpy(out.words.data(), ip.octets.data(), 16);
    } else if (ip.is_v4()) {
      uint32_t octets;
      std::memcpy(&octets, ip.octets.data(), 4);
      out.words[1] = kMapped | uint64_t{octets} << 32;
    }
    return out;
  }
  // `octets` as they stand in an IPv4 header.
  static Address of_v4_octets(uint32_t octets) {
    Address out;
    out.words[1] = kMapped | uint64_t{octets} << 32;
    return out;
  }
  bool is_v4() const { return words[0] == 0 && (words[1] & 0xffffffff) == kMapped; }
  explicit operator bool() const { return (words[0] | words[1]) != 0; }
  // Octets as they stand in an IPv4 header.
  uint32_t v4_octets() const { return static_cast<uint32_t>(words[1] >> 32); }
  IpAddress ip() const {
    IpAddress out;
    if (is_v4()) {
      const uint32_t octets = v4_octets();
      std::memcpy(out.octets.data(), &octets, 4);
      out.family = 4;
    } else if (*this) {
      std::memcpy(out.octets.data(), words.data(), 16);
      out.family = 6;
    }
    return out;
  }
  friend bool operator==(const Address& a, const Address& b) {
    return ((a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1])) == 0;
  }

 private:
  static_assert(std::endian::native == std::endian::little);
  static constexpr uint64_t kMapped = 0xffff0000;
};

}  // namespace fedge::media
