// M4: what SDP says later in a call: hold, streams that close, several early answers.
#include "tests/unit/sip/anchored_calls.h"

namespace fedge::sip {
namespace {

TEST_F(AnchoredCalls, M4_HoldTellsNoAddress) {
  Taken sent = start();
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  receive(from_partner(), from_caller("INVITE", sdp_of("0.0.0.0", 4000)));
  take_response(kFromPartner, 100);
  Taken held = take_request(fe1, Method::invite);
  EXPECT_TRUE(names(held.message(), "c=IN IP4 0.0.0.0"));
  EXPECT_FALSE(last().remote.address);
  EXPECT_TRUE(last().held);
}

TEST_F(AnchoredCalls, M4_HoldByDirectionIsToldAndItsEndAsWell) {
  Taken sent = start();
  EXPECT_FALSE(last().held);
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  std::string more;  // each offer has another size, and so another branch
  for (const std::string direction : {"sendonly", "inactive", "recvonly", "sendrecv"}) {
    more += "a=x\r\n";
    receive(from_partner(),
            from_caller("INVITE", sdp_of("203.0.113.77", 4000, "a=" + direction + "\r\n" + more)));
    take_response(kFromPartner, 100);
    Taken again = take_request(fe1, Method::invite);
    EXPECT_EQ(last().held, direction != "sendrecv") << direction;
    EXPECT_EQ(last().remote.text(), "203.0.113.77:4000");
    respond_sdp(again, 200, sdp_of("10.2.5.5", 7000));
    take_response(kFromPartner, 200);
    EXPECT_FALSE(last().from_caller);
    EXPECT_FALSE(last().held);
  }
}

TEST_F(AnchoredCalls, M4_PortZeroClosesAStreamOnceItIsAgreed) {
  const std::string video = "m=video 4002 RTP/AVP 96\r\n", none = "m=video 0 RTP/AVP 96\r\n";
  Taken sent = start(invite(sdp_of("203.0.113.77", 4000, video)));
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000, "m=video 7002 RTP/AVP 96\r\n"));
  Taken answered = take_response(kFromPartner, 200);
  EXPECT_FALSE(last().closed);
  receive(from_partner(), from_caller("INVITE", sdp_of("203.0.113.77", 4000, none)));
  take_response(kFromPartner, 100);
  Taken again = take_request(fe1, Method::invite);
  EXPECT_EQ(port_of(again.message(), 1), 0);
  EXPECT_EQ(last().id, last().call) << "an offer may be refused: only audio is told";
  respond_sdp(again, 200, sdp_of("10.2.5.5", 7000, none));
  take_response(kFromPartner, 200);
  EXPECT_EQ(last().id, last().call + 1);
  EXPECT_TRUE(last().closed);
  EXPECT_FALSE(last().remote.address);
}

TEST_F(AnchoredCalls, M4_OfSeveralEarlyAnswersALateOneDoesNotWin) {
  Taken sent = start();
  respond_sdp(sent, 183, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 183);
  EXPECT_EQ(last().remote.text(), "10.2.5.5:7000");
  respond_sdp(sent, 183, sdp_of("10.2.5.6", 7200));
  take_response(kFromPartner, 183);
  EXPECT_EQ(last().remote.text(), "10.2.5.6:7200");
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  EXPECT_EQ(last().remote.text(), "10.2.5.5:7000");
  const size_t told = outbound.anchors.size();
  respond_sdp(sent, 183, sdp_of("10.2.5.6", 7200));
  EXPECT_EQ(outbound.anchors.size(), told) << "who answered is who talks";
}

TEST_F(AnchoredCalls, M4_WhatTheFastPathRefusesIsAnsweredWith488AndWhy) {
  Taken sent = start(invite(sdp_of("203.0.113.77", 4000)));
  const uint64_t id = last().call;
  proxy.on_anchor_refused(id, "127.0.0.1 is no \"address\"", now);
  Taken refused = take_response(kFromPartner, 488);
  EXPECT_NE(refused.message().whole.find("Warning: 399 fedge \"127.0.0.1 is no  address \"\r\n"),
            std::string_view::npos);
  EXPECT_EQ(outbound.ended.back(), id);
  // The called side is called off as soon as it is heard.
  respond_sdp(sent, 183, sdp_of("10.2.5.5", 7000));
  take_request(fe1, Method::cancel);
  // Once, and never for what is answered.
  proxy.on_anchor_refused(id, "again", now);
  EXPECT_TRUE(outbound.empty());
}

TEST_F(AnchoredCalls, M4_ARefusalAfterTheAnswerChangesNothing) {
  Taken sent = start();
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  proxy.on_anchor_refused(last().call, "too late", now);
  EXPECT_TRUE(outbound.empty());
  EXPECT_TRUE(outbound.ended.empty());
}

TEST_F(AnchoredCalls, M4_ACallThatTheFastPathWillNotHearOfIsRefusedAndHoldsNoPorts) {
  outbound.takes_anchors = false;
  for (int i = 0; i < 200; ++i) {  // more than there are ports
    RequestText request = invite();
    request.branch = "z9hG4bK-untold" + std::to_string(i);
    receive(from_partner(), request);
    take_response(kFromPartner, 100);
    take_response(kFromPartner, 503);
  }
  outbound.takes_anchors = true;
  start();
}

}  // namespace
}  // namespace fedge::sip
