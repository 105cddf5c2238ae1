#include "firmware/init/neighbours.h"

#include <gtest/gtest.h>

namespace fedge::init {
namespace {

WantedNeighbours::Key key(unsigned i) { return {"outside", IpAddress::v4(0x0a010000u + i)}; }
constexpr Instant kStart = Instant{} + 100s;

TEST(WantedNeighbours, M2_AsksTheKernelOnceInAWhile) {
  WantedNeighbours wanted;
  EXPECT_TRUE(wanted.want(key(1), kStart).look);
  EXPECT_FALSE(wanted.want(key(1), kStart + WantedNeighbours::kAgain - 1ns).look);
  EXPECT_TRUE(wanted.want(key(1), kStart + WantedNeighbours::kAgain).look);
  EXPECT_TRUE(wanted.want({"inside", key(1).second}, kStart).look);
  EXPECT_EQ(wanted.size(), 2u);
}

TEST(WantedNeighbours, M2_IsBoundedInASecond) {
  WantedNeighbours wanted;
  unsigned looks = 0;
  for (unsigned i = 0; i < 1000; ++i) looks += wanted.want(key(i), kStart).look ? 1 : 0;
  EXPECT_EQ(looks, WantedNeighbours::kMostPerSecond);
  EXPECT_TRUE(wanted.want(key(999), kStart + 1s).look);
}

TEST(WantedNeighbours, M2_TheOneAskedForLongestAgoGivesWay) {
  WantedNeighbours wanted;
  for (unsigned i = 0; i < WantedNeighbours::kMost; ++i) {
    EXPECT_TRUE(wanted.want(key(i), kStart + i * 10ms).look);
  }
  EXPECT_TRUE(wanted.want(key(0), kStart + 10s).look);
  const auto step = wanted.want(key(9999), kStart + 10s);
  EXPECT_TRUE(step.look);
  ASSERT_TRUE(step.give_up);
  EXPECT_EQ(step.give_up->second, key(1).second);
  EXPECT_EQ(wanted.size(), WantedNeighbours::kMost);
}

}  // namespace
}  // namespace fedge::init
