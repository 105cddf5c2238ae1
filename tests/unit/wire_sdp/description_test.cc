#include "firmware/wire/sdp/description.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/unit/wire_sdp/descriptions.h"

namespace fedge::sdp::test {
namespace {

class M4_Description : public testing::Test {
 protected:
  Malformed read(const std::string& text) {
    text_ = text;
    return parse(text_, description_);
  }
  // The offer with the first occurrence of one text replaced by another.
  Malformed with(std::string_view old, std::string_view other) {
    std::string text = kOffer;
    text.replace(text.find(old), old.size(), other);
    return read(text);
  }
  std::string text_;
  Description description_;
};

TEST_F(M4_Description, ReadsAnOffer) {
  ASSERT_EQ(read(kOffer), Malformed::none);
  EXPECT_EQ(description_.origin.username, "-");
  EXPECT_EQ(description_.origin.session_id, "4");
  EXPECT_EQ(description_.origin.version, "7");
  EXPECT_EQ(description_.origin.connection.address, *IpAddress::parse("10.1.2.3"));
  EXPECT_EQ(description_.session.end, 7);
  ASSERT_EQ(description_.media().size(), 2u);
  const Media& audio = description_.media()[0];
  EXPECT_EQ(audio.line.kind, "audio");
  EXPECT_EQ(audio.line.port, 50020);
  EXPECT_EQ(audio.line.port_count, 1);
  EXPECT_EQ(audio.line.protocol, "RTP/SAVP");
  EXPECT_EQ(audio.line.formats, "8 97 101");
  EXPECT_FALSE(audio.connection);
  EXPECT_EQ(description_.connection_of(audio)->host, "10.1.2.3");
  EXPECT_EQ(description_.direction_of_media(audio), Direction::sendonly);
  const Media& video = description_.media()[1];
  EXPECT_EQ(video.line.port, 50030);
  EXPECT_EQ(video.line.port_count, 2);
  EXPECT_EQ(description_.direction_of_media(video), Direction::sendrecv);
  EXPECT_TRUE(description_.find_attribute(video.section, kRtcpMux));
  EXPECT_FALSE(description_.find_attribute(audio.section, kRtcpMux));
  const Line* rtcp = description_.find_attribute(audio.section, kRtcp);
  ASSERT_TRUE(rtcp);
  EXPECT_EQ(description_.attribute(*rtcp).value, "50021 IN IP4 10.1.2.3");
  EXPECT_EQ(description_.attribute(*description_.find_attribute(video.section, kRtcpMux)).value,
            "");
}

TEST_F(M4_Description, TakesLinesThatEndOtherwise) {
  std::string text = kOffer;
  std::erase(text, '\r');
  EXPECT_EQ(read(text), Malformed::none);
  EXPECT_EQ(description_.media().size(), 2u);
  EXPECT_EQ(read(kOffer.substr(0, kOffer.size() - 2)), Malformed::none);
  EXPECT_EQ(description_.value(description_.lines().back()), "rtcp-mux");
  EXPECT_EQ(read(kOffer + "\r\n\r\n"), Malformed::none);
  EXPECT_EQ(description_.value(description_.lines().back()), "rtcp-mux");
}

TEST_F(M4_Description, SaysWhatIsWrong) {
  EXPECT_EQ(read(""), Malformed::version);
  EXPECT_EQ(read("v=1\r\n"), Malformed::version);
  EXPECT_EQ(read("v=0\r\n"), Malformed::origin);
  EXPECT_EQ(with("s=session\r\n", "v=0\r\n"), Malformed::version);
  EXPECT_EQ(with("s=session", "o=- 4 7 IN IP4 10.1.2.3"), Malformed::origin);
  for (const char* origin : {"o=", "o=- 4 7", "o=- 4 7 IN IP4", "o=- 4 7 IN IP4 10.1.2.3 x",
                             "o=- 4 7 IN IP6 10.1.2.3", "o=- 4 7 IN IP4 224.2.1.1/127"})
    EXPECT_EQ(with("o=- 4 7 IN IP4 10.1.2.3", origin), Malformed::origin) << origin;
  for (const char* connection :
       {"c=", "c=IN IP4", "c=TN IP4 10.1.2.3", "c=IN IP5 10.1.2.3", "c=IN IP4 2001:db8::1",
        "c=IN IP6 10.1.2.3", "c=IN IP4 10.1.2.3/x", "c=IN IP4 a b", "c=IN  IP4 10.1.2.3",
        "c=IN IP4 10.1.2.3\r\nc=IN IP4 10.1.2.3", "c=IN IP4 <script>"})
    EXPECT_EQ(with("c=IN IP4 10.1.2.3", connection), Malformed::connection) << connection;
  for (const char* media :
       {"m=", "m=audio", "m=audio 50020", "m=audio 50020 RTP/SAVP", "m=audio 65536 RTP/SAVP 8",
        "m=audio -1 RTP/SAVP 8", "m=audio x RTP/SAVP 8", "m=audio 50020/0 RTP/SAVP 8",
        "m=audio 50020/ RTP/SAVP 8", "m=audio  50020 RTP/SAVP 8"})
    EXPECT_EQ(with("m=audio 50020 RTP/SAVP 8 97 101", media), Malformed::media) << media;
  EXPECT_EQ(with("s=session", std::string_view("s=a\0b", 5)), Malformed::line);
  for (const char* line : {"s", "", "S=x", "=x", "s x", " s=x", "s=a\rb", "s=a\r"})
    EXPECT_EQ(with("s=session", line), Malformed::line) << line;
}

TEST_F(M4_Description, HasLimits) {
  std::string text = kOffer;
  while (text.size() <= kLargest) text += "a=x\r\n";
  EXPECT_EQ(read(text), Malformed::too_large);
  text = kOffer;
  for (size_t i = 0; i < kMostLines; ++i) text += "a=x\r\n";
  EXPECT_EQ(read(text), Malformed::lines_many);
  text = kOffer;
  for (size_t i = 0; i < kMostMedia; ++i) text += "m=audio 0 RTP/AVP 0\r\n";
  EXPECT_EQ(read(text), Malformed::media_many);
}

TEST_F(M4_Description, EveryReasonHasItsOwnText) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < kMalformedCount; ++i) {
    const auto label = sdp::text(static_cast<Malformed>(i));
    EXPECT_FALSE(label.empty());
    EXPECT_EQ(std::ranges::find(seen, label), seen.end()) << label;
    seen.push_back(label);
  }
}

