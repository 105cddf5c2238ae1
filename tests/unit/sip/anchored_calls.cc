// M4: calls whose media go through the box, from INVITE to BYE.
#include "tests/unit/sip/anchored_calls.h"

namespace fedge::sip {
namespace {

TEST_F(AnchoredCalls, M4_OfferAndAnswerNameOurPortsAndTheFastPathHearsTheirs) {
  Taken sent = start();
  EXPECT_TRUE(names(sent.message(), kOurs)) << sent.bytes;
  EXPECT_FALSE(names(sent.message(), "203.0.113.77"));
  const uint16_t inside = port_of(sent.message());
  EXPECT_EQ(last().locals[1].text(), std::string(kOurs) + ":" + std::to_string(inside));
  EXPECT_EQ(last().locals[0].address.text(), "10.1.0.1");
  EXPECT_EQ(last().remote.text(), "203.0.113.77:4000");
  EXPECT_EQ(last().remote_rtcp.text(), "203.0.113.77:4001");
  EXPECT_TRUE(last().from_caller);
  EXPECT_EQ(last().prefix, 32);
  EXPECT_EQ(last().call_id_text, "call-1");

  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  Taken answer = take_response(kFromPartner, 200);
  EXPECT_TRUE(names(answer.message(), kPublic)) << answer.bytes;
  EXPECT_FALSE(names(answer.message(), "10.2."));
  EXPECT_EQ(port_of(answer.message()), last().locals[0].port);
  EXPECT_FALSE(last().from_caller);
  EXPECT_EQ(last().remote.text(), "10.2.5.5:7000");
  EXPECT_TRUE(outbound.ended.empty());
}

TEST_F(AnchoredCalls, M4_ACallOfOurOwnSideHasItsSidesTheOtherWayRound) {
  RequestText request = invite(sdp_of("10.2.5.5", 7000));
  request.uri = "sip:alice@partner.example";
  request.from = "<sip:bob@example.com>;tag=b7";
  request.to = "<sip:alice@partner.example>";
  receive(from_fe1(), request);
  take_response(kFromFe1, 100);
  Taken sent = take_request(partner_edge, Method::invite);
  EXPECT_TRUE(names(sent.message(), kPublic)) << sent.bytes;
  EXPECT_EQ(last().locals[0].address.text(), kOurs);
  EXPECT_EQ(last().locals[1].address.text(), "10.1.0.1");
  EXPECT_EQ(last().remote.text(), "10.2.5.5:7000");
}

TEST_F(AnchoredCalls, M4_CallsOfHostsThatDoNotAskForItAreNotTouched) {
  RequestText request = invite(sdp_of("10.2.5.5", 7000));
  request.uri = "sip:alice@other.example";
  request.from = "<sip:bob@example.com>;tag=b7";
  request.to = "<sip:alice@other.example>";
  receive(from_fe1(), request);
  take_response(kFromFe1, 100);
  Taken sent = take_request(other_edge, Method::invite);
  EXPECT_TRUE(names(sent.message(), "10.2.5.5"));
  EXPECT_TRUE(outbound.anchors.empty());
  EXPECT_EQ(sent.bytes.find(kAnchorParameter), sent.bytes.npos);
}

TEST_F(AnchoredCalls, M4_EarlyMediaIsAnchoredBeforeTheAnswer) {
  Taken sent = start();
  respond_sdp(sent, 183, sdp_of("10.2.5.6", 7100));
  Taken early = take_response(kFromPartner, 183);
  EXPECT_TRUE(names(early.message(), kPublic));
  EXPECT_EQ(last().remote.text(), "10.2.5.6:7100");
}

TEST_F(AnchoredCalls, M4_DelayedOfferIsInTheAnswerAndTheAckAnswersIt) {
  Taken sent = start(invite({}));
  ASSERT_EQ(outbound.anchors.size(), 1u);  // so that silence ends it
  EXPECT_FALSE(last().remote.address);
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  Taken answer = take_response(kFromPartner, 200);
  EXPECT_TRUE(names(answer.message(), kPublic));
  receive(from_partner(), from_caller("ACK", sdp_of("203.0.113.77", 4000)));
  Taken ack = take_request(fe1, Method::ack);
  EXPECT_TRUE(names(ack.message(), kOurs)) << ack.bytes;
  EXPECT_EQ(last().remote.text(), "203.0.113.77:4000");
  EXPECT_TRUE(last().from_caller);
}

TEST_F(AnchoredCalls, M4_ChangesInsideTheDialogKeepTheirPortsFromEitherSide) {
  Taken sent = start();
  const uint16_t inside = port_of(sent.message());
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  const uint16_t outside = port_of(take_response(kFromPartner, 200).message());
  const uint64_t call = last().call;

  receive(from_partner(), from_caller("INVITE", sdp_of("203.0.113.88", 4500)));
  take_response(kFromPartner, 100);
  Taken again = take_request(fe1, Method::invite);
  EXPECT_EQ(port_of(again.message()), inside);
  EXPECT_EQ(last().remote.text(), "203.0.113.88:4500");
  respond_sdp(again, 200, sdp_of("10.2.5.5", 7002));
  EXPECT_EQ(port_of(take_response(kFromPartner, 200).message()), outside);
  EXPECT_EQ(last().remote.text(), "10.2.5.5:7002");

  receive(from_fe1(), from_callee("UPDATE", sdp_of("10.2.5.9", 7200)));
  Taken update = take_request(partner_edge, Method::update);
  EXPECT_EQ(port_of(update.message()), outside);
  EXPECT_FALSE(last().from_caller);
  respond_sdp(update, 200, sdp_of("203.0.113.99", 4600));
  EXPECT_EQ(port_of(take_response(kFromFe1, 200).message()), inside);
  EXPECT_TRUE(last().from_caller);
  EXPECT_EQ(last().remote.text(), "203.0.113.99:4600");
  EXPECT_EQ(last().call, call);
}

TEST_F(AnchoredCalls, M4_EachStreamHasItsOwnPair) {
  Taken sent = start(invite(sdp_of("203.0.113.77", 4000, "m=video 4002 RTP/AVP 96\r\n")));
  EXPECT_EQ(port_of(sent.message(), 1), port_of(sent.message(), 0) + 2);
  EXPECT_EQ(last().id, last().call + 1);
  EXPECT_EQ(last().remote.text(), "203.0.113.77:4002");
}

TEST_F(AnchoredCalls, M4_ByeFromEitherSideEndsTheMedia) {
  for (const bool by_caller : {true, false}) {
    RequestText request = invite();
    request.branch += by_caller ? "1" : "2";
    Taken sent = start(request);
    const uint64_t call = last().call;
    respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
    take_response(kFromPartner, 200);
    outbound.ended.clear();
    if (by_caller) {
      receive(from_partner(), from_caller("BYE"));
      take_request(fe1, Method::bye);
    } else {
      receive(from_fe1(), from_callee("BYE"));
      take_request(partner_edge, Method::bye);
    }
    EXPECT_EQ(outbound.ended, std::vector<uint64_t>{call});
  }
}

TEST_F(AnchoredCalls, M4_RefusalAndCancelGiveThePortsBack) {
  Taken sent = start();
  const uint64_t call = last().call;
  respond(sent, 486);
  take_request(fe1, Method::ack);
  take_response(kFromPartner, 486);
  EXPECT_EQ(outbound.ended, std::vector<uint64_t>{call});

  outbound.ended.clear();
  RequestText second = invite();
  second.branch = "z9hG4bK-b";
  sent = start(second);
  respond(sent, 180);
  take_response(kFromPartner, 180);
  RequestText cancel = second;
  cancel.method = "CANCEL";
  cancel.body.clear();
  receive(from_partner(), cancel);
  take_response(kFromPartner, 200);
  take_request(fe1, Method::cancel);
  respond(sent, 487);
  take_request(fe1, Method::ack);
  take_response(kFromPartner, 487);
  EXPECT_EQ(outbound.ended, std::vector<uint64_t>{last().call});
}

TEST_F(AnchoredCalls, M4_TheNextTargetGetsTheSamePorts) {
  Taken sent = start();
  const uint16_t port = port_of(sent.message());
  respond(sent, 503);
  take_request(fe1, Method::ack);
  Taken second = take_request(fe2, Method::invite);
  EXPECT_EQ(port_of(second.message()), port);
  EXPECT_TRUE(outbound.ended.empty());
  respond_sdp(second, 200, sdp_of("10.2.5.5", 7000));
  EXPECT_TRUE(names(take_response(kFromPartner, 200).message(), kPublic));
  EXPECT_EQ(last().remote.text(), "10.2.5.5:7000");
}

TEST_F(AnchoredCalls, M4_EveryBranchOfAForkHasPortsOfItsOwn) {
  use({.ours = {{fe1, 1, 1}, {fe2, 1, 1}}, .forking = snapshot::Forking::all, .anchor_ports = 64});
  receive(from_partner(), invite());
  take_response(kFromPartner, 100);
  Taken first = take();
  Taken second = take();
  EXPECT_NE(port_of(first.message()), port_of(second.message()));
  respond_sdp(second, 200, sdp_of("10.2.5.5", 7000));
  Taken answer = take_response(kFromPartner, 200);
  EXPECT_EQ(port_of(answer.message()), last().locals[0].port);
}

TEST_F(AnchoredCalls, M4_WithoutPortsTheCallIsRefused) {
  use({.anchor_ports = 4});
  start();
  RequestText second = invite();
  second.branch = "z9hG4bK-b";
  receive(from_partner(), second);
  take_response(kFromPartner, 100);
  take_response(kFromPartner, 503);
  EXPECT_EQ(counter("fedge_signal_refused_total{reason=\"no_media_ports\"}"), 1u);
}

TEST_F(AnchoredCalls, M4_SdpThatCannotBeReadIsRefused) {
  receive(from_partner(), invite("v=0\r\nm=audio x RTP/AVP 0\r\n"));
  take_response(kFromPartner, 100);
  take_response(kFromPartner, 488);
  EXPECT_EQ(outbound.ended, std::vector<uint64_t>{last().call});
  EXPECT_TRUE(outbound.empty());
}

TEST_F(AnchoredCalls, M4_ARestartForgetsNothing) {
  Taken sent = start();
  const uint16_t inside = port_of(sent.message());
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  const uint64_t call = last().call;

  Proxy restarted({1024, 65536}, wheel, outbound, counters, 0xbeef, 0, as_bytes(kRouteKey));
  restarted.use(sections.view(), now);
  const auto hand_in = [&](const Arrival& arrival, const RequestText& request) {
    const std::string text = request.text();
    const auto message = std::make_unique<Message>();
    ASSERT_EQ(parse(text, *message), Defect::none);
    restarted.on_message(arrival, *message, now);
  };
  hand_in(from_partner(), from_caller("INVITE", sdp_of("203.0.113.88", 4500)));
  take_response(kFromPartner, 100);
  EXPECT_EQ(port_of(take_request(fe1, Method::invite).message()), inside);
  EXPECT_EQ(last().remote.text(), "203.0.113.88:4500");
  hand_in(from_fe1(), from_callee("BYE"));
  take_request(partner_edge, Method::bye);
  EXPECT_EQ(outbound.ended, std::vector<uint64_t>{call});
}

TEST_F(AnchoredCalls, M4_AnotherCallsReferenceLeadsNowhere) {
  Taken sent = start();
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  RequestText bye = from_callee("BYE");
  bye.call_id = "call-2";
  receive(from_fe1(), bye);
  take_request(partner_edge, Method::bye);
  EXPECT_TRUE(outbound.ended.empty());
}

// A reference holds as long as anybody keeps it: what it opens must not be the next call's.
TEST_F(AnchoredCalls, M4_AnEndedCallsReferenceOpensNoPortsOfTheNext) {
  use({.anchor_ports = 4});
  Taken sent = start();
  const uint16_t port = port_of(sent.message());
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  const RequestText replay = from_caller("INVITE", sdp_of("203.0.113.66", 6666));
  receive(from_partner(), from_caller("BYE"));
  take_request(fe1, Method::bye);
  RequestText second = invite();
  second.branch = "z9hG4bK-b";
  second.call_id = "call-2";
  Taken next = start(second);
  ASSERT_EQ(port_of(next.message()) / 4, port / 4) << "the pool has one run of two streams";
  const uint64_t call = last().call;

  receive(from_partner(), replay);
  take_response(kFromPartner, 100);
  take_response(kFromPartner, 488);
  EXPECT_EQ(last().call, call) << "the fast path hears nothing of it";
  respond_sdp(next, 200, sdp_of("10.2.5.6", 7000));
  EXPECT_EQ(port_of(take_response(kFromPartner, 200).message()), last().locals[0].port);
}

TEST_F(AnchoredCalls, M4_ACallThatComesBackAfterSilenceHoldsItsPortsAgain) {
  use({.anchor_ports = 4});
  Taken sent = start();
  respond_sdp(sent, 200, sdp_of("10.2.5.5", 7000));
  take_response(kFromPartner, 200);
  const uint64_t call = last().call;
  proxy.on_anchor_ended(call);
  receive(from_partner(), from_caller("INVITE", sdp_of("203.0.113.77", 4000)));
  take_response(kFromPartner, 100);
  take_request(fe1, Method::invite);
  EXPECT_EQ(last().call, call);
  RequestText second = invite();
  second.branch = "z9hG4bK-b";
  second.call_id = "call-2";
  receive(from_partner(), second);
  take_response(kFromPartner, 100);
  take_response(kFromPartner, 503);
}

TEST_F(AnchoredCalls, M4_WhatTheFastPathEndsIsFreeAgain) {
  use({.anchor_ports = 4});
  start();
  proxy.on_anchor_ended(last().call);
  RequestText second = invite();
  second.branch = "z9hG4bK-b";
  start(second);
}

}  // namespace
}  // namespace fedge::sip
