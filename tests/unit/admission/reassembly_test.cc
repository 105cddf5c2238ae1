// Fragments with time as the test has it.
#include "dataplane/admission/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "dataplane/admission/budget.h"
#include "tests/unit/admission/pieces.h"

namespace fedge::admission {
namespace {

class ReassemblyTest : public testing::TestWithParam<bool> {
 protected:
  // The whole packet, or empty.
  std::string add(const std::string& frame, PeerClass sender = PeerClass::stranger,
                  uint16_t realm = 0) {
    ip::PacketView view;
    EXPECT_EQ(parse_frame(as_bytes(frame), view), ip::Malformed::none);
    EXPECT_NE(view.fragment, ip::Fragment::whole);
    return std::string(as_text(reassembly_.add(realm, sender, view, now_)));
  }
  Datagram datagram(uint32_t id = 7) const {
    Datagram out{.v6 = GetParam()};
    out.id = id;
    return out;
  }
  static Datagram from(Datagram d, unsigned host) {
    d.source = (d.v6 ? "fd00::1:" : "10.0.1.") + std::to_string(host);
    return d;
  }
  unsigned lost(Refusal why) { return lost_[why]; }
  unsigned lost() const {
    unsigned sum = 0;
    for (const auto& [why, count] : lost_) sum += count;
    return sum;
  }

