#include "firmware/wire/rtp/packet.h"

#include <array>

namespace fedge::rtp {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "header_short",
    "version",
    "contributors",
    "extension",
    "padding",
    "rtcp_type",
    "rtcp_length",
    "rtcp_first",
}};
static_assert(!kTexts.back().empty());

uint8_t octet(Bytes bytes, size_t at) { return std::to_integer<uint8_t>(bytes[at]); }
bool is_padded(Bytes bytes) { return (octet(bytes, 0) & 0x20) != 0; }

// The octets a packet of a compound takes by its length field.
size_t rtcp_size(Bytes packet) { return 4 * (size_t{load_be16(&packet[2])} + 1); }

bool is_report(uint8_t type) {
  return type == static_cast<uint8_t>(RtcpType::sender_report) ||
         type == static_cast<uint8_t>(RtcpType::receiver_report);
}
// RFC 5506 section 3: feedback may travel alone.
bool is_feedback(uint8_t type) {
  return type >= static_cast<uint8_t>(RtcpType::application) &&
         type <= static_cast<uint8_t>(RtcpType::extended_report);
}

size_t reports_at(uint8_t type) {
  return type == static_cast<uint8_t>(RtcpType::sender_report) ? 4 + kSenderInfoSize : 4;
}

Malformed check_rtcp_head(Bytes packet) {
  if (packet.size() < kRtcpHeaderSize) return Malformed::header_short;
  if (octet(packet, 0) >> 6 != kVersion) return Malformed::version;
  if (!is_rtcp(packet)) return Malformed::rtcp_type;
  if (rtcp_size(packet) > packet.size()) return Malformed::rtcp_length;
  return Malformed::none;
}

Malformed check_rtcp_packet(Bytes packet, bool is_last) {
  const uint8_t type = octet(packet, 1);
  size_t size = packet.size() - kRtcpHeaderSize;
  if (is_padded(packet)) {
    const uint8_t padding = octet(packet, packet.size() - 1);
    if (!is_last || padding == 0 || padding % 4 != 0 || padding > size) return Malformed::padding;
    size -= padding;
  }
  const size_t count = octet(packet, 0) & 0x1f;
  if (is_report(type) && size < reports_at(type) + count * kReportBlockSize)
    return Malformed::rtcp_length;
  return Malformed::none;
}

}  // namespace

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

Malformed parse_rtp(Bytes datagram, Protection protection, Packet& out) {
  if (datagram.size() < kHeaderSize) return Malformed::header_short;
  const uint8_t first = octet(datagram, 0);
  if (first >> 6 != kVersion) return Malformed::version;
  const uint8_t second = octet(datagram, 1);
  out.marker = (second & 0x80) != 0;
  out.payload_type = second & 0x7f;
  out.sequence = load_be16(&datagram[2]);
  out.timestamp = load_be32(&datagram[4]);
  out.ssrc = load_be32(&datagram[8]);
  out.contributors = first & 0x0f;
  size_t at = kHeaderSize + size_t{4} * out.contributors;
  if (at > datagram.size()) return Malformed::contributors;
  if ((first & 0x10) != 0) {
    if (datagram.size() - at < 4) return Malformed::extension;
    const size_t words = load_be16(&datagram[at + 2]);
    if (datagram.size() - at - 4 < 4 * words) return Malformed::extension;
    at += 4 + 4 * words;
  }
  out.payload = datagram.subspan(at);
  if (protection == Protection::none && is_padded(datagram)) {
    const size_t padding = out.payload.empty() ? 0 : octet(datagram, datagram.size() - 1);
    if (padding == 0 || padding > out.payload.size()) return Malformed::padding;
    out.payload = out.payload.first(out.payload.size() - padding);
  }
  return Malformed::none;
}

Malformed parse_rtcp(Bytes datagram, Protection protection) {
  Malformed reason = check_rtcp_head(datagram);
  if (reason != Malformed::none) return reason;
  const uint8_t first = octet(datagram, 1);
  if (protection == Protection::srtp)
    return datagram.size() < kSrtcpClearSize ? Malformed::header_short : Malformed::none;
  // RFC 3550 A.2: the first packet of a compound is a report, and not padded.
  const bool is_alone = rtcp_size(datagram) == datagram.size();
  if (!is_report(first) && !(is_alone && is_feedback(first))) return Malformed::rtcp_first;
  if (!is_alone && is_padded(datagram)) return Malformed::rtcp_first;
  while (!datagram.empty()) {
    reason = check_rtcp_head(datagram);
    if (reason != Malformed::none) return reason;
    const size_t size = rtcp_size(datagram);
    reason = check_rtcp_packet(datagram.first(size), size == datagram.size());
    if (reason != Malformed::none) return reason;
    datagram = datagram.subspan(size);
  }
  return Malformed::none;
}

bool take_rtcp(Bytes& rest, RtcpPacket& out) {
  if (check_rtcp_head(rest) != Malformed::none) return false;
  const size_t size = rtcp_size(rest);
  out.type = octet(rest, 1);
  out.count = octet(rest, 0) & 0x1f;
  out.body = rest.subspan(kRtcpHeaderSize, size - kRtcpHeaderSize);
  out.ssrc = out.body.size() < 4 ? 0 : load_be32(out.body.data());
  rest = rest.subspan(size);
  return true;
}

std::optional<ReportBlock> read_report(const RtcpPacket& packet, unsigned i) {
  if (!is_report(packet.type) || i >= packet.count) return std::nullopt;
  const size_t at = reports_at(packet.type) + i * kReportBlockSize;
  if (packet.body.size() < at + kReportBlockSize) return std::nullopt;
  const std::byte* block = &packet.body[at];
  ReportBlock report;
  report.ssrc = load_be32(block);
  const uint32_t lost = load_be32(block + 4);
  report.fraction_lost = static_cast<uint8_t>(lost >> 24);
  report.lost = static_cast<int32_t>(lost << 8) >> 8;  // 24 bits with their sign
  report.highest_sequence = load_be32(block + 8);
  report.jitter = load_be32(block + 12);
  report.last_report = load_be32(block + 16);
  report.delay = load_be32(block + 20);
  return report;
}

}  // namespace fedge::rtp
