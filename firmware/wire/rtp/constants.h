// Constants of RTP and RTCP: RFC 3550, 3551 (static payload types), 5761 (both on one port),
// 4585 (feedback), 3711 (SRTP).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fedge::rtp {

inline constexpr uint8_t kVersion = 2;
inline constexpr size_t kHeaderSize = 12;
inline constexpr size_t kRtcpHeaderSize = 4;
inline constexpr size_t kSenderInfoSize = 20;
inline constexpr size_t kReportBlockSize = 24;
// Header and SSRC: all of SRTCP that is in clear, and its trailer behind (RFC 3711 section 3.4).
inline constexpr size_t kSrtcpClearSize = 8;

// RFC 5761 section 4: RTCP has these in its second octet; RTP payload types 64 to 95 are not to be
// used where both share a port.
inline constexpr uint8_t kFirstRtcpType = 192;
inline constexpr uint8_t kLastRtcpType = 223;

enum class RtcpType : uint8_t {
  sender_report = 200,
  receiver_report = 201,
  source_description = 202,
  bye = 203,
  application = 204,
  transport_feedback = 205,
  payload_feedback = 206,
  extended_report = 207,
};

// RFC 3550 appendix A.1.
inline constexpr uint16_t kMostDropout = 3000;
inline constexpr uint16_t kMostMisorder = 100;
inline constexpr uint32_t kMinSequential = 2;

// Faster clocks than this do not exist; jitter is not counted by them.
inline constexpr uint32_t kFastestClock = 1'000'000;

// Clock of a static payload type (RFC 3551 section 6), ticks a second, as SDP's rtpmap would say; 0
// for one that only rtpmap tells.
constexpr uint32_t clock_of(uint8_t payload_type) {
  switch (payload_type) {
    case 6:
      return 16000;
    case 10:
    case 11:
      return 44100;
    case 14:
    case 25:
    case 26:
    case 28:
    case 31:
    case 32:
    case 33:
    case 34:
      return 90000;
    case 16:
      return 11025;
    case 17:
      return 22050;
    default:
      // 9 is G.722 with its historic clock; 13 comfort noise.
      return payload_type <= 18 ? 8000 : 0;
  }
}

}  // namespace fedge::rtp
