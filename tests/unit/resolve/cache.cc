// R4: what is remembered, for how long, and what is served when nothing newer can be had.
#include "firmware/resolve/cache.h"

#include "tests/unit/resolve/world.h"

namespace fedge::resolve {
namespace {

using Caching = World;

TEST_F(Caching, R4_NegativeAnswersLiveAsLongAsTheSoaSays) {
  find();
  Sent query = one_sent();
  answer(query, reply(query).rcode(3).authority("example.com", 900, 120));
  EXPECT_EQ(find(), State::no_name);
  wait(119s);
  EXPECT_EQ(find(), State::no_name);
  EXPECT_TRUE(sent().empty());
  wait(1s);
  EXPECT_EQ(find(), State::pending);
  query = one_sent();
  answer(query, reply(query).authority("example.com", 60, 120));
  EXPECT_EQ(find(), State::no_data);
  wait(60s);
  EXPECT_EQ(find(), State::pending);
  query = one_sent();
  answer(query, reply(query));
  EXPECT_EQ(find(), State::no_data) << "without a SOA for a moment only";
  wait(5s);
  EXPECT_EQ(find(), State::pending);
}

TEST_F(Caching, R4_TimesToLiveAreKeptWithinLimits) {
  learn(0);
  EXPECT_EQ(find(), State::found) << "zero is for this use at least";
  wait(5s);
  EXPECT_EQ(find(), State::pending);
  answer_address(one_sent(), 0x7fffffff, "192.0.2.1");
  sent();
  wait(24h);
  EXPECT_EQ(find(), State::pending) << "a day at most";
}

TEST_F(Caching, R4_PrefetchBeforeExpiryWithoutWaiting) {
  learn(100);
  wait(89s);
  EXPECT_EQ(find(), State::found);
  EXPECT_TRUE(sent().empty());
  wait(1s);
  EXPECT_EQ(find(), State::found);
  const Sent query = one_sent();
  EXPECT_EQ(find(), State::found);
  EXPECT_TRUE(sent().empty()) << "once";
  answer_address(query, 100, "192.0.2.2");
  EXPECT_EQ(counters().prefetches, 1u);
  wait(50s);
  EXPECT_EQ(resolver.find(kHost, now).answer->addresses.at(0).text(), "192.0.2.2");
}

TEST_F(Caching, R4_ANameThatNobodyAsksForIsNotPrefetched) {
  learn(100);
  wait(200s);
  EXPECT_TRUE(sent().empty());
}

TEST_F(Caching, R4_FailedPrefetchIsNotRepeatedAtOnce) {
  learn(1000);
  wait(910s);
  find();
  wait(5s);
  EXPECT_EQ(sent().size(), 4u);
  EXPECT_EQ(find(), State::found);
  EXPECT_TRUE(sent().empty());
  wait(30s);
  EXPECT_EQ(find(), State::found);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(Caching, R4_StaleWhenServersAreDead) {
  learn(60);
  wait(1h);
  EXPECT_EQ(find(), State::pending) << "expired: asked first (RFC 8767 section 5)";
  wait(1799ms);
  EXPECT_EQ(find(), State::pending);
  EXPECT_FALSE(has_settled());
  wait(1ms);
  EXPECT_TRUE(has_settled()) << "whoever waits is told";
  const Finding finding = resolver.find(kHost, now);
  ASSERT_EQ(finding.state, State::found);
  EXPECT_TRUE(finding.is_stale);
  EXPECT_EQ(finding.answer->addresses.at(0).text(), "192.0.2.1");
  wait(5s);
  sent();
  EXPECT_EQ(find(), State::found) << "at once while it is known that nobody answers";
  EXPECT_TRUE(sent().empty());
  wait(30s);
  EXPECT_TRUE(resolver.find(kHost, now).is_stale) << "and nobody waits again";
  EXPECT_EQ(sent().size(), 1u) << "asked again after half a minute, behind that";
  wait(1h);
  EXPECT_EQ(find(), State::pending) << "an outage of long ago says nothing";
}

TEST_F(Caching, R4_StaleAtOnceWhenServersFail) {
  learn(60);
  wait(61s);
  EXPECT_EQ(find(), State::pending);
  for (int i = 0; i < 2; ++i) {
    const Sent query = one_sent();
    answer(query, reply(query).rcode(2));
  }
  EXPECT_TRUE(has_settled());
  EXPECT_TRUE(resolver.find(kHost, now).is_stale);
}

TEST_F(Caching, R4_StaleEndsAfterThreeDays) {
  learn(60);
  wait(72h + 60s);
  EXPECT_EQ(find(), State::pending);
  wait(5s);
  EXPECT_EQ(find(), State::failed);
}

TEST_F(Caching, R4_ANewAnswerReplacesAStaleOne) {
  learn(60);
  wait(1h);
  find();
  const Sent query = one_sent();
  answer(query, reply(query).rcode(3).authority("example.com", 60, 60));
  EXPECT_EQ(find(), State::no_name) << "gone is gone, not stale";
}

TEST(Cache, R4_FloodOfMissingNamesLeavesWhatIsKnown) {
  CacheSettings settings;
  settings.most_found = 4;
  settings.most_missing = 3;
  Cache cache(settings);
  const Instant now = Instant{} + 1s;
  const auto named = [](const std::string& name) { return Question{name_of(name), Type::a}; };
  dns::Answer found;
  found.outcome = dns::Outcome::found;
  found.ttl = 600;
  cache.put(named("partner.example"), found, now);
  dns::Answer missing;
  missing.outcome = dns::Outcome::no_name;
  missing.ttl = 600;
  for (int i = 0; i < 100; ++i) cache.put(named("x" + std::to_string(i)), missing, now);
  for (int i = 0; i < 100; ++i) cache.note_failure(named("y" + std::to_string(i)), now);
  EXPECT_EQ(cache.size(), 4u);
  ASSERT_NE(cache.find(named("partner.example"), now), nullptr);
  for (int i = 0; i < 100; ++i) {
    cache.put(named("z" + std::to_string(i)), found, now);
    ASSERT_NE(cache.find(named("partner.example"), now), nullptr) << "used, so kept";
  }
  EXPECT_EQ(cache.size(), 7u);
  EXPECT_EQ(cache.find(named("z1"), now), nullptr);
  // From one list to the other.
  cache.put(named("partner.example"), missing, now);
  EXPECT_EQ(cache.find(named("partner.example"), now)->answer.outcome, dns::Outcome::no_name);
  EXPECT_EQ(cache.size(), 6u);
}

}  // namespace
}  // namespace fedge::resolve
