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
    receive(from_partner(), from_caller("INVITE", sdp_of("203.0.113.77", 4000, "a=" + direction + "\r\n" + more)));
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

}  // namespace
}  // namespace fedge::sip
