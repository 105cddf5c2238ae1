#include "firmware/base/mailbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace fedge {
namespace {

TEST(Mailbox, RunsWorkOfAnotherThreadInOrderOnTheLoopsThread) {
  Loop loop;
  Mailbox mailbox(loop);
  std::vector<int> seen;
  const auto here = std::this_thread::get_id();
  bool elsewhere = false;
  constexpr int kMany = 1000;
  std::thread other([&] {
    for (int i = 0; i < kMany; ++i) {
      mailbox.post([&, i] {
        elsewhere |= std::this_thread::get_id() != here;
        seen.push_back(i);
        if (i == kMany - 1) loop.stop();
      });
    }
  });
  loop.run();
  other.join();
  ASSERT_EQ(seen.size(), static_cast<size_t>(kMany));
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_FALSE(elsewhere);
}

TEST(Mailbox, WorkPostedByWorkRunsInALaterRound) {
  Loop loop;
  Mailbox mailbox(loop);
  int rounds = 0;
  mailbox.post([&] { mailbox.post([&] { ++rounds; }); });
  loop.run_once(0ms);
  EXPECT_EQ(rounds, 0);
  loop.run_once(0ms);
  EXPECT_EQ(rounds, 1);
}

}  // namespace
}  // namespace fedge
