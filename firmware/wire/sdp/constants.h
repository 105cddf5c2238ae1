// Constants of SDP (RFC 8866) and of the attributes that name addresses and ports: RFC 3605 (rtcp),
// 5761 (rtcp-mux), 8839 (ICE).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fedge::sdp {

inline constexpr std::string_view kContentType = "application/sdp";
inline constexpr std::string_view kCrlf = "\r\n";

inline constexpr size_t kLargest = 65535;  // octets of a description
inline constexpr size_t kMostLines = 1024;
inline constexpr size_t kMostMedia = 32;

inline constexpr std::string_view kRtcp = "rtcp";
inline constexpr std::string_view kRtcpMux = "rtcp-mux";
inline constexpr std::string_view kRtpmap = "rtpmap";
inline constexpr std::string_view kCandidate = "candidate";
// All that ICE adds (RFC 8839, 8840); whoever strips ICE strips these.
inline constexpr std::string_view kIceAttributes[] = {
    "candidate",        "remote-candidates", "ice-ufrag",  "ice-pwd",           "ice-options",
    "ice-lite",         "ice-mismatch",      "ice-pacing", "end-of-candidates",
    "x-candidate-ipv6",  // of Lync: candidates for those who know IPv6
};

}  // namespace fedge::sdp
