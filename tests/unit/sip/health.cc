// R3: what is known of next hops, in virtual time. fe1 and fe2 serve one route together; imp and
// partner_edge have no alternative.
#include "dataplane/sip/health.h"

#include "dataplane/sip/probe.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { health.use(sections.routing(), next_hops, times, now); }

  void pass(Duration time) {
    for (const Instant end = now + time; now < end; now += 10ms) wheel.advance(now);
  }
  void fail(uint32_t hop, HopFailure why = HopFailure::refused) {
    health.on_failure(hop, why, now, now);
  }
  // Time passes until the hop is asked; how long that took.
  Duration until_asked(uint32_t hop, Duration most = 5min) {
    const Instant begin = now;
    while (now - begin < most) {
      wheel.advance(now);
      while (!asker.asked.empty()) {
        last = asker.asked.front();
        asker.asked.erase(asker.asked.begin());
        if (last.next_hop == hop) return now - begin;
        (void)health.on_probe_answer(last.branch, 200, {}, now);
      }
      now += 10ms;
    }
    ADD_FAILURE() << "hop " << hop << " was not asked";
    return {};
  }
  void answer(uint16_t status = 200, Duration retry_after = {}) {
    EXPECT_TRUE(health.on_probe_answer(last.branch, status, retry_after, now));
  }
  // Answers all probes of the hop until it is up again; how many it took.
  int mend(uint32_t hop) {
    int probes = 0;
    for (; !health.is_up(hop) && probes < 100; ++probes) {
      until_asked(hop);
      answer();
    }
    return probes;
  }
  HopState state(uint32_t hop) const { return health.report(hop).state; }
  bool told(uint32_t hop, HopState wanted) {
    bool found = false;
    for (const HopReport& r : asker.reports) {
      found = found || (r.next_hop == hop && r.state == wanted && r.changed);
    }
    asker.reports.clear();
    return found;
  }

  Instant now{std::chrono::hours(1)};
  const HealthTimes times{10s, 4s};
  Sections sections;
  NextHops next_hops{sections.routing(), *sections.view().realms};
  TimerWheel wheel{now};
  FakeAsker asker;
  FakeAsker::Asked last{};
  Health health{wheel, asker, 0x5eed, 3};
};

TEST_F(HealthTest, R3_UnknownUntilAResponseComes) {
  EXPECT_EQ(state(fe1), HopState::unknown);
  EXPECT_TRUE(health.is_up(fe1));
  health.on_answer(fe1, now);
  EXPECT_EQ(state(fe1), HopState::up);
  EXPECT_TRUE(told(fe1, HopState::up));
  health.on_answer(fe1, now);
  EXPECT_TRUE(asker.reports.empty());
}

TEST_F(HealthTest, R3_HardFailuresMeanDownAtOnce) {
  for (const HopFailure why :
       {HopFailure::refused, HopFailure::connect_timed_out, HopFailure::handshake_failed,
        HopFailure::not_sent, HopFailure::unreachable, HopFailure::no_response}) {
    health.on_answer(imp, now);
    pass(1s);
    fail(imp, why);
    EXPECT_EQ(state(imp), HopState::down) << text_of(why);
    EXPECT_EQ(health.report(imp).reason, why);
    EXPECT_EQ(health.report(imp).since, now);
    EXPECT_TRUE(told(imp, HopState::down));
  }
}

TEST_F(HealthTest, R3_SilenceOfOneRequestIsNoneWhenOthersAreAnswered) {
  const Instant started = now;
  pass(1s);
  health.on_answer(fe1, now);
  pass(3s);
  health.on_failure(fe1, HopFailure::no_response, started, now);
  EXPECT_TRUE(health.is_up(fe1));
  health.on_failure(fe1, HopFailure::no_response, now, now + 4s);
  EXPECT_FALSE(health.is_up(fe1));
}

TEST_F(HealthTest, R3_ThreeWeakFailuresInARowMeanDown) {
  for (const HopFailure why :
       {HopFailure::busy, HopFailure::timed_out, HopFailure::connection_lost}) {
    fail(imp, why);
    fail(imp, why);
    EXPECT_TRUE(health.is_up(imp));
    health.on_answer(imp, now);  // not in a row
    fail(imp, why);
    fail(imp, why);
    EXPECT_TRUE(health.is_up(imp));
    fail(imp, why);
    EXPECT_FALSE(health.is_up(imp)) << text_of(why);
    health.on_answer(imp, now);
  }
}

TEST_F(HealthTest, R3_ALostConnectionIsLookedIntoAtOnce) {
  until_asked(fe1);
  answer();
  pass(1s);
  fail(fe1, HopFailure::connection_lost);
  EXPECT_TRUE(health.is_up(fe1));
  EXPECT_LE(until_asked(fe1), 20ms);
  EXPECT_TRUE(health.on_probe_failed(probe_token(last.branch.index, last.branch.nonce),
                                     HopFailure::refused, now));
  EXPECT_FALSE(health.is_up(fe1));
}

