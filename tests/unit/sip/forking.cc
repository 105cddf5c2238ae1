// Requests that go to several targets at once (RFC 3261 16.6, 16.7; RFC 5393), and what their
// sender hears.
#include "tests/unit/sip/world.h"

namespace fedge::sip {

class Forking : public World {
 public:
  Forking() { proxy.use(forked_.view(), now); }

  static RequestText invite() {
    RequestText request;
    request.method = "INVITE";
    return request;
  }
  // The INVITE at both front ends.
  void start(const RequestText& request = invite()) {
    receive(from_partner(), request);
    take_response(kFromPartner, 100);
    first = take_request(fe1, Method::invite);
    second = take_request(fe2, Method::invite);
    EXPECT_TRUE(outbound.empty());
  }
  void refuse(Taken& request, uint32_t hop, uint16_t status, const std::string& headers = {}) {
    respond(request, status, headers);
    Taken ack = take_request(hop, Method::ack);
    EXPECT_EQ(ack.message().via.branch, request.message().via.branch);
  }
  void ring(Taken& request, uint16_t status = 180) {
    respond(request, status);
    take_response(kFromPartner, status);
  }
  // The caller's ACK or CANCEL.
  void send_same(const std::string& method, RequestText request = invite()) {
    request.method = method;
    receive(from_partner(), request);
  }
  static int32_t breadth_of(Taken& request) {
    EXPECT_EQ(count_of(request.message(), HeaderId::max_breadth), 1u);
    return request.message().max_breadth;
  }
  Taken first;
  Taken second;

