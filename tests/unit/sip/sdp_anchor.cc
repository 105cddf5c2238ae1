// M4: SDP through an anchored call.
#include "dataplane/sip/sdp_anchor.h"

#include <gtest/gtest.h>

#include "firmware/base/bytes.h"

namespace fedge::sip {
namespace {

const std::string kOffer =
    "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

class SdpAnchorTest : public ::testing::Test {
 protected:
  // The message as it leaves.
  std::string pass(const std::string& body, const std::string& type = "application/sdp") {
    text =
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        "Content-Type: " +
        type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    EXPECT_EQ(parse(text, *message), Defect::none);
    Editor editor(*message);
    outcome = anchor->rewrite(*message, face, editor);
    std::string out(text.size() + 4096, '\0');
    const auto size = editor.write(out);
    EXPECT_TRUE(size);
    out.resize(size.value_or(0));
    const size_t head = out.find("\r\n\r\n");
    const size_t length = out.find("Content-Length: ");
    EXPECT_EQ(std::stoul(out.substr(length + 16)), out.size() - head - 4);
    return out.substr(head + 4);
  }
  const StreamRemote& remote(size_t i) { return anchor->remotes()[i]; }

  AnchorFace face{*IpAddress::parse("203.0.113.1"), 50000, 2, snapshot::IceHandling::strip};
  std::unique_ptr<SdpAnchor> anchor = std::make_unique<SdpAnchor>();
  std::unique_ptr<Message> message = std::make_unique<Message>();
  std::string text;
  SdpOutcome outcome{};
};

TEST_F(SdpAnchorTest, M4_MediaGoToOurPortAndTheSendersIsKnown) {
  EXPECT_EQ(pass(kOffer),
            "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n"
            "m=audio 50000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n");
  EXPECT_EQ(outcome, SdpOutcome::rewritten);
  ASSERT_EQ(anchor->remotes().size(), 1u);
  EXPECT_EQ(remote(0).rtp.text(), "198.51.100.7:4000");
  EXPECT_EQ(remote(0).rtcp.text(), "198.51.100.7:4001");
}

TEST_F(SdpAnchorTest, M4_EachLineHasItsPairAndThoseWithoutOneAreRefused) {
  const std::string out = pass(kOffer +
                               "m=video 4002 RTP/SAVP 96\r\nc=IN IP4 198.51.100.8\r\n"
                               "a=rtcp:4100 IN IP4 198.51.100.9\r\n"
                               "m=audio 4004 RTP/AVP 8\r\n");
  EXPECT_NE(out.find("m=video 50002 RTP/SAVP 96\r\nc=IN IP4 203.0.113.1\r\na=rtcp:50003\r\n"),
            out.npos)
      << out;
  EXPECT_NE(out.find("m=audio 0 RTP/AVP 8\r\n"), out.npos) << out;
  ASSERT_EQ(anchor->remotes().size(), 2u);
  EXPECT_EQ(remote(1).rtp.text(), "198.51.100.8:4002");
  EXPECT_EQ(remote(1).rtcp.text(), "198.51.100.9:4100");
}

TEST_F(SdpAnchorTest, M4_RtcpMuxHasOnePort) {
  const std::string out = pass(kOffer + "a=rtcp:4000\r\na=rtcp-mux\r\n");
  EXPECT_NE(out.find("a=rtcp:50000\r\na=rtcp-mux\r\n"), out.npos) << out;
  EXPECT_TRUE(remote(0).muxed);
  EXPECT_EQ(remote(0).rtcp.text(), "198.51.100.7:4000");
  // What those use who do not mux stays another port.
  const std::string other = pass(kOffer + "a=rtcp:4001\r\na=rtcp-mux\r\n");
  EXPECT_NE(other.find("a=rtcp:50001\r\na=rtcp-mux\r\n"), other.npos) << other;
  pass(kOffer + "a=rtcp-mux\r\n");
  EXPECT_TRUE(remote(0).muxed);
  EXPECT_EQ(remote(0).rtcp.text(), "198.51.100.7:4001") << "where the other side does not mux";
}

TEST_F(SdpAnchorTest, M4_HoldStaysHoldAndTellsNoAddress) {
  std::string held = kOffer;
  held.replace(held.find("c=IN IP4 198.51.100.7"), 21, "c=IN IP4 0.0.0.0");
  const std::string out = pass(held);
  EXPECT_NE(out.find("c=IN IP4 0.0.0.0\r\n"), out.npos) << out;
  EXPECT_FALSE(remote(0).rtp.address);
}

TEST_F(SdpAnchorTest, M4_RefusedLinesAndWhatIsNotUdpStayAsTheyAre) {
  const std::string out = pass(
      "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
      "m=audio 0 RTP/AVP 0\r\nm=message 5060 sip null\r\nm=application 9 TCP/BFCP *\r\n");
  EXPECT_NE(out.find("m=audio 0 RTP/AVP 0\r\n"), out.npos);
  // The session's address is ours now: theirs is said again.
  EXPECT_NE(out.find("m=message 5060 sip null\r\nc=IN IP4 198.51.100.7\r\n"), out.npos) << out;
  EXPECT_NE(out.find("m=application 9 TCP/BFCP *\r\nc=IN IP4 198.51.100.7\r\n"), out.npos) << out;
  ASSERT_EQ(anchor->remotes().size(), 1u);
  EXPECT_TRUE(anchor->remotes()[0].closed);
  EXPECT_FALSE(anchor->remotes()[0].rtp.address);
}

const std::string kIce =
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
    "a=candidate:1 1 UDP 2130706431 198.51.100.7 4000 typ host\r\n"
    "a=candidate:2 2 UDP 1694498814 192.0.2.9 4001 typ srflx raddr 198.51.100.7 rport 4001\r\n";

TEST_F(SdpAnchorTest, M4_IceIsStrippedPassedOrReduced) {
  EXPECT_EQ(pass(kOffer + kIce).find("ice"), std::string::npos);
  EXPECT_EQ(pass(kOffer + kIce).find("candidate"), std::string::npos);
  face.ice = snapshot::IceHandling::pass;
  EXPECT_NE(pass(kOffer + kIce).find(kIce), std::string::npos);
  face.ice = snapshot::IceHandling::relay_only;
  const std::string out = pass(kOffer + kIce);
  EXPECT_EQ(out.find("198.51.100.7"), out.npos) << out;
  EXPECT_NE(out.find("a=ice-ufrag:abcd\r\n"), out.npos);
  EXPECT_NE(out.find("UDP 16777215 203.0.113.1 50000 typ relay"), out.npos) << out;
  EXPECT_NE(out.find("UDP 16777214 203.0.113.1 50001 typ relay"), out.npos) << out;
}

TEST_F(SdpAnchorTest, M4_Ipv4InsideBecomesIpv6) {
  face.address = *IpAddress::parse("2001:db8::1");
  const std::string out = pass(kOffer);
  EXPECT_NE(out.find("c=IN IP6 2001:db8::1\r\n"), out.npos) << out;
  EXPECT_NE(out.find("o=- 1 1 IN IP6 2001:db8::1\r\n"), out.npos) << out;
}

TEST_F(SdpAnchorTest, M4_EachPartOfAMultipartBodyIsRewritten) {
  const std::string part = "Content-Type: application/sdp\r\n\r\n";
  const std::string body = "--x\r\nContent-Type: text/plain\r\n\r\nm=audio 1 RTP/AVP 0\r\n--x\r\n" +
                           part + kOffer + "\r\n--x\r\n" + part + kOffer + "\r\n--x--\r\n";
  const std::string out = pass(body, "multipart/alternative; boundary=\"x\"");
  EXPECT_NE(out.find("\r\n\r\nm=audio 1 RTP/AVP 0\r\n--x"), out.npos) << out;
  EXPECT_EQ(out.find("198.51.100.7"), out.npos) << out;
  EXPECT_EQ(anchor->remotes().size(), 1u);
}

TEST_F(SdpAnchorTest, M4_WhatCannotBeReadMustNotPass) {
  pass("v=0\r\nm=audio x RTP/AVP 0\r\n");
  EXPECT_EQ(outcome, SdpOutcome::malformed);
  pass("hello", "text/plain");
  EXPECT_EQ(outcome, SdpOutcome::none);
}

}  // namespace
}  // namespace fedge::sip
