#include "firmware/wire/rtp/reception.h"

#include <gtest/gtest.h>

namespace fedge::rtp {
namespace {

// A stream of 20 ms packets of an 8 kHz clock.
class M6_Reception : public testing::Test {
 protected:
  bool receive(uint32_t sequence, int32_t late = 0, uint32_t ssrc = 1, uint32_t clock = 8000) {
    Packet packet;
    packet.ssrc = ssrc;
    packet.sequence = static_cast<uint16_t>(sequence);
    packet.timestamp = sequence * 160;
    return reception_.on_packet(packet, sequence * 160 + 5000 + static_cast<uint32_t>(late), clock);
  }
  Reception reception_;
};

TEST_F(M6_Reception, BelievesASourceAtItsSecondPacket) {
  EXPECT_EQ(reception_.expected(), 0u);
  EXPECT_FALSE(receive(10));
  EXPECT_TRUE(receive(11));
  EXPECT_EQ(reception_.received, 1u);
  EXPECT_EQ(reception_.expected(), 1u);
}

TEST_F(M6_Reception, NoiseIsNoSource) {
  for (const uint32_t sequence : {10, 500, 20, 900, 40}) EXPECT_FALSE(receive(sequence));
  EXPECT_EQ(reception_.received, 0u);
}

TEST_F(M6_Reception, CountsLossOverTheWrap) {
  receive(65500);
  for (uint32_t i = 65501; i < 65501 + 100; ++i)
    if (i % 10 != 0) receive(i);
  EXPECT_EQ(reception_.received, 90u);
  EXPECT_EQ(reception_.expected(), 99u);  // the last is 65599: the 65600th is lost, unseen
  EXPECT_EQ(reception_.lost(), 9);
  EXPECT_EQ(reception_.highest_sequence(), 65599u);
  EXPECT_EQ(reception_.cycles, 65536u);
}

TEST_F(M6_Reception, DuplicatesAndStragglersCount) {
  for (uint32_t i = 100; i < 110; ++i) receive(i);
  EXPECT_TRUE(receive(105));
  EXPECT_TRUE(receive(109));
  EXPECT_EQ(reception_.lost(), -2);
}

TEST_F(M6_Reception, AJumpIsBelievedWhenTheNextPacketFollows) {
  for (uint32_t i = 100; i < 110; ++i) receive(i);
  EXPECT_FALSE(receive(30000));
  EXPECT_TRUE(receive(110));
  EXPECT_FALSE(receive(40000));
  EXPECT_TRUE(receive(40001));
  EXPECT_EQ(reception_.base_sequence, 40001u);
  EXPECT_EQ(reception_.received, 1u);
}

TEST_F(M6_Reception, AnotherSourceBeginsAnew) {
  for (uint32_t i = 100; i < 110; ++i) receive(i);
  EXPECT_FALSE(receive(1, 0, 2));
  EXPECT_TRUE(receive(2, 0, 2));
  EXPECT_EQ(reception_.ssrc, 2u);
  EXPECT_EQ(reception_.received, 1u);
}

TEST_F(M6_Reception, JitterFollowsTheNetwork) {
  for (uint32_t i = 0; i < 200; ++i) receive(i);
  EXPECT_EQ(reception_.jitter(), 0u);
  // 10 ms early and late in turn: differences of 160 units, to which the jitter converges.
  for (uint32_t i = 200; i < 600; ++i) receive(i, i % 2 == 0 ? 80 : -80);
  EXPECT_NEAR(reception_.jitter(), 160, 2);
  for (uint32_t i = 600; i < 1000; ++i) receive(i);
  EXPECT_LE(reception_.jitter(), 1u);
}

TEST_F(M6_Reception, JitterNeedsAClockThatExists) {
  for (uint32_t i = 0; i < 50; ++i) receive(i, i % 2 == 0 ? 80 : -80, 1, 0);
  EXPECT_EQ(reception_.jitter(), 0u);
  for (uint32_t i = 50; i < 100; ++i) receive(i, i % 2 == 0 ? 80 : -80, 1, 0xffffffff);
  EXPECT_EQ(reception_.jitter(), 0u);
  EXPECT_EQ(reception_.lost(), 0);
}

TEST_F(M6_Reception, AClockThatWasSetIsNoJitter) {
  for (uint32_t i = 0; i < 10; ++i) receive(i);
  receive(10, 8000 * 61);
  EXPECT_EQ(reception_.jitter(), 0u);
}

TEST(M6_Clock, CountsInItsUnitsWithoutRunningOver) {
  EXPECT_EQ(to_clock_units(20'000, 8000), 160u);
  EXPECT_EQ(to_clock_units(1'000'000, 90'000), 90'000u);
  const uint64_t year = 365ull * 24 * 3600 * 1'000'000;
  EXPECT_EQ(to_clock_units(year + 20'000, 8000) - to_clock_units(year, 8000), 160u);
  EXPECT_EQ(clock_of(0), 8000u);
  EXPECT_EQ(clock_of(9), 8000u);
  EXPECT_EQ(clock_of(34), 90'000u);
  EXPECT_EQ(clock_of(96), 0u);
  EXPECT_EQ(clock_of(19), 0u);
}

TEST(M6_Mos, FallsWithLossAndDelay) {
  EXPECT_NEAR(estimate_mos(0, 0, 0), 441, 3);
  EXPECT_NEAR(estimate_mos(0, 0, 0), estimate_mos(0, 2, 10), 5);
  uint16_t last = 451;
  for (const uint32_t loss : {0, 10, 30, 50, 100, 200, 500, 1000}) {
    const uint16_t mos = estimate_mos(loss, 5, 40);
    EXPECT_LT(mos, last) << loss;
    last = mos;
  }
  EXPECT_LT(estimate_mos(0, 0, 300), estimate_mos(0, 0, 150));
  EXPECT_LT(estimate_mos(0, 100, 0), estimate_mos(0, 5, 0));
  EXPECT_GE(estimate_mos(4000000000u, 1000000, 4000000000u), 100);
}

}  // namespace
}  // namespace fedge::rtp
