// Overload: when a share of the new requests is refused, which ones, and when that ends.
#include "dataplane/sip/overload.h"

#include "tests/unit/sip/world.h"

namespace fedge::sip {

class OverloadTest : public ::testing::Test {
 protected:
  OverloadTest() { overload.use(200ms); }

  bool offer(Duration waited) {
    overload.note(waited, now);
    return overload.admits();
  }
  // So many new requests in 100 ms, each after that wait; how many were let in.
  int pass_window(int requests, Duration waited) {
    int admitted = 0;
    for (int i = 0; i < requests; ++i) {
      admitted += offer(waited);
      now += Overload::kWindow / requests;
      wheel.advance(now);
    }
    return admitted;
  }
  void overwhelm() {
    for (int i = 0; i < 20; ++i) pass_window(100, 1s);
  }
  uint64_t shown_delay() {
    return counters.value(counters.series("fedge_signal_overload_delay_ms"));
  }

  Instant now{std::chrono::hours(1)};
  TimerWheel wheel{now};
  Counters counters;
  Statistics statistics{counters};
  Overload overload{wheel, statistics};
};

TEST_F(OverloadTest, R10_AStandingDelayHoldsNewRequestsOff) {
  overwhelm();
  EXPECT_EQ(overload.admitted_share(), Overload::kLeast);
  EXPECT_EQ(shown_delay(), 1000u);
  // Never all: what is let in shows how things are.
  int admitted = 0;
  for (int i = 0; i < 64; ++i) admitted += pass_window(100, 1s);
  EXPECT_EQ(admitted, 100);
}

TEST_F(OverloadTest, R10_AllAreServedAgainWithinTwoSeconds) {
  overwhelm();
  for (int i = 0; i < 20; ++i) pass_window(10, 1ms);
  EXPECT_EQ(overload.admitted_share(), 1);
  EXPECT_EQ(pass_window(100, 1ms), 100);
}

TEST_F(OverloadTest, R10_ItFadesWithoutAnyRequests) {
  overwhelm();
  now += 100ms;
  for (int i = 0; i < 20; ++i, now += 100ms) wheel.advance(now);
  EXPECT_EQ(overload.admitted_share(), 1);
  EXPECT_EQ(shown_delay(), 0u);
  EXPECT_EQ(wheel.armed(), 0u);
}

// A box that is busy all the time but keeps up, however long its queue within the limit.
TEST_F(OverloadTest, R10_SaturationIsNoOverload) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pass_window(100, i % 2 == 0 ? 5ms : 199ms), 100);
  // A few on one long queue are not the whole box.
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pass_window(10, 1s), 10);
    EXPECT_EQ(pass_window(90, 1ms), 90);
  }
}

// A process that was stopped for a moment, or swapped a large snapshot.
TEST_F(OverloadTest, R10_OneStallIsNoOverload) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pass_window(100, 2s), 100);
    EXPECT_EQ(pass_window(100, 1ms), 100);
  }
}

// A queue in front of a server that takes 100 requests in 100 ms, or refuses ten in the time of
// one: five times as many come for 20 s. The queue stays short and the server is kept busy.
TEST_F(OverloadTest, R10_FiveTimesTheLoadWaitsLittleAndIsServed) {
  double queue = 0;  // requests
  int served = 0;
  double longest_wait = 0;  // windows, after the first two seconds
  for (int tenth = 0; tenth < 2000; ++tenth) {
    queue += 50;
    for (double budget = 10; budget > 0 && queue >= 1; --queue) {
      const double wait = queue / 500;  // at the rate at which they come
      if (tenth > 200) longest_wait = std::max(longest_wait, wait);
      const bool in = offer(std::chrono::duration_cast<Duration>(wait * Overload::kWindow));
      served += in;
      budget -= in ? 1 : 0.1;
    }
    now += 10ms;
    wheel.advance(now);
  }
  EXPECT_LT(longest_wait, 10);   // a second
  EXPECT_GT(served, 20000 / 4);  // of 20,000; refusing the others leaves time for 11,000
}

class Overloaded : public World {
 protected:
  void overwhelm() {
    for (int i = 0; i < 2000; ++i) {
      offer("z9hG4bK-" + std::to_string(i), 1s);
      while (!outbound.empty()) {
        Taken taken = take();
        if (taken.next_hop == kNoNextHop) continue;
        respond(taken, 200);
        take_response(kFromPartner, 200);
      }
      pass(1ms);
    }
  }
  void offer(const std::string& branch, Duration waited) {
    RequestText request;
    request.branch = branch;
    Arrival arrival = from_partner();
    arrival.waited = waited;
    receive(arrival, request);
  }
  Arrival late() const {
    Arrival arrival = from_partner();
    arrival.waited = 1s;
    return arrival;
  }
};

TEST_F(Overloaded, R10_NewRequestsHear503AndLeaveNoState) {
  overwhelm();
  const uint64_t before = counter("fedge_signal_overload_refused_total");
  EXPECT_GT(before, 1000u);
  offer("z9hG4bK-refused", 1s);
  Taken answer = take_response(kFromPartner, 503);
  expect_retry_after(answer.message());
  EXPECT_EQ(proxy.server_transactions(), 0u);
  EXPECT_EQ(counter("fedge_signal_overload_refused_total"), before + 1);
  expect_idle();
}

TEST_F(Overloaded, R10_WhatHasBegunGoesOn) {
  RequestText invite;
  invite.method = "INVITE";
  invite.branch = "z9hG4bK-call";
  receive(from_partner(), invite);
  take_response(kFromPartner, 100);
  Taken sent = take_request(fe1, Method::invite);
  RequestText ringing = invite;
  ringing.branch = "z9hG4bK-ringing";
  receive(from_partner(), ringing);
  take_response(kFromPartner, 100);
  take_request(fe1, Method::invite);
  overwhelm();

  respond(sent, 200, "Contact: <sip:bob@10.2.9.9:5061>\r\n");
  Taken answer = take_response(kFromPartner, 200);
  RequestText inside = invite;
  inside.to = "<sip:bob@example.com>;tag=b1";
  inside.headers =
      "Max-Forwards: 70\r\nRoute: " + value_of(answer.message(), HeaderId::record_route, 1) + ", " +
      value_of(answer.message(), HeaderId::record_route, 0) + "\r\n";
  for (const auto& [method, id] :
       {std::pair{"ACK", Method::ack}, {"INFO", Method::info}, {"BYE", Method::bye}}) {
    inside.method = method;
    inside.branch = std::string("z9hG4bK-") + method;
    receive(late(), inside);
    take_request(fe1, id);
  }
  RequestText cancel = ringing;
  cancel.method = "CANCEL";
  receive(late(), cancel);
  take_response(kFromPartner, 200);
}

// RFC 3261 8.2.7: the ACK of an answer that left nothing behind is for us.
TEST_F(Overloaded, R10_8_2_7_AckOfARefusalGoesNoFurther) {
  overwhelm();
  RequestText invite;
  invite.method = "INVITE";
  invite.branch = "z9hG4bK-refused-invite";
  receive(late(), invite);
  Taken answer = take_response(kFromPartner, 503);
  invite.method = "ACK";
  invite.to = "<sip:bob@example.com>;tag=" + std::string(answer.message().to_tag);
  receive(late(), invite);
  expect_idle();
}

}  // namespace fedge::sip