TEST_F(HealthTest, R3_UpAgainAfterTwoSuccessesWithinOneInterval) {
  fail(fe1);
  const Instant mended = now;
  EXPECT_LE(until_asked(fe1), 2510ms);
  EXPECT_TRUE(told(fe1, HopState::down));
  answer();
  EXPECT_EQ(state(fe1), HopState::recovering);
  EXPECT_FALSE(health.is_up(fe1));
  EXPECT_TRUE(told(fe1, HopState::recovering));
  until_asked(fe1);
  answer(483);  // whatever it says, it lives
  EXPECT_EQ(state(fe1), HopState::up);
  EXPECT_TRUE(told(fe1, HopState::up));
  EXPECT_LE(now - mended, times.interval);
}

TEST_F(HealthTest, R3_WorstMomentToBeMendedIsStillWithinOneInterval) {
  fail(fe1);
  until_asked(fe1);
  const Instant mended = now;  // the probe under way is lost
  pass(2600ms);
  EXPECT_EQ(mend(fe1), 2);
  EXPECT_LE(now - mended, times.interval);
}

TEST_F(HealthTest, R3_ProbeThatIsNotAnsweredKeepsItDown) {
  fail(fe1);
  until_asked(fe1);
  answer();
  until_asked(fe1);
  const FakeAsker::Asked lost = last;
  EXPECT_EQ(state(fe1), HopState::recovering);
  pass(2600ms);
  EXPECT_EQ(state(fe1), HopState::down);
  EXPECT_EQ(health.report(fe1).reason, HopFailure::no_response);
  EXPECT_EQ(asker.dropped, std::vector{FakeOutbound::connection_of(fe1)});
  EXPECT_FALSE(health.on_probe_answer(lost.branch, 200, {}, now)) << "too late";
  EXPECT_EQ(mend(fe1), 2) << "in a row";
}

TEST_F(HealthTest, R3_503And408ToAProbeAreNoSuccess) {
  fail(fe1);
  for (const uint16_t status : {503, 408}) {
    until_asked(fe1);
    answer(status);
    EXPECT_EQ(state(fe1), HopState::down);
  }
  EXPECT_EQ(health.report(fe1).reason, HopFailure::timed_out);
}

TEST_F(HealthTest, R3_ProbeLostWithItsConnection) {
  fail(fe1);
  until_asked(fe1);
  EXPECT_EQ(health.probes(), 1u);
  health.on_connection_closed(FakeOutbound::connection_of(fe1), now);
  EXPECT_EQ(health.probes(), 0u);
  EXPECT_EQ(health.report(fe1).reason, HopFailure::connection_lost);
  EXPECT_EQ(mend(fe1), 2);
}

// One request's 503 may come from far behind the hop, and hours of Retry-After with it.
TEST_F(HealthTest, R3_RetryAfterOfOneRequestIsKeptForOneInterval) {
  health.on_busy(fe1, 24h, now);
  EXPECT_FALSE(health.is_up(fe1));
  EXPECT_EQ(health.report(fe1).reason, HopFailure::busy);
  const Duration first = until_asked(fe1);
  EXPECT_GE(first, 10s);
  EXPECT_LE(first, 11s);
  answer();
  EXPECT_EQ(mend(fe1), 1);
  health.on_busy(fe1, 3s, now);
  EXPECT_LE(until_asked(fe1), 4s);
}

TEST_F(HealthTest, R3_RetryAfterThatIsRepeatedIsKeptUpToTenIntervals) {
  health.on_busy(fe1, 3s, now);
  health.on_busy(fe1, 24h, now);
  const Duration bounded = until_asked(fe1);
  EXPECT_GE(bounded, 100s);
  EXPECT_LE(bounded, 101s);
  answer(503, 20s);
  EXPECT_GE(until_asked(fe1), 20s);
  answer(503, 24h);
  EXPECT_GE(until_asked(fe1), 100s);
  answer();
  EXPECT_EQ(mend(fe1), 1);
}

TEST_F(HealthTest, R3_RelapsesDoubleTheSuccessesNeededAndQuietTimeHalvesThem) {
  fail(fe1);
  for (const int needed : {2, 4, 8, 16, 16}) {
    EXPECT_EQ(mend(fe1), needed);
    pass(1s);
    fail(fe1);
  }
  EXPECT_EQ(mend(fe1), 16);
  const Instant quiet_since = now;
  while (now - quiet_since < 101s) {
    health.on_answer(fe1, now);
    pass(1s);
  }
  fail(fe1);
  EXPECT_EQ(mend(fe1), 8);
  now += 24h;
  wheel.advance(now);
  fail(fe1);
  EXPECT_EQ(mend(fe1), 2);
}

TEST_F(HealthTest, R3_UpAndSilentIsAskedOnceInAnInterval) {
  until_asked(fe1);
  answer();
  EXPECT_EQ(state(fe1), HopState::up);
  const Duration next = until_asked(fe1);
  EXPECT_GE(next, 9900ms);
  EXPECT_LE(next, 10100ms);
  EXPECT_TRUE(health.on_probe_failed(probe_token(last.branch.index, last.branch.nonce),
                                     HopFailure::connect_timed_out, now));
  EXPECT_FALSE(health.is_up(fe1)) << "found down before any request had to";
}

