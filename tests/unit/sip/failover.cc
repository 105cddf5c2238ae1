// R3 inside the core: the next target when one fails before any answer.
#include "tests/unit/sip/world.h"

namespace fedge::sip {

using Failover3 = World;

TEST_F(Failover3, R3_NextTargetWhenNoConnectionCanBeMade) {
  outbound.outcomes[fe1] = SendOutcome::gone;
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe2, Method::message);
  respond(sent, 200);
  take_response(kFromPartner, 200);
  expect_idle();
}

TEST_F(Failover3, R3_NextTargetWhenConnectingFails) {
  outbound.outcomes[fe1] = SendOutcome::queued;
  RequestText request;
  request.method = "INVITE";
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken first = take_request(fe1, Method::invite);
  proxy.on_send_failed(first.token, SendFailure::connect_timed_out, now);
  Taken second = take_request(fe2, Method::invite);
  const Message& a = first.message();
  const Message& b = second.message();
  EXPECT_NE(a.via.branch, b.via.branch);
  EXPECT_EQ(count_of(b, HeaderId::via), 2u);
  EXPECT_EQ(count_of(b, HeaderId::record_route), 2u);
  EXPECT_EQ(b.max_forwards, 69);
  EXPECT_NE(value_of(a, HeaderId::record_route), value_of(b, HeaderId::record_route));
  EXPECT_EQ(value_of(a, HeaderId::record_route, 1), value_of(b, HeaderId::record_route, 1));
  // The report is not heard twice.
  proxy.on_send_failed(first.token, SendFailure::closed, now);
  proxy.on_connection_closed(first.connection, now);
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(counter("fedge_signal_failovers_total{reason=\"send_failed\"}"), 1u);
  EXPECT_EQ(counter("fedge_signal_possible_duplicates_total"), 0u);
}

TEST_F(Failover3, R3_16_9_AllTargetsFail) {
  outbound.outcomes[fe1] = outbound.outcomes[fe2] = SendOutcome::gone;
  receive(from_partner(), RequestText{});
  take_response(kFromPartner, 500);
  outbound.outcomes.clear();
  outbound.outcomes[fe2] = SendOutcome::gone;
  receive(from_partner(), RequestText{});
  Taken sent = take();
  proxy.on_send_failed(sent.token, SendFailure::handshake_failed, now);
  Taken answer = take_response(kFromPartner, 500);
  EXPECT_EQ(value_of(answer.message(), HeaderId::via),
            "SIP/2.0/TLS a.partner.example:5061;branch=z9hG4bK-a;received=203.0.113.5");
  EXPECT_EQ(count_of(answer.message(), HeaderId::via), 1u);
  expect_idle();
}

TEST_F(Failover3, R3_CongestionIsToldWithRetryAfter) {
  outbound.outcomes[fe1] = outbound.outcomes[fe2] = SendOutcome::full;
  receive(from_partner(), RequestText{});
  Taken answer = take_response(kFromPartner, 503);
  expect_retry_after(answer.message());
  expect_idle();
}

TEST_F(Failover3, R3_NextTargetWhenRefusedBy503) {
  receive(from_partner(), RequestText{});
  Taken first = take_request(fe1, Method::message);
  respond(first, 503);
  Taken second = take_request(fe2, Method::message);
  EXPECT_TRUE(outbound.empty());
  respond(second, 200);
  take_response(kFromPartner, 200);
  expect_idle();
}

TEST_F(Failover3, R3_16_7_Last503BecomesOurs500) {
  receive(from_partner(), RequestText{});
  Taken first = take();
  respond(first, 503);
  Taken second = take();
  respond(second, 503, "X-Diagnostics: kept\r\n");
  Taken answer = take_response(kFromPartner, 500);
  EXPECT_NE(answer.bytes.find("X-Diagnostics: kept\r\n"), std::string::npos);
  expect_idle();
}

TEST_F(Failover3, R3_OtherRefusalsAreFinal) {
  receive(from_partner(), RequestText{});
  Taken first = take();
  respond(first, 404);
  take_response(kFromPartner, 404);
  expect_idle();
}

TEST_F(Failover3, R3_NextTargetWhenNoResponseComes) {
  receive(from_partner(), RequestText{});
  Taken first = take_request(fe1, Method::message);
  pass(3999ms);
  take_response(kFromPartner, 100);
  EXPECT_TRUE(outbound.empty());
  pass(5ms);
  Taken second = take_request(fe2, Method::message);
  EXPECT_EQ(counter("fedge_signal_possible_duplicates_total"), 1u);
  // The slow one answers first after all.
  respond(first, 200);
  take_response(kFromPartner, 200);
  respond(second, 200);
  EXPECT_TRUE(outbound.empty());
  expect_idle();
}

