// R3 through the whole proxy: what requests and responses teach it, and what it tells.
#include "dataplane/sip/branch.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {

class Evidence : public World {
 protected:
  // A request of its own; `branch` tells them apart.
  void ask(const std::string& method = "MESSAGE") {
    RequestText request;
    request.method = method;
    request.branch += std::to_string(++asked_);
    receive(from_partner(), request);
    if (method == "INVITE") take_response(kFromPartner, 100);
  }
  // Down for lack of a connection; the request went to fe2 and was answered.
  void lose_fe1() {
    outbound.outcomes[fe1] = SendOutcome::gone;
    ask();
    Taken sent = take_request(fe2, Method::message);
    respond(sent, 200);
    take_response(kFromPartner, 200);
    outbound.outcomes.clear();
  }
  HopState state(Hop hop) { return proxy.health_of(hop).state; }

 private:
  int asked_ = 0;
};

TEST_F(Evidence, R3_ABlackholeCostsItsTimeOnce) {
  outbound.outcomes[fe1] = SendOutcome::queued;
  ask();
  Taken first = take_request(fe1, Method::message);
  pass(2s);
  proxy.on_send_failed(first.token, SendFailure::connect_timed_out, now);
  take_request(fe2, Method::message);
  EXPECT_EQ(state(fe1), HopState::down);
  EXPECT_EQ(proxy.health_of(fe1).reason, HopFailure::connect_timed_out);
  for (int i = 0; i < 5; ++i) {
    ask();
    take_request(fe2, Method::message);
  }
  ASSERT_EQ(outbound.failovers.size(), 1u);
  EXPECT_EQ(outbound.failovers[0].method, "MESSAGE");
  EXPECT_EQ(outbound.failovers[0].call_id, "call-1");
  EXPECT_EQ(outbound.failovers[0].from, fe1);
  EXPECT_EQ(outbound.failovers[0].to, fe2);
  EXPECT_EQ(outbound.failovers[0].why, HopFailure::connect_timed_out);
}

TEST_F(Evidence, R3_SilenceMeansDownAndItsLateAnswerIsNoProof) {
  ask("INVITE");
  Taken first = take_request(fe1, Method::invite);
  pass(4010ms);
  Taken second = take_request(fe2, Method::invite);
  EXPECT_EQ(state(fe1), HopState::down);
  EXPECT_EQ(outbound.failovers.at(0).why, HopFailure::no_response);
  respond(second, 180);
  take_response(kFromPartner, 180);
  respond(first, 180);
  take_request(fe1, Method::cancel);
  EXPECT_EQ(state(fe1), HopState::down);
}

TEST_F(Evidence, R3_Three503InARow) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(state(fe1), HopState::down);
    ask();
    Taken first = take_request(fe1, Method::message);
    respond(first, 503);
    Taken second = take_request(fe2, Method::message);
    respond(second, 200);
    take_response(kFromPartner, 200);
  }
  EXPECT_EQ(state(fe1), HopState::down);
  ask();
  take_request(fe2, Method::message);
  EXPECT_EQ(outbound.failovers.size(), 3u);
}

TEST_F(Evidence, R3_503WithRetryAfterMeansDownAtOnce) {
  ask();
  Taken first = take_request(fe1, Method::message);
  respond(first, 503, "Retry-After: 20 (full);duration=3\r\n");
  take_request(fe2, Method::message);
  EXPECT_EQ(state(fe1), HopState::down);
  EXPECT_EQ(proxy.health_of(fe1).reason, HopFailure::busy);
}

TEST_F(Evidence, R3_AnyOtherRefusalProvesLife) {
  for (const uint16_t status : {404, 486, 500, 603}) {
    ask();
    Taken sent = take_request(fe1, Method::message);
    respond(sent, status);
    take_response(kFromPartner, status);
  }
  EXPECT_EQ(state(fe1), HopState::up);
  EXPECT_TRUE(outbound.failovers.empty());
}