TEST_F(HealthTest, R3_TrafficCountsAsProof) {
  until_asked(fe1);
  answer();
  asker.asked.clear();
  for (int i = 0; i < 600; ++i) {
    health.on_answer(fe1, now);
    pass(100ms);
  }
  for (const auto& asked : asker.asked) EXPECT_NE(asked.next_hop, fe1);
}

TEST_F(HealthTest, R3_TrafficCountsMoreThanAProbe) {
  until_asked(fe1);
  answer();
  until_asked(fe1);
  pass(1s);
  health.on_answer(fe1, now);
  pass(5s);
  EXPECT_EQ(health.probes(), 0u);
  EXPECT_TRUE(health.is_up(fe1));
  EXPECT_TRUE(asker.dropped.empty());
}

TEST_F(HealthTest, R3_WithoutAnAlternativeNobodyIsAskedWhileUp) {
  health.on_answer(imp, now);
  pass(5min);
  for (const auto& asked : asker.asked) {
    EXPECT_TRUE(asked.next_hop == fe1 || asked.next_hop == fe2) << asked.next_hop;
  }
}

TEST_F(HealthTest, R3_WithoutAnAlternativeOneSuccessIsEnough) {
  fail(imp);
  EXPECT_FALSE(health.is_up(imp));
  EXPECT_LE(until_asked(imp), 10100ms);
  answer();
  EXPECT_EQ(state(imp), HopState::up);
  fail(imp);
  health.on_answer(imp, now);  // requests go there in any case
  EXPECT_EQ(state(imp), HopState::up);
}

TEST_F(HealthTest, R3_TrafficMendsToo) {
  fail(fe1);
  health.on_answer(fe1, now);
  EXPECT_EQ(state(fe1), HopState::recovering);
  health.on_answer(fe1, now);
  EXPECT_EQ(state(fe1), HopState::up);
}

TEST_F(HealthTest, R3_SurvivesAPublish) {
  fail(fe2);
  pass(1s);
  const HopReport before = health.report(fe2);
  const Sections after(WorldOptions{.without_fe1 = true});
  const NextHops hops_after(after.routing(), *after.view().realms);
  health.use(after.routing(), hops_after, times, now);
  EXPECT_EQ(health.report(fe2).since, before.since);
  EXPECT_EQ(health.report(fe2).reason, before.reason);
  EXPECT_FALSE(health.is_up(fe2));
  const NextHops again(sections.routing(), *sections.view().realms);
  health.use(sections.routing(), again, times, now);
  EXPECT_EQ(mend(fe2), 2);
}

TEST_F(HealthTest, R3_PublishesDoNotPutProbesOff) {
  fail(fe1);
  asker.asked.clear();
  for (int i = 0; i < 30; ++i) {
    pass(1s);
    health.use(sections.routing(), next_hops, times, now);
  }
  size_t asked = 0;
  for (const auto& a : asker.asked) asked += a.next_hop == fe1;
  EXPECT_GE(asked, 10u);
}

TEST_F(HealthTest, R3_AnotherWorkersNewsAreTakenOver) {
  asker.is_asking = false;
  health.use(sections.routing(), next_hops, times, now);
  HopReport news = health.report(fe1);
  news.state = HopState::down;
  news.reason = HopFailure::refused;
  news.since = now - 1s;
  health.note(news, next_hops.key(fe1), now);
  EXPECT_FALSE(health.is_up(fe1));
  EXPECT_EQ(health.report(fe1).since, now - 1s);
  pass(1min);
  EXPECT_TRUE(asker.asked.empty()) << "the hop's owner asks";
  for (const HopReport& r : asker.reports) EXPECT_FALSE(r.changed) << "told already";
  news.state = HopState::up;
  health.note(news, next_hops.key(fe1), now);
  EXPECT_TRUE(health.is_up(fe1));
  health.note(news, 12345, now);  // of a snapshot that this worker has not
}

TEST_F(HealthTest, R3_OwnerAsksWhatAnotherWorkerFoundDown) {
  HopReport news = health.report(fe1);
  news.state = HopState::down;
  news.reason = HopFailure::no_response;
  health.note(news, next_hops.key(fe1), now);
  EXPECT_EQ(mend(fe1), 2);
  EXPECT_TRUE(told(fe1, HopState::up));
}

TEST_F(HealthTest, R3_AFullQueueSaysNothingAboutTheHop) {
  until_asked(fe1);
  answer();
  asker.outcome = SendOutcome::full;
  pass(1min);
  EXPECT_TRUE(health.is_up(fe1));
  asker.outcome = SendOutcome::gone;
  pass(11s);
  EXPECT_FALSE(health.is_up(fe1));
}

}  // namespace fedge::sip
