// RTP and RTCP headers as views (RFC 3550 sections 5 and 6): what a relay needs to tell media from
// noise and to count loss and jitter. Payloads are nobody's business here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/wire/rtp/constants.h"

namespace fedge::rtp {

enum class Malformed : uint8_t {
  none,
  header_short,
  version,
  contributors,  // more CSRCs than octets
  extension,     // the header extension runs over the end
  padding,       // more padding than payload, or none where there should be
  rtcp_type,     // not 192 to 223
  rtcp_length,   // a packet of a compound runs over the end
  rtcp_first,    // padded, or no report where RFC 3550 wants one
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::rtcp_first) + 1;
std::string_view text(Malformed reason);

// Behind SRTP's header everything is encrypted: padding says nothing to us.
enum class Protection : uint8_t { none, srtp };

struct Packet {
  bool marker = false;
  uint8_t payload_type = 0;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  uint8_t contributors = 0;
  Bytes payload;  // behind CSRCs and extension, without padding; with SRTP also its tag
};
Malformed parse_rtp(Bytes datagram, Protection protection, Packet& out);

// RFC 5761: which of the two a datagram on a shared port is. By its second octet alone.
inline bool is_rtcp(Bytes datagram) {
  return datagram.size() >= 2 && std::to_integer<uint8_t>(datagram[1]) >= kFirstRtcpType &&
         std::to_integer<uint8_t>(datagram[1]) <= kLastRtcpType;
}

// One packet of a compound, or a whole SRTCP datagram up to its SSRC.
struct RtcpPacket {
  uint8_t type = 0;
  uint8_t count = 0;  // reports, sources or a subtype
  uint32_t ssrc = 0;  // of the sender; 0 when the packet has none
  Bytes body;         // behind the header
};

// Checks a datagram whole (RFC 3550 appendix A.2): every length agrees, only the last packet is
// padded, and a compound begins with a report. A single feedback packet passes (RFC 5506). Of
// SRTCP only the first packet's head can be checked.
Malformed parse_rtcp(Bytes datagram, Protection protection);
// Takes the next packet off a datagram that parse_rtcp() found whole. False at the end.
bool take_rtcp(Bytes& rest, RtcpPacket& out);

struct ReportBlock {
  uint32_t ssrc = 0;
  uint8_t fraction_lost = 0;      // of 256, since the last report
  int32_t lost = 0;               // cumulative; duplicates make it negative
  uint32_t highest_sequence = 0;  // with its cycles
  uint32_t jitter = 0;            // in the clock's units
  uint32_t last_report = 0;       // middle 32 bits of the NTP time
  uint32_t delay = 0;             // since then, in 1/65536 s
};
// The i-th block of a sender or receiver report; nothing when there is none.
std::optional<ReportBlock> read_report(const RtcpPacket& packet, unsigned i);

}  // namespace fedge::rtp
