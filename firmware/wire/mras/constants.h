// Constants of the A/V authentication service, [MS-AVEDGEA]: what clients and pools ask for media
// relay credentials with.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fedge::mras {

// Of the SERVICE request's body and its answer's. Another method or another type is refused by SIP
// alone, without a body, the latter with this type in Accept (section 3.1.5.1).
inline constexpr std::string_view kContentType = "application/msrtc-media-relay-auth+xml";
inline constexpr std::string_view kNamespace = "http://schemas.microsoft.com/2006/09/sip/mrasp";

inline constexpr size_t kMostCredentials = 100;  // credentialsRequest elements in a request
inline constexpr size_t kLongestId = 64;         // characters (section 2.2.4.8)
inline constexpr size_t kLongestVersion = 5;     // octets (section 2.2.4.12)

// How long credentials live, in minutes: what a request without a duration gets, and the bounds.
inline constexpr uint32_t kDefaultMinutes = 480;
inline constexpr uint32_t kFewestMinutes = 1;
inline constexpr uint32_t kMostMinutes = 180 * 24 * 60;

struct Version {
  uint16_t major = 0;
  uint16_t minor = 0;
  friend auto operator<=>(const Version&, const Version&) = default;
};
// The ones that are spoken here, lowest first. What they differ in is not documented but for
// serverVersion, which a client of 1.0 must not see (section 3.1.5.3).
struct SpokenVersion {
  Version version;
  std::string_view text;
};
inline constexpr std::array<SpokenVersion, 3> kVersions{
    {{{1, 0}, "1.0"}, {{2, 0}, "2.0"}, {{3, 0}, "3.0"}}};

// Where a client is, and which side of the edge a relay's address is on (section 2.2.4.2).
enum class Location : uint8_t { intranet, internet };
std::string_view text(Location location);

// What a client wants to be told of a relay: the pool's name, or one appliance's address.
enum class Route : uint8_t { load_balanced, direct_ip };

// The answer's reasonPhrase (section 2.2.4.7). But for `ok` there are no credentials in it.
enum class Reason : uint8_t {
  ok,
  request_malformed,  // not of the schema, or a from or to that is no SIP URI
  request_too_large,  // more than kMostCredentials
  not_supported,
  server_busy,
  time_out,
  forbidden,
  internal_server_error,
  other_failure,
  version_mismatch,
};
std::string_view text(Reason reason);

}  // namespace fedge::mras