TEST_F(M4_Description, CutAnywhereItIsReadOrRefusedButNeverBeyondItsEnd) {
  for (size_t size = 0; size < kOffer.size(); ++size) {
    const auto cut = std::make_unique<char[]>(size);  // the sanitizer watches its end
    std::ranges::copy(kOffer.substr(0, size), cut.get());
    (void)parse({cut.get(), size}, description_);
  }
}

TEST(M4_SdpValues, Connections) {
  const auto v6 = read_connection("IN IP6 2001:db8::1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->address, *IpAddress::parse("2001:db8::1"));
  const auto multicast = read_connection("IN IP4 224.2.1.1/127/3");
  ASSERT_TRUE(multicast);
  EXPECT_EQ(multicast->host, "224.2.1.1");
  EXPECT_EQ(multicast->scope, "/127/3");
  const auto name = read_connection("IN IP4 media.example.com");
  ASSERT_TRUE(name);
  EXPECT_FALSE(name->address);
}

TEST(M4_SdpValues, RtcpPorts) {
  EXPECT_EQ(read_rtcp("53020")->port, 53020);
  EXPECT_FALSE(read_rtcp("53020")->connection);
  EXPECT_EQ(read_rtcp("53020 IN IP6 2001:db8::1")->connection->host, "2001:db8::1");
  for (const char* bad : {"", "x", "70000", "53020 IN", "53020 IN IP4 x y", "-1"})
    EXPECT_FALSE(read_rtcp(bad)) << bad;
}

TEST(M4_SdpValues, RtpMaps) {
  const auto map = read_rtpmap("97 opus/48000/2");
  ASSERT_TRUE(map);
  EXPECT_EQ(map->payload_type, 97);
  EXPECT_EQ(map->encoding, "opus");
  EXPECT_EQ(map->clock, 48000u);
  for (const char* bad : {"", "97", "97 opus", "128 opus/1", "97 /8000", "97 opus/", "x opus/1"})
    EXPECT_FALSE(read_rtpmap(bad)) << bad;
}

TEST(M4_SdpValues, Candidates) {
  auto candidate = read_candidate(
      "2 1 UDP 1694498815 192.0.2.9 61000 typ srflx raddr 10.1.2.3 rport 50020 generation 0");
  ASSERT_TRUE(candidate);
  EXPECT_EQ(candidate->foundation, "2");
  EXPECT_EQ(candidate->component, 1u);
  EXPECT_EQ(candidate->transport, "UDP");
  EXPECT_EQ(candidate->priority, 1694498815u);
  EXPECT_EQ(candidate->address, *IpAddress::parse("192.0.2.9"));
  EXPECT_EQ(candidate->port, 61000);
  EXPECT_EQ(candidate->type, "srflx");
  EXPECT_EQ(candidate->related_host, "10.1.2.3");
  EXPECT_EQ(candidate->related_port, 50020);
  EXPECT_EQ(candidate->extensions, "generation 0");
  candidate = read_candidate("3 1 tcp 5 2001:db8::1 9 typ host tcptype active");
  ASSERT_TRUE(candidate);
  EXPECT_EQ(candidate->extensions, "tcptype active");
  candidate = read_candidate("4 1 udp 5 c5a1e6b2.local 9 typ host");
  ASSERT_TRUE(candidate);
  EXPECT_FALSE(candidate->address);
  for (const char* bad :
       {"", "1 1 UDP 5 192.0.2.9 61000", "1 1 UDP 5 192.0.2.9 61000 type host",
        "1 x UDP 5 192.0.2.9 1 typ host", "1 1 UDP 5 192.0.2.9 65536 typ host",
        "1 1 UDP 5 192.0.2.9 1 typ", "1 1 UDP 5 a:b 1 typ host",
        "1 1 UDP 5 192.0.2.9 1 typ srflx raddr", "1 1 UDP 5 192.0.2.9 1 typ srflx raddr x rport",
        // Of the draft that OCS 2007 speaks.
        "9wXkM7qSBAaqtPVTEwL0JHQ 1 9HAjNNGCFSkSlmxP UDP 0.830 10.1.2.3 50020"})
    EXPECT_FALSE(read_candidate(bad)) << bad;
}

}  // namespace
}  // namespace fedge::sdp::test
