// INVITE and its dialog: answers, ACK, CANCEL, BYE, and the timers that guard them.
#include "tests/unit/sip/world.h"

namespace fedge::sip {

class Calls : public World {
 public:
  static RequestText invite() {
    RequestText request;
    request.method = "INVITE";
    request.headers = "Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.7:5061;transport=tls>\r\n";
    return request;
  }
  // The INVITE at the first front end.
  Taken start() {
    receive(from_partner(), invite());
    take_response(kFromPartner, 100);
    return take_request(fe1, Method::invite);
  }
  static RequestText same(const std::string& method) {
    RequestText request = invite();
    request.method = method;
    request.headers = "Max-Forwards: 70\r\n";
    return request;
  }
};

TEST_F(Calls, R10_16_4_RunsAWholeCall) {
  Taken sent = start();
  // RFC 5658: the outgoing side on top, each with its own address.
  const std::string out = value_of(sent.message(), HeaderId::record_route, 0);
  const std::string in = value_of(sent.message(), HeaderId::record_route, 1);
  EXPECT_TRUE(out.starts_with("<sip:10.2.0.1:5061;transport=tls;lr;nh=")) << out;
  EXPECT_TRUE(in.starts_with("<sip:198.51.100.1:5061;transport=tls;lr;nh=")) << in;

  respond(sent, 100);
  EXPECT_TRUE(outbound.empty());  // 16.7 step 5: 100 goes no further
  respond(sent, 180);
  take_response(kFromPartner, 180);
  respond(sent, 200, "Contact: <sip:bob@10.2.9.9:5061>\r\n");
  Taken answer = take_response(kFromPartner, 200);
  EXPECT_EQ(value_of(answer.message(), HeaderId::record_route, 0), out);

  // The caller's route set is the Record-Route reversed.
  RequestText ack = same("ACK");
  ack.branch = "z9hG4bK-ack";
  ack.uri = "sip:bob@10.2.9.9:5061";
  ack.to = "<sip:bob@example.com>;tag=b1";
  ack.headers = "Route: " + in + ", " + out + "\r\nMax-Forwards: 70\r\n";
  receive(from_partner(), ack);
  Taken acked = take_request(fe1, Method::ack);
  EXPECT_EQ(acked.token, 0u);
  EXPECT_EQ(acked.message().request_uri, "sip:bob@10.2.9.9:5061");
  EXPECT_EQ(count_of(acked.message(), HeaderId::route), 0u);

  // BYE from the other side, to a Contact that no snapshot knows.
  RequestText bye = same("BYE");
  bye.branch = "z9hG4bK-bye";
  bye.uri = "sip:alice@192.0.2.7:5061;transport=tls";
  bye.from = "<sip:bob@example.com>;tag=b1";
  bye.to = "<sip:alice@partner.example>;tag=a1";
  bye.headers = "Route: " + out + "\r\nRoute: " + in + "\r\nMax-Forwards: 70\r\n";
  receive(from_fe1(), bye);
  Taken ended = take_request(partner_edge, Method::bye);
  EXPECT_EQ(count_of(ended.message(), HeaderId::route), 0u);
  respond(ended, 200);
  take_response(kFromFe1, 200);

  EXPECT_EQ(proxy.server_transactions(), 1u);  // Accepted: timers L and M
  pass(33s);
  expect_idle();
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST_F(Calls, R10_6026_RepeatedSuccessIsForwarded) {
  Taken sent = start();
  respond(sent, 200);
  take_response(kFromPartner, 200);
  respond(sent, 200);
  take_response(kFromPartner, 200);
  pass(33s);
  respond(sent, 200);
  EXPECT_TRUE(outbound.empty());
  expect_idle();
}

TEST_F(Calls, R10_17_1_1_3_RefusalIsAcknowledgedHopByHop) {
  Taken sent = start();
  respond(sent, 486);
  Taken ack = take_request(fe1, Method::ack);
  EXPECT_EQ(ack.message().via.branch, sent.message().via.branch);
  EXPECT_EQ(ack.message().to_tag, "b1");
  take_response(kFromPartner, 486);
  EXPECT_EQ(proxy.client_transactions(), 0u);
  EXPECT_EQ(proxy.server_transactions(), 1u);
  RequestText upstream = same("ACK");
  upstream.to = "<sip:bob@example.com>;tag=b1";
  receive(from_partner(), upstream);
  expect_idle();
}

TEST_F(Calls, R10_17_2_1_TimerHEndsWithoutAck) {
  Taken sent = start();
  respond(sent, 404);
  take_request(fe1, Method::ack);
  take_response(kFromPartner, 404);
  pass(31s);
  EXPECT_EQ(proxy.server_transactions(), 1u);
  pass(2s);
  expect_idle();
  EXPECT_EQ(counter("fedge_signal_timeouts_total"), 1u);
}

TEST_F(Calls, R10_16_10_CancelAfterRinging) {
  Taken sent = start();
  respond(sent, 180);
  take_response(kFromPartner, 180);
  receive(from_partner(), same("CANCEL"));
  take_response(kFromPartner, 200);
  Taken cancel = take_request(fe1, Method::cancel);
  EXPECT_EQ(cancel.message().via.branch, sent.message().via.branch);
  EXPECT_EQ(cancel.message().cseq, 7u);
  respond(cancel, 200);
  EXPECT_TRUE(outbound.empty());  // hop by hop
  respond(sent, 487);
  take_request(fe1, Method::ack);
  take_response(kFromPartner, 487);
  receive(from_partner(), same("ACK"));
  expect_idle();
}

TEST_F(Calls, R10_9_1_CancelWaitsForAProvisionalResponse) {
  Taken sent = start();
  receive(from_partner(), same("CANCEL"));
  take_response(kFromPartner, 200);
  EXPECT_TRUE(outbound.empty());
  respond(sent, 100);
  take_request(fe1, Method::cancel);
  respond(sent, 487);
  take_request(fe1, Method::ack);
  take_response(kFromPartner, 487);
}

TEST_F(Calls, R10_16_10_CancelRacesSuccess) {
  Taken sent = start();
  respond(sent, 180);
  take_response(kFromPartner, 180);
  receive(from_partner(), same("CANCEL"));
  take_response(kFromPartner, 200);
  take_request(fe1, Method::cancel);
  respond(sent, 200);  // crossed on the wire
  take_response(kFromPartner, 200);
  receive(from_partner(), same("CANCEL"));  // too late: answered, no effect
  take_response(kFromPartner, 200);
  EXPECT_TRUE(outbound.empty());
}

TEST_F(Calls, R10_16_10_CancelOfNothing) {
  receive(from_partner(), same("CANCEL"));
  take_response(kFromPartner, 481);
  // Nobody cancels for another.
  start();
  receive(from_fe2(), same("CANCEL"));
  take_response(kFromFe2, 481);
}

TEST_F(Calls, R10_9_1_CancelledInviteIsGivenUp) {
  Taken sent = start();
  respond(sent, 180);
  take_response(kFromPartner, 180);
  receive(from_partner(), same("CANCEL"));
  take_response(kFromPartner, 200);
  take_request(fe1, Method::cancel);
  pass(33s);
  take_response(kFromPartner, 487);
  EXPECT_EQ(proxy.client_transactions(), 0u);
}

TEST_F(Calls, R10_16_8_TimerCCancels) {
  Taken sent = start();
  respond(sent, 180);
  take_response(kFromPartner, 180);
  pass(180s);
  respond(sent, 183);  // a new start
  take_response(kFromPartner, 183);
  pass(180s);
  EXPECT_TRUE(outbound.empty());
  pass(6s);
  take_request(fe1, Method::cancel);
  respond(sent, 487);
  take_request(fe1, Method::ack);
  take_response(kFromPartner, 487);
}

TEST_F(Calls, R10_InviteWithoutAnyAnswerTimesOut) {
  outbound.outcomes[fe2] = SendOutcome::gone;
  start();
  pass(33s);
  Taken answer = take_response(kFromPartner, 408);
  EXPECT_FALSE(answer.message().to_tag.empty());
  EXPECT_EQ(count_of(answer.message(), HeaderId::via), 1u);
  receive(from_partner(), same("ACK"));
  expect_idle();
}

TEST_F(Calls, R10_4320_OtherRequestsTimeOutInSilence) {
  outbound.outcomes[fe2] = SendOutcome::gone;
  receive(from_partner(), RequestText{});
  take();
  pass(33s);
  take_response(kFromPartner, 100);
  expect_idle();
}

TEST_F(Calls, R10_4320_408IsNotForwardedToOtherRequests) {
  outbound.outcomes[fe2] = SendOutcome::gone;
  receive(from_partner(), RequestText{});
  Taken sent = take();
  respond(sent, 408);
  expect_idle();
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"late_timeout\"}"), 1u);
}

TEST_F(Calls, R10_AckThatCannotGoOnIsDropped) {
  RequestText ack = same("ACK");
  receive(from_stranger(), ack);
  ack.uri = "sip:bob@nowhere.example";
  receive(from_partner(), ack);
  ack.uri = "sip:bob@example.com";
  ack.headers = "Max-Forwards: 0\r\n";
  receive(from_partner(), ack);
  std::string broken = ack.text();
  broken.replace(broken.find("SIP/2.0"), 7, "SIP/9.0");
  receive(from_partner(), broken);
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"ack\"}"), 4u);
}

TEST_F(Calls, R10_16_11_AckKeepsItsBranchWhenRepeated) {
  RequestText ack = same("ACK");
  receive(from_partner(), ack);
  Taken first = take_request(fe1, Method::ack);
  receive(from_partner(), ack);
  Taken second = take_request(fe1, Method::ack);
  EXPECT_EQ(first.message().via.branch, second.message().via.branch);
}

TEST_F(Calls, R10_RepeatedInviteHearsTrying) {
  start();
  receive(from_partner(), invite());
  take_response(kFromPartner, 100);
  EXPECT_TRUE(outbound.empty());
}

}  // namespace fedge::sip