TEST_F(Failover3, R3_SlowTargetIsCalledOff) {
  RequestText request;
  request.method = "INVITE";
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken first = take_request(fe1, Method::invite);
  pass(5s);
  Taken second = take_request(fe2, Method::invite);
  respond(second, 180);
  take_response(kFromPartner, 180);
  respond(first, 180);  // wakes up: must not ring on
  Taken cancel = take_request(fe1, Method::cancel);
  EXPECT_EQ(cancel.message().via.branch, first.message().via.branch);
  respond(first, 487);
  take_request(fe1, Method::ack);
  EXPECT_TRUE(outbound.empty());
  respond(second, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Failover3, R3_SlowTargetIsWaitedForWhenTheOtherFails) {
  RequestText request;
  request.method = "INVITE";
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken first = take_request(fe1, Method::invite);
  pass(5s);
  Taken second = take_request(fe2, Method::invite);
  proxy.on_send_failed(second.token, SendFailure::connect_refused, now);
  EXPECT_TRUE(outbound.empty());
  respond(first, 180);
  take_response(kFromPartner, 180);
  respond(first, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Failover3, R3_NoOtherTargetOnceItRings) {
  RequestText request;
  request.method = "INVITE";
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken first = take_request(fe1, Method::invite);
  respond(first, 180);
  take_response(kFromPartner, 180);
  pass(10s);
  proxy.on_connection_closed(first.connection, now);
  EXPECT_TRUE(outbound.empty());
  respond(first, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Failover3, R3_NextTargetWhenTheConnectionIsLost) {
  receive(from_partner(), RequestText{});
  Taken first = take();
  EXPECT_TRUE(proxy.is_awaited(first.connection));
  proxy.on_connection_closed(first.connection, now);
  EXPECT_FALSE(proxy.is_awaited(first.connection));
  Taken second = take_request(fe2, Method::message);
  respond(second, 200);
  take_response(kFromPartner, 200);
  EXPECT_EQ(counter("fedge_signal_failovers_total{reason=\"connection_lost\"}"), 1u);
}

TEST_F(Failover3, R3_ManyRequestsMoveWithALostConnection) {
  RequestText request;
  std::vector<Taken> first;
  for (int i = 0; i < 50; ++i) {
    request.branch = "z9hG4bK-" + std::to_string(i);
    receive(from_partner(), request);
    first.push_back(take_request(fe1, Method::message));
  }
  proxy.on_connection_closed(first[0].connection, now);
  for (int i = 0; i < 50; ++i) {
    Taken sent = take_request(fe2, Method::message);
    respond(sent, 200);
  }
  for (int i = 0; i < 50; ++i) take_response(kFromPartner, 200);
  expect_idle();
}

TEST_F(Failover3, P1_RetiredNextHopGetsNothingAfterAPublish) {
  receive(from_partner(), RequestText{});
  Taken running = take_request(fe1, Method::message);
  const Sections after(WorldOptions{.without_fe1 = true});
  proxy.use(after.view(), now);
  RequestText next;
  next.branch = "z9hG4bK-b";
  receive(from_partner(), next);
  take_request(fe2, Method::message);
  // What is under way is answered.
  respond(running, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Failover3, P1_FailoverGoesByTheSnapshotInUse) {
  RequestText request;
  request.method = "INVITE";
  receive(from_fe2(), request);  // from one front end to the other: fe2 is where it came from
  take_response(kFromFe2, 100);
  Taken sent = take_request(fe1, Method::invite);
  const Sections after(WorldOptions{.without_fe1 = true});
  proxy.use(after.view(), now);
  proxy.on_send_failed(sent.token, SendFailure::connect_refused, now);
  take_response(kFromFe2, 500);
}

TEST_F(Failover3, P1_ATargetThatAPublishBringsIsTried) {
  const Sections before(WorldOptions{.ours = {{fe1, 1, 1}}});
  const Sections after(WorldOptions{.ours = {{fe2, 1, 1}}});
  proxy.use(before.view(), now);
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  proxy.use(after.view(), now);
  proxy.on_send_failed(sent.token, SendFailure::connect_refused, now);
  take_request(fe2, Method::message);
}

class ThreeInTurn : public World {
 public:
  ThreeInTurn() { proxy.use(three_.view(), now); }

  // The first has woken up after the second got the INVITE, was called off and says so.
  void call_first_off() {
    RequestText request;
    request.method = "INVITE";
    receive(from_partner(), request);
    take_response(kFromPartner, 100);
    Taken first = take_request(fe1, Method::invite);
    pass(5s);
    second = take_request(fe2, Method::invite);
    respond(first, 180);
    take_request(fe1, Method::cancel);
    respond(first, 487);
    take_request(fe1, Method::ack);
    EXPECT_TRUE(outbound.empty());
  }
  Taken second;

 private:
  Sections three_{WorldOptions{.ours = {{fe1, 1, 1}, {fe2, 2, 1}, {imp, 3, 1}}}};
};

TEST_F(ThreeInTurn, R3_WhomWeCalledOffHasNotRefused) {
  call_first_off();
  respond(second, 503);
  take_request(fe2, Method::ack);
  take_request(imp, Method::invite);
}

TEST_F(ThreeInTurn, R3_WhomWeCalledOffDoesNotEndTheWait) {
  call_first_off();
  pass(5s);
  take_request(imp, Method::invite);
  EXPECT_TRUE(outbound.empty());
}

TEST_F(ThreeInTurn, R3_TheCallersCancelBehindOursIsAnswered) {
  call_first_off();
  respond(second, 180);
  take_response(kFromPartner, 180);
  RequestText request;
  request.method = "CANCEL";
  receive(from_partner(), request);
  take_response(kFromPartner, 200);
  take_request(fe2, Method::cancel);
  respond(second, 487);
  take_request(fe2, Method::ack);
  take_response(kFromPartner, 487);
}

TEST_F(Failover3, R10_CancelledInviteTriesNoOther) {
  RequestText request;
  request.method = "INVITE";
  outbound.outcomes[fe1] = SendOutcome::queued;
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken sent = take();
  request.method = "CANCEL";
  receive(from_partner(), request);
  take_response(kFromPartner, 200);
  proxy.on_send_failed(sent.token, SendFailure::connect_refused, now);
  take_response(kFromPartner, 487);
}

}  // namespace fedge::sip
