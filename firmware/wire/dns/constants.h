// Constants of the DNS wire format: RFC 1035, 2782 (SRV), 3596 (AAAA), 6891 (EDNS0).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fedge::dns {

enum class Type : uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  aaaa = 28,
  srv = 33,
  opt = 41,
};

enum class Rcode : uint16_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_error = 3,  // NXDOMAIN
  not_implemented = 4,
  refused = 5,
  bad_version = 16,  // needs OPT
};

inline constexpr uint16_t kPort = 53;
inline constexpr uint16_t kClassInternet = 1;
inline constexpr size_t kHeaderSize = 12;
inline constexpr size_t kLongestName = 255;  // on the wire, with the root's octet
inline constexpr size_t kLongestLabel = 63;
inline constexpr size_t kLargestMessage = 65535;
// What we say we take over UDP: fits in any path's MTU without fragments (RFC 9715 section 3).
inline constexpr uint16_t kUdpPayload = 1232;
// A compressed name has no reason for more jumps than a name has labels.
inline constexpr unsigned kMostJumps = 127;
// CNAMEs followed, in one message or over several.
inline constexpr unsigned kMostAliases = 8;
// Records of one answer that are kept; no partner needs more, and memory stays bounded.
inline constexpr size_t kMostRecords = 32;

}  // namespace fedge::dns