  std::map<Refusal, unsigned> lost_;
  Reassembly reassembly_{
      [this](uint16_t, Refusal why, unsigned fragments) { lost_[why] += fragments; }};
  Instant now_{1h};
};
INSTANTIATE_TEST_SUITE_P(Families, ReassemblyTest, testing::Bool(),
                         [](const auto& v6) { return v6.param ? "IPv6" : "IPv4"; });

// Apart from the IPv4 identification, which the builder of whole packets does not set.
std::string without_id(std::string frame) {
  const size_t tag = load_be16(&frame[12]) == ip::kEtherTypeVlan ? 4 : 0;
  if (load_be16(&frame[12 + tag]) != ip::kEtherTypeIpv4) return frame;
  frame.replace(18 + tag, 2, 2, '\0');
  frame.replace(24 + tag, 2, 2, '\0');
  return frame;
}

TEST_P(ReassemblyTest, B6_PutsAPacketTogetherInWhateverOrder) {
  const Datagram d = datagram();
  std::vector<std::string> pieces{d.piece(0, 1232), d.piece(1232, 1232), d.piece(2464, 1232)};
  std::ranges::sort(pieces);
  do {
    EXPECT_EQ(add(pieces[0]), "");
    EXPECT_EQ(add(pieces[1]), "");
    const std::string whole = add(pieces[2]);
    EXPECT_EQ(without_id(whole), without_id(d.whole()));
    ip::PacketView view;
    EXPECT_EQ(parse_frame(as_bytes(whole), view), ip::Malformed::none);
    EXPECT_EQ(view.fragment, ip::Fragment::whole);
    EXPECT_TRUE(reassembly_.empty());
  } while (std::ranges::next_permutation(pieces).found);
  EXPECT_EQ(lost(), 0u);
}

TEST_P(ReassemblyTest, B6_KeepsTheTagAndTellsRealmsSendersAndIdsApart) {
  Datagram d = datagram();
  d.vlan = 7;
  Datagram other = d;
  other.id = 8;
  EXPECT_EQ(add(d.piece(0, 1480)), "");
  EXPECT_EQ(add(other.piece(1480, 1600)), "");
  EXPECT_EQ(add(from(d, 9).piece(1480, 1600)), "");
  EXPECT_EQ(add(d.piece(1480, 1600), PeerClass::stranger, 1), "");
  EXPECT_EQ(without_id(add(d.piece(1480, 1600))), without_id(d.whole()));
}

TEST_P(ReassemblyTest, B6_DoubledFragmentsDoNoHarm) {
  const Datagram d = datagram();
  EXPECT_EQ(add(d.piece(1480, 1600)), "");
  EXPECT_EQ(add(d.piece(1480, 1600)), "");
  EXPECT_EQ(without_id(add(d.piece(0, 1480))), without_id(d.whole()));
  EXPECT_EQ(lost(), 0u);
}

TEST_P(ReassemblyTest, B6_OverlapsLoseAllOfAPacket) {
  const Datagram d = datagram();
  Datagram forged = d;
  forged.payload = std::string(3000, 'y');
  const std::vector<std::string> overlaps{
      forged.piece(0, 1480),                                    // the same place, other octets
      d.piece(1472, 16),                                        // half in, half out
      d.raw_piece(800, d.transport().substr(800, 1480), true),  // across the end
      d.raw_piece(8, "12345678", false),                        // an end before what is there
  };
  for (const std::string& overlap : overlaps) {
    lost_.clear();
    reassembly_.clear();
    EXPECT_EQ(add(d.piece(0, 1480)), "");
    EXPECT_EQ(add(overlap), "");
    EXPECT_EQ(lost(Refusal::fragment_overlap), 2u);
    // What is still to come of it is refused as well (RFC 5722).
    EXPECT_EQ(add(d.piece(1480, 1600)), "");
    EXPECT_EQ(add(d.piece(0, 1480)), "");
    EXPECT_EQ(lost(Refusal::fragment_overlap), 4u);
  }
  lost_.clear();
  reassembly_.clear();
  EXPECT_EQ(add(d.piece(1480, 1600)), "");
  EXPECT_EQ(add(d.raw_piece(3200, "12345678", false)), "");  // two ends
  EXPECT_EQ(lost(Refusal::fragment_overlap), 2u);
}

TEST_P(ReassemblyTest, B6_AFirstFragmentHasTheWholeTransportHeader) {
  Datagram d = datagram();
  d.protocol = ip::kTcp;
  EXPECT_EQ(add(d.raw_piece(0, "0123456789abcdef", true)), "");
  EXPECT_EQ(lost(Refusal::fragment_tiny), 1u);
  EXPECT_EQ(add(d.raw_piece(16, "", false)), "") << "empty";
  EXPECT_EQ(lost(Refusal::fragment_tiny), 2u);
  EXPECT_TRUE(reassembly_.empty());
  EXPECT_EQ(add(d.raw_piece(16, "0123456789abcdef", false)), "");
  EXPECT_EQ(add(d.raw_piece(0, "0123456789abcdef", true)), "");
  EXPECT_EQ(lost(Refusal::fragment_tiny), 4u) << "and takes with it what waited";
}

TEST_P(ReassemblyTest, B6_SizeAndNumberOfFragmentsAreBounded) {
  const Datagram d = datagram();
  const std::string large(1232, 'x');
  EXPECT_EQ(add(d.raw_piece(Reassembly::kMostPayload - 1224, large, true)), "");
  EXPECT_EQ(lost(Refusal::fragment_size), 1u);
  EXPECT_TRUE(reassembly_.empty());
  Datagram most = datagram(8);
  most.payload.assign(Reassembly::kMostPayload - 8, 'x');
  std::string whole;
  for (size_t at = 0; at < Reassembly::kMostPayload; at += 1024) whole = add(most.piece(at, 1024));
  EXPECT_EQ(without_id(whole), without_id(most.whole()));
  for (unsigned i = 0; i <= Reassembly::kMostPieces; ++i) EXPECT_EQ(add(d.piece(64 * i, 64)), "");
  EXPECT_EQ(lost(Refusal::fragment_many), Reassembly::kMostPieces + 1);
}

TEST_P(ReassemblyTest, B6_WhatStaysIncompleteIsGivenUp) {
  const Datagram d = datagram();
  EXPECT_EQ(add(d.piece(0, 1480)), "");
  now_ += Reassembly::kPatience - 1ns;
  reassembly_.expire(now_);
  EXPECT_FALSE(reassembly_.empty());
  now_ += 1ns;
  reassembly_.expire(now_);
  EXPECT_TRUE(reassembly_.empty());
  EXPECT_EQ(lost(Refusal::fragment_timeout), 1u);
  EXPECT_EQ(add(d.piece(1480, 1600)), "");
}

TEST_P(ReassemblyTest, B6_OneSenderTakesItsShareOnly) {
  const Datagram one = from(datagram(), 1);
  EXPECT_EQ(add(from(datagram(1), 2).piece(0, 1480)), "");
  for (uint32_t id = 100; id < 200; ++id) {
    Datagram d = one;
    d.id = id;
    now_ += 1us;
    EXPECT_EQ(add(d.piece(0, 1480)), "");
  }
  EXPECT_EQ(lost(Refusal::fragment_crowded), 100u - Reassembly::kMostOfSource);
  EXPECT_NE(add(from(datagram(1), 2).piece(1480, 1600)), "") << "another's is untouched";
  Datagram last = one;
  last.id = 199;
  EXPECT_NE(add(last.piece(1480, 1600)), "") << "the newest are kept";
}

TEST_P(ReassemblyTest, B6_AFloodOfStrangersLeavesTheKnownTheirRoom) {
  const Datagram known = datagram();
  EXPECT_EQ(add(known.piece(0, 1480), PeerClass::known), "");
  for (unsigned host = 0; host < 200; ++host) {
    now_ += 1us;
    EXPECT_EQ(add(from(datagram(), host).piece(0, 1480)), "");
  }
  EXPECT_EQ(lost(Refusal::fragment_crowded), 200u - Reassembly::kMostOfStrangers);
  EXPECT_NE(add(known.piece(1480, 1600), PeerClass::known), "");
  // Others who are known find room too, at the cost of strangers.
  for (unsigned host = 300; host < 300 + Reassembly::kMost; ++host) {
    now_ += 1us;
    Datagram d = from(datagram(), host % 100 + 100);
    d.id = host;
    EXPECT_EQ(add(d.piece(0, 1480), PeerClass::known), "");
  }
  EXPECT_EQ(lost(Refusal::fragment_crowded), 200u);
}

TEST(Budget, B6_LetsABurstThroughAndThenARate) {
  Budget<StrangersBudget> budget;
  Instant now{1h};
  unsigned taken = 0;
  for (int i = 0; i < 1000; ++i) taken += budget.take(now) ? 1 : 0;
  EXPECT_EQ(taken, StrangersBudget::kAtOnce);
  for (int i = 0; i < 1000; ++i) taken += budget.take(now += 1ms) ? 1 : 0;
  EXPECT_EQ(taken, StrangersBudget::kAtOnce + 1s / StrangersBudget::kEach);
  now += 1h;
  taken = 0;
  for (int i = 0; i < 1000; ++i) taken += budget.take(now) ? 1 : 0;
  EXPECT_EQ(taken, StrangersBudget::kAtOnce);
}

}  // namespace
}  // namespace fedge::admission
