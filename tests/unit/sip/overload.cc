// Overload: when new requests are refused, which ones, and when that ends.
#include "dataplane/sip/overload.h"

#include <array>
#include <deque>

#include "tests/unit/sip/world.h"

namespace fedge::sip {

class OverloadTest : public ::testing::Test {
 protected:
  OverloadTest() { overload.use(200ms); }

  bool offer(Duration waited, uint32_t peer = 1) {
    overload.note(waited, false, now);
    return overload.admits(waited, peer);
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

TEST_F(OverloadTest, R10_AStandingDelayHoldsOffWhoWaited) {
  overwhelm();
  EXPECT_TRUE(overload.is_standing());
  EXPECT_EQ(shown_delay(), 1000u);
  EXPECT_EQ(pass_window(100, 1s), 0);
  EXPECT_EQ(pass_window(100, 101ms), 0);
}

// One on a connection without a queue, while another floods.
TEST_F(OverloadTest, R10_WhoHasNotWaitedIsServed) {
  overwhelm();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(offer(1s));
    EXPECT_FALSE(offer(1s));
    EXPECT_TRUE(offer(20ms));
    now += 1ms;
    wheel.advance(now);
  }
}

// So many connections flood that everybody waits for a turn: who asks for little is served, also
// when many do; who begins to flood is not.
TEST_F(OverloadTest, R10_WhoAsksForLittleIsServedThoughAllWait) {
  overwhelm();
  const auto pass = [&](uint32_t peers, int each) {
    int admitted = 0;
    for (int i = 0; i < 1000; ++i) {
      EXPECT_FALSE(offer(150ms, 0));
      if (i % 500 == 250) {
        for (uint32_t peer = 1; peer <= peers; ++peer) {
          for (int n = 0; n < each; ++n) admitted += offer(150ms, peer);
        }
      }
      now += 1ms;
      wheel.advance(now);
    }
    return admitted;
  };
  for (int i = 0; i < 2; ++i) pass(10, 1);
  EXPECT_EQ(pass(10, 1), 20);
  EXPECT_EQ(pass(1, 2), 4);
  EXPECT_LT(pass(2, 200), 20);
  for (int i = 0; i < 2; ++i) pass(2, 200);
  EXPECT_EQ(pass(2, 200), 0);
}

// Requests are read soon, and what those let in before are answered stays unread.
TEST_F(OverloadTest, R10_LateAnswersHoldNewRequestsOff) {
  const auto pass = [&](int windows, Duration answers) {
    int admitted = 0;
    for (int i = 0; i < windows * 50; ++i) {
      overload.note(answers, true, now);
      admitted += offer(1ms);
      now += 2ms;
      wheel.advance(now);
    }
    return admitted;
  };
  pass(5, 300ms);
  EXPECT_EQ(pass(20, 300ms), 0);
  EXPECT_GT(pass(1, 1ms), 40);
  pass(1, 300ms);
  EXPECT_FALSE(offer(1ms));
  // None come any more.
  for (int i = 0; i < 2; ++i) pass_window(10, 1ms);
  EXPECT_TRUE(offer(1ms));
}

TEST_F(OverloadTest, R10_ItIsOverASecondAfterTheLastRefusal) {
  overwhelm();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(pass_window(10, 1ms), 10);
  EXPECT_TRUE(overload.is_standing());
  for (int i = 0; i < 2; ++i) pass_window(10, 1ms);
  EXPECT_FALSE(overload.is_standing());
  EXPECT_EQ(pass_window(100, 150ms), 100);
}

TEST_F(OverloadTest, R10_ItFadesWithoutAnyRequests) {
  overwhelm();
  now += 100ms;
  for (int i = 0; i < 20; ++i, now += 100ms) wheel.advance(now);
  EXPECT_FALSE(overload.is_standing());
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
// one; two thirds of what a request costs come 20 ms after it was let in. Five times as many come
// for 20 s. The queue stays short and the server is kept busy.
TEST_F(OverloadTest, R10_FiveTimesTheLoadWaitsLittleAndIsServed) {
  std::deque<double> arrived;  // in windows, of each in the queue
  std::array<int, 2> begun{};  // let in by the last two rounds
  double owed = 0;
  int served = 0;
  double longest_wait = 0;
  const auto round = [&](int tenth, int requests) {
    for (int i = 0; i < requests; ++i) arrived.push_back(tenth / 10.0);
    owed += begun[tenth % 2] * 2.0 / 3;
    begun[tenth % 2] = 0;
    double budget = 10 - std::min(owed, 10.0);
    owed -= 10 - budget;
    for (; budget > 0 && !arrived.empty(); arrived.pop_front()) {
      const double wait = tenth / 10.0 - arrived.front();
      if (tenth > 300) longest_wait = std::max(longest_wait, wait);
      const bool in = offer(std::chrono::duration_cast<Duration>(wait * Overload::kWindow));
      served += in;
      begun[tenth % 2] += in;
      budget -= in ? 1.0 / 3 : 0.1;
    }
    now += 10ms;
    wheel.advance(now);
  };
  for (int tenth = 0; tenth < 2000; ++tenth) round(tenth, 50);
  EXPECT_LT(longest_wait, 2);    // 200 ms, after the first three seconds
  EXPECT_GT(served, 20000 / 2);  // of 20,000; refusing the others leaves time for 11,000
  for (int tenth = 2000; tenth < 2020; ++tenth) round(tenth, 0);  // 200 ms
  EXPECT_TRUE(arrived.empty());
  const int before = served;
  for (int tenth = 2020; tenth < 2120; ++tenth) round(tenth, 5);
  EXPECT_EQ(served - before, 500);
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
