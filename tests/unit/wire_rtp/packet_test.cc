#include "firmware/wire/rtp/packet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace fedge::rtp {
namespace {

using namespace std::string_view_literals;

std::string be16(uint32_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string be32(uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); }

std::string rtp(uint8_t first, uint8_t second, std::string_view rest) {
  return std::string{static_cast<char>(first), static_cast<char>(second)} + be16(7) + be32(160) +
         be32(0xcafe) + std::string(rest);
}

std::string rtcp(uint8_t first, uint8_t type, std::string_view body) {
  return std::string{static_cast<char>(first), static_cast<char>(type)} +
         be16(static_cast<uint32_t>(body.size() / 4)) + std::string(body);
}

std::string report_block(uint32_t ssrc) {
  return be32(ssrc) + be32(0x40fffffe) + be32(0x00012345) + be32(99) + be32(5) + be32(6);
}

Malformed fault_of(std::string_view text, Protection protection = Protection::none) {
  Packet packet;
  return parse_rtp(as_bytes(text), protection, packet);
}
Malformed rtcp_fault_of(std::string_view text, Protection protection = Protection::none) {
  return parse_rtcp(as_bytes(text), protection);
}

TEST(M6_Rtp, ReadsTheHeader) {
  const std::string whole =
      rtp(0x92, 0x88, be32(1) + be32(2) + std::string("\xbe\xde\0\1abcd", 8) + "payload");
  Packet packet;
  ASSERT_EQ(parse_rtp(as_bytes(whole), Protection::none, packet), Malformed::none);
  EXPECT_TRUE(packet.marker);
  EXPECT_EQ(packet.payload_type, 8);
  EXPECT_EQ(packet.sequence, 7);
  EXPECT_EQ(packet.timestamp, 160u);
  EXPECT_EQ(packet.ssrc, 0xcafeu);
  EXPECT_EQ(packet.contributors, 2);
  EXPECT_EQ(as_text(packet.payload), "payload");
  for (size_t size = 0; size < 28; ++size)
    EXPECT_NE(fault_of(whole.substr(0, size)), Malformed::none) << size;
}

TEST(M6_Rtp, SaysWhatIsWrong) {
  EXPECT_EQ(fault_of(rtp(0x80, 0, "")), Malformed::none);
  EXPECT_EQ(fault_of("\x80\0\0"sv), Malformed::header_short);
  for (const uint8_t first : {0x00, 0x40, 0xc0})
    EXPECT_EQ(fault_of(rtp(first, 0, "")), Malformed::version);
  EXPECT_EQ(fault_of(rtp(0x81, 0, "abc")), Malformed::contributors);
  EXPECT_EQ(fault_of(rtp(0x90, 0, "abc")), Malformed::extension);
  EXPECT_EQ(fault_of(rtp(0x90, 0, "\0\0\0\2abcd"sv)), Malformed::extension);
  EXPECT_EQ(fault_of(rtp(0xa0, 0, "")), Malformed::padding);
  EXPECT_EQ(fault_of(rtp(0xa0, 0, "ab\0"sv)), Malformed::padding);
  EXPECT_EQ(fault_of(rtp(0xa0, 0, "ab\4"sv)), Malformed::padding);
  EXPECT_EQ(fault_of(rtp(0xa0, 0, "ab\4"sv), Protection::srtp), Malformed::none);
  Packet packet;
  const std::string padded = rtp(0xa0, 0, "abc\0\2"sv);
  ASSERT_EQ(parse_rtp(as_bytes(padded), Protection::none, packet), Malformed::none);
  EXPECT_EQ(as_text(packet.payload), "abc");
}

TEST(M6_Rtp, EveryReasonHasItsOwnText) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < kMalformedCount; ++i) {
    const auto label = text(static_cast<Malformed>(i));
    EXPECT_FALSE(label.empty());
    EXPECT_EQ(std::ranges::find(seen, label), seen.end()) << label;
    seen.push_back(label);
  }
}

TEST(M6_Rtp, IsToldFromRtcpOnOnePort) {
  EXPECT_FALSE(is_rtcp(as_bytes("\x80"sv)));
  EXPECT_FALSE(is_rtcp(as_bytes("\x80\x08"sv)));
  EXPECT_FALSE(is_rtcp(as_bytes("\x80\xbf"sv)));
  EXPECT_TRUE(is_rtcp(as_bytes("\x80\xc0"sv)));
  EXPECT_TRUE(is_rtcp(as_bytes("\x80\xdf"sv)));
  EXPECT_FALSE(is_rtcp(as_bytes("\x80\xe0"sv)));  // a marker and payload type 96
}

