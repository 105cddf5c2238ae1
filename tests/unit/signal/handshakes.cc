#include "dataplane/signal/handshakes.h"

#include <gtest/gtest.h>

#include <array>

namespace fedge::signal {
namespace {

struct Turns : ::testing::Test {
  // The n-th connection, of 10.0.0.`source`.
  Connection& speak(size_t n, uint8_t source) {
    Connection& c = connections[n];
    c.realm = 0;
    c.remote.address = *IpAddress::parse("10.0.0." + std::to_string(source));
    shakes.add(c);
    shakes.begin(c, kMost);
    return c;
  }
  bool works(const Connection& c) const { return c.handshake == HandshakeTurn::working; }

  static constexpr uint32_t kMost = 8;
  std::array<Connection, 16> connections;
  Handshakes shakes;
};

TEST_F(Turns, T7_OneSourceMayHaveEveryPlace) {
  for (size_t i = 0; i < kMost; ++i) EXPECT_TRUE(works(speak(i, 1)));
  EXPECT_FALSE(works(speak(kMost, 1)));
  EXPECT_EQ(shakes.waiting(), 1u);
  EXPECT_EQ(shakes.next(kMost), nullptr) << "no place";
}

TEST_F(Turns, T7_WhoComesAloneIsBeforeWhoHasItsShare) {
  for (size_t i = 0; i < kMost; ++i) speak(i, 1);
  Connection& busy = speak(10, 1);
  Connection& alone = speak(11, 2);
  EXPECT_TRUE(busy.of_busy_source);
  EXPECT_FALSE(alone.of_busy_source);
  shakes.remove(connections[3]);
  EXPECT_EQ(shakes.next(kMost), &alone);
  EXPECT_EQ(shakes.next(kMost), nullptr);
  shakes.remove(connections[4]);
  EXPECT_EQ(shakes.next(kMost), &busy);
  EXPECT_EQ(shakes.working(), kMost);
  EXPECT_EQ(shakes.waiting(), 0u);
}

TEST_F(Turns, T7_ForgetsWhoeverIsRemovedWhereverItIs) {
  shakes.add(connections[0]);
  EXPECT_EQ(shakes.oldest_silent(), &connections[0]);
  shakes.remove(connections[0]);
  EXPECT_EQ(shakes.oldest_silent(), nullptr);
  for (size_t i = 1; i <= kMost; ++i) speak(i, 1);
  Connection& waiting = speak(9, 1);
  shakes.remove(waiting);
  EXPECT_EQ(shakes.waiting(), 0u);
  for (size_t i = 1; i <= kMost; ++i) shakes.remove(connections[i]);
  EXPECT_EQ(shakes.working(), 0u);
  EXPECT_EQ(shakes.oldest(), nullptr);
  shakes.remove(waiting);
}

}  // namespace
}  // namespace fedge::signal
