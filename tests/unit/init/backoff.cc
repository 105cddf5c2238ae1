#include "firmware/init/backoff.h"

#include <gtest/gtest.h>

namespace fedge::init {
namespace {

TEST(Backoff, IsImmediateThenDoublesToItsLongest) {
  Backoff b;
  EXPECT_EQ(b.on_end(1s), 0ms);
  EXPECT_EQ(b.on_end(1s), 100ms);
  EXPECT_EQ(b.on_end(1s), 200ms);
  for (int i = 0; i < 20; ++i) b.on_end(1s);
  EXPECT_EQ(b.on_end(1s), 10s);
}

TEST(Backoff, AGoodRunIsForgiven) {
  Backoff b;
  for (int i = 0; i < 5; ++i) b.on_end(0s);
  EXPECT_GT(b.on_end(29s), 1s);
  EXPECT_EQ(b.on_end(30s), 0ms);
  EXPECT_EQ(b.on_end(0s), 100ms);
}

}  // namespace
}  // namespace fedge::init