TEST(M6_Rtcp, ReadsCompounds) {
  const std::string text =
      rtcp(0x82, 200,
           be32(1) + std::string(kSenderInfoSize, 'i') + report_block(2) + report_block(3)) +
      rtcp(0x81, 202, be32(1) + std::string("\1\2me\0\0\0\0", 8)) + rtcp(0xa0, 203, "pad\4");
  ASSERT_EQ(rtcp_fault_of(text), Malformed::none);
  Bytes rest = as_bytes(text);
  RtcpPacket packet;
  ASSERT_TRUE(take_rtcp(rest, packet));
  EXPECT_EQ(packet.type, 200);
  EXPECT_EQ(packet.ssrc, 1u);
  const auto report = read_report(packet, 1);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->ssrc, 3u);
  EXPECT_EQ(report->fraction_lost, 0x40);
  EXPECT_EQ(report->lost, -2);
  EXPECT_EQ(report->highest_sequence, 0x12345u);
  EXPECT_EQ(report->jitter, 99u);
  EXPECT_EQ(report->last_report, 5u);
  EXPECT_EQ(report->delay, 6u);
  EXPECT_FALSE(read_report(packet, 2));
  ASSERT_TRUE(take_rtcp(rest, packet));
  EXPECT_FALSE(read_report(packet, 0));
  ASSERT_TRUE(take_rtcp(rest, packet));
  EXPECT_FALSE(take_rtcp(rest, packet));
  for (size_t size = 0; size < text.size(); ++size) {
    const bool is_boundary = size == 4 + 4 + 20 + 48 || size == 76 + 16;
    EXPECT_EQ(rtcp_fault_of(text.substr(0, size)) == Malformed::none, is_boundary) << size;
  }
}

TEST(M6_Rtcp, SaysWhatIsWrong) {
  const std::string report = rtcp(0x80, 201, be32(1));
  EXPECT_EQ(rtcp_fault_of(report), Malformed::none);
  EXPECT_EQ(rtcp_fault_of("\x80\xc9"sv), Malformed::header_short);
  EXPECT_EQ(rtcp_fault_of(rtcp(0x40, 201, be32(1))), Malformed::version);
  EXPECT_EQ(rtcp_fault_of(rtcp(0x80, 8, be32(1))), Malformed::rtcp_type);
  EXPECT_EQ(rtcp_fault_of("\x80\xc9\0\2abcd"sv), Malformed::rtcp_length);
  EXPECT_EQ(rtcp_fault_of(rtcp(0x81, 201, be32(1))), Malformed::rtcp_length);
  EXPECT_EQ(rtcp_fault_of(rtcp(0x80, 202, be32(1))), Malformed::rtcp_first);
  EXPECT_EQ(rtcp_fault_of(rtcp(0x81, 206, be32(1) + be32(2))), Malformed::none);  // RFC 5506
  EXPECT_EQ(rtcp_fault_of(rtcp(0x81, 206, be32(1)) + report), Malformed::rtcp_first);
  EXPECT_EQ(rtcp_fault_of(rtcp(0xa0, 201, be32(1)) + report), Malformed::rtcp_first);
  EXPECT_EQ(rtcp_fault_of(report + rtcp(0xa0, 203, "pad\3")), Malformed::padding);
  EXPECT_EQ(rtcp_fault_of(report + rtcp(0xa0, 203, "pad\x08")), Malformed::padding);
  EXPECT_EQ(rtcp_fault_of(report + rtcp(0xa0, 203, "pad\4") + report), Malformed::padding);
  EXPECT_EQ(rtcp_fault_of(report + rtcp(0x80, 8, "")), Malformed::rtcp_type);
}

TEST(M6_Rtcp, OfSrtcpOnlyTheHeadIsRead) {
  const std::string sealed = rtcp(0x81, 200, be32(1) + "encrypted, tag and all..");
  EXPECT_EQ(rtcp_fault_of(sealed), Malformed::rtcp_length);
  EXPECT_EQ(rtcp_fault_of(sealed, Protection::srtp), Malformed::none);
  EXPECT_EQ(rtcp_fault_of(rtcp(0x80, 200, ""), Protection::srtp), Malformed::header_short);
  EXPECT_EQ(rtcp_fault_of("\x80\x08\0\0abcd"sv, Protection::srtp), Malformed::rtcp_type);
}

}  // namespace
}  // namespace fedge::rtp