TEST_F(Evidence, R3_FailuresOfTheCallerOrOfUsSayNothing) {
  outbound.outcomes[fe1] = outbound.outcomes[fe2] = SendOutcome::full;
  ask();
  take_response(kFromPartner, 503);
  EXPECT_EQ(state(fe1), HopState::unknown);
  ASSERT_EQ(outbound.failovers.size(), 1u);
  EXPECT_EQ(outbound.failovers[0].why, HopFailure::congested);
}

TEST_F(Evidence, R3_AllDownAreTriedInOrder) {
  lose_fe1();
  outbound.outcomes[fe2] = SendOutcome::gone;
  ask();  // fe2 first, since it was up; then fe1
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(state(fe2), HopState::down);
  respond(sent, 200);
  take_response(kFromPartner, 200);
  ask();
  take_request(fe1, Method::message);
}

TEST_F(Evidence, R3_InsideADialogADownHopIsStillAsked) {
  lose_fe1();
  RequestText bye;
  bye.method = "BYE";
  bye.to += ";tag=b1";
  bye.uri = "sip:bob@fe1.example.com";
  bye.headers += "Route: <sip:10.1.0.1:5061;transport=tls;lr>, <sip:fe1.example.com:5061;lr>\r\n";
  receive(from_fe2(), bye);
  take_request(fe1, Method::bye);
}

TEST_F(Evidence, R3_OptionsBringsItBack) {
  outbound.asks = true;
  proxy.use(sections.view(), now);
  lose_fe1();
  int probes = 0;
  const Instant begin = now;
  while (state(fe1) != HopState::up && now - begin < 10s) {
    pass(100ms);
    while (!outbound.empty()) {
      Taken probe = take();
      const Message& m = probe.message();
      ASSERT_TRUE(m.is_request);
      EXPECT_EQ(m.method, Method::options);
      EXPECT_EQ(m.max_forwards, 1);
      EXPECT_EQ(count_of(m, HeaderId::via), 1u);
      const auto branch = parse_branch(m.via.branch);
      ASSERT_TRUE(branch);
      probes += probe.next_hop == fe1;
      if (probe.next_hop == fe1) {
        EXPECT_EQ(m.request_uri, "sip:fe1.example.com:5061;transport=tls");
        EXPECT_EQ(value_of(m, HeaderId::to), "<sip:fe1.example.com>");
      }
      respond(probe, 200);
    }
  }
  EXPECT_EQ(state(fe1), HopState::up);
  EXPECT_EQ(probes, 2);
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"stray_response\"}"), 0u);
  EXPECT_GE(counter("fedge_signal_probes_total"), 2u);
  ask();
  take_request(fe1, Method::message);
}

TEST_F(Evidence, R3_ProbeFailuresAreHeardByToken) {
  outbound.asks = true;
  proxy.use(sections.view(), now);
  lose_fe1();
  outbound.outcomes[fe1] = SendOutcome::queued;
  while (outbound.empty()) pass(100ms);
  Taken probe = take();
  ASSERT_EQ(probe.next_hop, fe1);
  proxy.on_send_failed(probe.token, SendFailure::handshake_failed, now);
  EXPECT_EQ(proxy.health_of(fe1).reason, HopFailure::handshake_failed);
  EXPECT_EQ(proxy.health_of(fe1).probed, now);
  // The report is not heard twice, and never as that of a request.
  proxy.on_send_failed(probe.token, SendFailure::connect_refused, now);
  EXPECT_EQ(proxy.health_of(fe1).reason, HopFailure::handshake_failed);
}

TEST_F(Evidence, R3_EachChangeIsReportedOnce) {
  lose_fe1();
  std::vector<HopState> states;
  for (const HopReport& r : outbound.reports) {
    if (r.next_hop == fe1 && r.changed) states.push_back(r.state);
  }
  EXPECT_EQ(states, std::vector{HopState::down});
  proxy.note_health(proxy.key_of_next_hop(fe1),
                    {fe1, HopState::up, HopFailure::none, true, now, {}}, now);
  EXPECT_EQ(state(fe1), HopState::up);
}

}  // namespace fedge::sip