 private:
  Sections forked_{WorldOptions{.ours = {{fe1, 1, 1}, {fe2, 1, 1}, {imp, 2, 1}},
                                .forking = snapshot::Forking::all}};
};

TEST_F(Forking, R2_R10_16_6_AllTargetsOfTheBestPriorityGetItAtOnce) {
  start();
  EXPECT_NE(first.message().via.branch, second.message().via.branch);
  for (Taken* sent : {&first, &second}) {
    EXPECT_EQ(sent->message().max_forwards, 69);
    EXPECT_EQ(count_of(sent->message(), HeaderId::via), 2u);
  }
}

TEST_F(Forking, R10_16_6_NotBackToWhereItCameFrom) {
  receive(from_fe1(), invite());
  take_response(kFromFe1, 100);
  take_request(fe2, Method::invite);
  EXPECT_TRUE(outbound.empty());
}

TEST_F(Forking, R10_16_7_Step4And6_TheBestResponseWaitsForTheLastBranch) {
  struct Case {
    uint16_t a, b, best;
  };
  const Case cases[] = {{404, 302, 302}, {302, 404, 302}, {500, 404, 404}, {404, 500, 404},
                        {486, 401, 401}, {407, 486, 407}, {415, 404, 415}, {404, 420, 420},
                        {484, 403, 484}, {408, 404, 404}, {404, 408, 404}, {503, 404, 404},
                        {503, 500, 500}, {603, 486, 603}, {486, 600, 600}, {302, 603, 603}};
  for (size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE(i);
    RequestText request = invite();
    request.branch = "z9hG4bK-" + std::to_string(i);
    start(request);
    refuse(first, fe1, cases[i].a);
    EXPECT_TRUE(outbound.empty());
    refuse(second, fe2, cases[i].b, "X-Which: second\r\n");
    Taken answer = take_response(kFromPartner, cases[i].best);
    EXPECT_EQ(count_of(answer.message(), HeaderId::via), 1u);
    EXPECT_EQ(answer.bytes.contains("X-Which"), cases[i].b == cases[i].best);
    send_same("ACK", request);
  }
  expect_idle();
}

TEST_F(Forking, R10_16_7_Step5_EveryProvisionalAndEverySuccessAtOnce) {
  start();
  ring(first);
  ring(second, 183);
  respond(first, 200);
  take_response(kFromPartner, 200);
  Taken cancel = take_request(fe2, Method::cancel);  // step 10
  EXPECT_EQ(cancel.message().via.branch, second.message().via.branch);
  respond(second, 200);  // crossed on the wire: the caller has two dialogs
  take_response(kFromPartner, 200);
  respond(second, 200);
  take_response(kFromPartner, 200);
  pass(33s);
  expect_idle();
}

TEST_F(Forking, R10_16_7_Step5_A6xxCallsTheOthersOffAndIsNotSentBeforeTheyEnd) {
  start();
  ring(second);
  refuse(first, fe1, 603);
  take_request(fe2, Method::cancel);
  EXPECT_TRUE(outbound.empty());
  refuse(second, fe2, 487);
  take_response(kFromPartner, 603);
  EXPECT_TRUE(outbound.empty());  // and nobody else is tried
}

TEST_F(Forking, R10_16_7_Step5_ASuccessBehindA6xxStillCounts) {
  start();
  ring(second);
  refuse(first, fe1, 603);
  take_request(fe2, Method::cancel);
  respond(second, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Forking, R10_16_7_Step7_ChallengesAreCollected) {
  start();
  refuse(first, fe1, 401, "WWW-Authenticate: Digest realm=\"one\"\r\n");
  refuse(second, fe2, 407,
         "Proxy-Authenticate: Digest realm=\"two\"\r\nProxy-Authenticate: Digest realm=\"3\"\r\n");
  Taken answer = take_response(kFromPartner, 401);
  for (const char* line : {"WWW-Authenticate: Digest realm=\"one\"\r\n",
                           "Proxy-Authenticate: Digest realm=\"two\"\r\n",
                           "Proxy-Authenticate: Digest realm=\"3\"\r\n"}) {
    EXPECT_NE(answer.bytes.find(line), std::string::npos) << answer.bytes;
  }
}

TEST_F(Forking, R2_R3_TheNextPriorityWhenAllOfOneFail) {
  start();
  refuse(first, fe1, 503);
  EXPECT_TRUE(outbound.empty());
  respond(second, 408);
  take_request(fe2, Method::ack);
  Taken third = take_request(imp, Method::invite);
  refuse(third, imp, 404);
  take_response(kFromPartner, 404);
}

TEST_F(Forking, R2_R3_ARefusalIsFinalForTheWholePriority) {
  start();
  refuse(first, fe1, 503);
  refuse(second, fe2, 404);
  take_response(kFromPartner, 404);
  EXPECT_TRUE(outbound.empty());
}

TEST_F(Forking, R3_TheNextPriorityWhenAllOfOneAreSilent) {
  start();
  pass(5s);
  Taken third = take_request(imp, Method::invite);
  EXPECT_TRUE(outbound.empty());
  ring(third);
  respond(first, 180);  // wakes up: must not ring on
  take_request(fe1, Method::cancel);
  respond(third, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Forking, R3_ASilentTargetDoesNotHoldTheAnswerUp) {
  start();
  refuse(first, fe1, 486);
  EXPECT_TRUE(outbound.empty());
  pass(5s);
  take_response(kFromPartner, 486);
  respond(second, 180);  // it has been called off
  take_request(fe2, Method::cancel);
}

TEST_F(Forking, R10_16_8_TimerCRunsForEachBranch) {
  start();
  ring(first);
  pass(1s);
  ring(second);
  pass(100s);
  ring(second, 183);
  pass(90s);
  take_request(fe1, Method::cancel);
  EXPECT_TRUE(outbound.empty());
  refuse(first, fe1, 487);
  respond(second, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Forking, R10_16_9_AFailedConnectionIsOneBranchOnly) {
  start();
  proxy.on_send_failed(first.token, SendFailure::connect_refused, now);
  EXPECT_TRUE(outbound.empty());
  proxy.on_connection_closed(second.connection, now);
  take_request(imp, Method::invite);
}

TEST_F(Forking, R10_16_9_TargetsThatCannotBeReachedAtAll) {
  outbound.outcomes[fe1] = outbound.outcomes[fe2] = SendOutcome::gone;
  receive(from_partner(), RequestText{});
  Taken third = take_request(imp, Method::message);
  respond(third, 503);
  take_response(kFromPartner, 500);
  expect_idle();
}

TEST_F(Forking, R10_16_10_CancelGoesToEachBranch) {
  start();
  ring(first);
  send_same("CANCEL");
  take_response(kFromPartner, 200);
  Taken cancel = take_request(fe1, Method::cancel);
  EXPECT_EQ(cancel.message().via.branch, first.message().via.branch);
  EXPECT_TRUE(outbound.empty());  // the other has not shown that it has the INVITE
  respond(second, 180);
  take_request(fe2, Method::cancel);
  refuse(first, fe1, 487);
  EXPECT_TRUE(outbound.empty());
  refuse(second, fe2, 487);
  take_response(kFromPartner, 487);
  send_same("ACK");
  expect_idle();
}

TEST_F(Forking, R10_16_7_Step5_OtherRequestsHearTheFirstSuccessOnly) {
  receive(from_partner(), RequestText{});
  first = take_request(fe1, Method::message);
  second = take_request(fe2, Method::message);
  respond(first, 404);
  EXPECT_TRUE(outbound.empty());
  respond(second, 202);
  take_response(kFromPartner, 202);
  respond(first, 200);
  EXPECT_TRUE(outbound.empty());
  expect_idle();
}

TEST_F(Forking, R10_17_2_1_ARepeatedInviteHearsItsRefusalAgain) {
  start();
  refuse(first, fe1, 404);
  refuse(second, fe2, 486, "X-Why: told\r\n");
  Taken answer = take_response(kFromPartner, 486);
  Arrival again = from_partner();
  again.connection = 77;
  receive(again, invite());
  Taken repeated = take_response(77, 486);
  EXPECT_EQ(repeated.bytes, answer.bytes);
  send_same("ACK");
  expect_idle();
}

TEST_F(Forking, R7_5393_BreadthIsDivided) {
  start();
  // One share is left for the target that may be tried while these are silent.
  EXPECT_EQ(breadth_of(first) + breadth_of(second), 59);
  EXPECT_GE(breadth_of(first), 29);
  EXPECT_GE(breadth_of(second), 29);
  pass(5s);
  Taken third = take_request(imp, Method::invite);
  EXPECT_EQ(breadth_of(third), 1);
}

TEST_F(Forking, R7_5393_BreadthThatHasEndedIsUsedAgain) {
  start();
  refuse(first, fe1, 503);
  refuse(second, fe2, 503);
  Taken third = take_request(imp, Method::invite);
  EXPECT_EQ(breadth_of(third), 60);
}

TEST_F(Forking, R7_5393_NoBranchWithoutBreadth) {
  RequestText request = invite();
  request.headers = "Max-Breadth: 2\r\n";
  start(request);
  EXPECT_EQ(breadth_of(first), 1);
  EXPECT_EQ(breadth_of(second), 1);
  pass(5s);
  EXPECT_TRUE(outbound.empty());  // both are silent, and hold all there is
  respond(first, 200);
  take_response(kFromPartner, 200);
}

TEST_F(Forking, R7_5393_440WhenItDoesNotReach) {
  RequestText request;
  request.headers = "Max-Breadth: 1\r\n";
  receive(from_partner(), request);
  Taken answer = take_response(kFromPartner, 440);
  EXPECT_EQ(answer.message().reason, "Max-Breadth Exceeded");
  expect_idle();
  EXPECT_EQ(counter("fedge_signal_refused_total{reason=\"max_breadth\"}"), 1u);
}

TEST_F(Forking, R7_5393_440WhenItDoesNotReachForTheNextPriority) {
  const Sections other(WorldOptions{.ours = {{fe1, 1, 1}, {fe2, 2, 1}, {imp, 2, 1}},
                                    .forking = snapshot::Forking::all});
  proxy.use(other.view(), now);
  RequestText request;
  request.headers = "Max-Breadth: 1\r\n";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  respond(sent, 503);
  take_response(kFromPartner, 440);
  expect_idle();
}

TEST_F(Forking, R7_5393_MoreThanOurMostIsCutDown) {
  RequestText request = invite();
  request.headers = "Max-Breadth: 4000000\r\n";
  start(request);
  EXPECT_EQ(breadth_of(first) + breadth_of(second), 59);
}

using Breadth = World;

TEST_F(Breadth, R7_5393_ASingleTargetCarriesAllOfIt) {
  RequestText request;
  request.uri = "sip:carol@example.com";
  receive(from_partner(), request);
  EXPECT_EQ(take_request(imp, Method::message).message().max_breadth, 60);
  request.headers = "Max-Breadth: 7\r\n";
  request.branch = "z9hG4bK-7";
  receive(from_partner(), request);
  EXPECT_EQ(take_request(imp, Method::message).message().max_breadth, 7);
}

TEST_F(Breadth, R7_5393_ZeroGoesNowhere) {
  RequestText request;
  request.headers = "Max-Breadth: 0\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 440);
  request.method = "ACK";
  receive(from_partner(), request);
  EXPECT_TRUE(outbound.empty());
  expect_idle();
}

TEST_F(Breadth, R7_5393_OneIsEnoughForTargetsInTurn) {
  RequestText request;
  request.headers = "Max-Breadth: 1\r\n";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(sent.message().max_breadth, 1);
  respond(sent, 503);
  EXPECT_EQ(take_request(fe2, Method::message).message().max_breadth, 1);
}

}  // namespace fedge::sip
