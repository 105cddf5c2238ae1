#include "firmware/base/timers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace fedge {
namespace {

const Instant kStart = Instant{} + 1000s;

class TestTimer final : public Timer {
 public:
  explicit TestTimer(std::function<void(Instant)> callback) : callback_(std::move(callback)) {}

 private:
  void on_timer(Instant now) override { callback_(now); }
  std::function<void(Instant)> callback_;
};

class Timers : public ::testing::Test {
 protected:
  TestTimer logging(std::string name) {
    return TestTimer([this, name](Instant) { fired_ += name; });
  }
  TimerWheel wheel_{kStart};
  std::string fired_;
};

TEST_F(Timers, R10_FireOnTimeAndNeverEarly) {
  TestTimer a = logging("a");
  wheel_.set(a, kStart + 10ms + 1ns);
  EXPECT_EQ(a.due(), kStart + 10ms + 1ns);
  wheel_.advance(kStart + 10ms);
  EXPECT_EQ(fired_, "");
  EXPECT_TRUE(a.armed());
  wheel_.advance(kStart + 11ms);
  EXPECT_EQ(fired_, "a");
  EXPECT_FALSE(a.armed());
  wheel_.advance(kStart + 20s);
  EXPECT_EQ(fired_, "a");
}

TEST_F(Timers, R10_OldestFirst) {
  TestTimer a = logging("a"), b = logging("b"), c = logging("c");
  wheel_.set(c, kStart + 30ms);
  wheel_.set(a, kStart + 10ms);
  wheel_.set(b, kStart + 20ms);
  EXPECT_EQ(wheel_.armed(), 3u);
  wheel_.advance(kStart + 1s);
  EXPECT_EQ(fired_, "abc");
  EXPECT_EQ(wheel_.armed(), 0u);
}

TEST_F(Timers, R10_MoveAndCancel) {
  TestTimer a = logging("a"), b = logging("b");
  wheel_.set(a, kStart + 10ms);
  wheel_.set(b, kStart + 10ms);
  wheel_.set(a, kStart + 50ms);
  b.cancel();
  b.cancel();
  EXPECT_EQ(wheel_.armed(), 1u);
  wheel_.advance(kStart + 49ms);
  EXPECT_EQ(fired_, "");
  wheel_.advance(kStart + 50ms);
  EXPECT_EQ(fired_, "a");
}

TEST_F(Timers, R10_LongDelaysWaitForTheirRound) {
  TestTimer minutes = logging("m"), hours = logging("h");
  wheel_.set(minutes, kStart + 3min + 1ms);
  wheel_.set(hours, kStart + 2h);
  for (Instant now = kStart; now < kStart + 3min; now += 100ms) wheel_.advance(now);
  EXPECT_EQ(fired_, "");
  wheel_.advance(kStart + 3min + 1ms);
  EXPECT_EQ(fired_, "m");
  wheel_.advance(kStart + 2h - 1ms);  // a pause of many rounds
  EXPECT_EQ(fired_, "m");
  wheel_.advance(kStart + 2h);
  EXPECT_EQ(fired_, "mh");
}

TEST_F(Timers, R10_NeverIsNever) {
  TestTimer a = logging("a");
  wheel_.set(a, never);
  wheel_.advance(kStart + 1000h);
  EXPECT_EQ(fired_, "");
  EXPECT_TRUE(a.armed());
}

TEST_F(Timers, R10_ThePastFiresOnTheNextTick) {
  TestTimer a = logging("a");
  wheel_.advance(kStart + 5s);
  wheel_.set(a, kStart);
  wheel_.advance(kStart + 5s);
  EXPECT_EQ(fired_, "");
  wheel_.advance(kStart + 5s + 1ms);
  EXPECT_EQ(fired_, "a");
}

TEST_F(Timers, R10_SettingAgainInsideDoesNotSpin) {
  int count = 0;
  TestTimer* self = nullptr;
  TestTimer a([&](Instant now) {
    ++count;
    wheel_.set(*self, now);
  });
  self = &a;
  wheel_.set(a, kStart + 1ms);
  wheel_.advance(kStart + 1ms);
  EXPECT_EQ(count, 1);
  wheel_.advance(kStart + 2ms);
  EXPECT_EQ(count, 2);
}

TEST_F(Timers, R10_CallbacksMayDestroyThemselvesAndOthers) {
  auto doomed = std::make_unique<TestTimer>([&](Instant) { fired_ += "doomed"; });
  std::unique_ptr<TestTimer> killer;
  killer = std::make_unique<TestTimer>([&](Instant) {
    fired_ += "killer";
    doomed.reset();
    auto own = std::move(killer);  // destroyed when this returns
  });
  wheel_.set(*killer, kStart + 7ms);
  wheel_.set(*doomed, kStart + 7ms);
  wheel_.advance(kStart + 10ms);
  EXPECT_EQ(fired_, "killer");
  EXPECT_EQ(wheel_.armed(), 0u);
}

TEST(TimerWheelLife, R10_TimersOutliveTheirWheel) {
  int count = 0;
  TestTimer a([&](Instant) { ++count; });
  {
    TimerWheel wheel(kStart);
    wheel.set(a, kStart + 1ms);
  }
  EXPECT_FALSE(a.armed());
  EXPECT_EQ(count, 0);
  TimerWheel other(kStart);
  other.set(a, kStart + 1ms);
  other.advance(kStart + 1ms);
  EXPECT_EQ(count, 1);
}

TEST_F(Timers, R10_NextDueIsNeverLate) {
  EXPECT_EQ(wheel_.next_due(), never);
  TestTimer a = logging("a"), b = logging("b");
  wheel_.set(a, kStart + 250ms);
  EXPECT_EQ(wheel_.next_due(), kStart + 250ms);
  wheel_.set(b, kStart + 1h);
  EXPECT_LE(wheel_.next_due(), kStart + 250ms);
  a.cancel();
  EXPECT_LE(wheel_.next_due(), kStart + 1h);
  b.cancel();
  EXPECT_EQ(wheel_.next_due(), never);
}

// Any order of setting, moving, cancelling and advancing gives what a plain list would.
TEST_F(Timers, R10_AgreesWithAPlainList) {
  std::mt19937 random(7);
  constexpr size_t kTimers = 64;
  std::vector<Instant> due(kTimers, never);
  std::vector<std::unique_ptr<TestTimer>> timers;
  Instant now = kStart;
  for (size_t i = 0; i < kTimers; ++i) {
    timers.push_back(std::make_unique<TestTimer>([&, i](Instant at) {
      EXPECT_LE(due[i], at);
      due[i] = never;
    }));
  }
  for (int step = 0; step < 20000; ++step) {
    const size_t i = random() % kTimers;
    switch (random() % 4) {
      case 0:
      case 1:
        due[i] = now + std::chrono::microseconds(random() % 9'000'000);
        wheel_.set(*timers[i], due[i]);
        break;
      case 2:
        due[i] = never;
        timers[i]->cancel();
        break;
      default:
        now += std::chrono::microseconds(random() % (random() % 50 == 0 ? 20'000'000 : 20'000));
        EXPECT_LE(wheel_.next_due(), *std::ranges::min_element(due) == never
                                         ? never
                                         : *std::ranges::min_element(due) + 2ms);
        wheel_.advance(now);
        for (const Instant d : due) EXPECT_GT(d, now - 2ms);
    }
    const auto armed = std::ranges::count_if(due, [](Instant d) { return d != never; });
    ASSERT_EQ(wheel_.armed(), static_cast<uint64_t>(armed));
  }
}

}  // namespace
}  // namespace fedge
