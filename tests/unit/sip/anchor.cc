// M4: what our Record-Route says of a call's relay ports, and how ports are given out.
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <set>
#include <vector>

#include "dataplane/sip/anchor_ports.h"
#include "firmware/base/bytes.h"
#include "firmware/snapshot/writer.h"

namespace fedge::sip {
namespace {

AnchorRef sample() {
  AnchorRef ref;
  ref.id = 0x123456789abcde8;
  ref.caller_tag = hash_of_tag("a1");
  ref.streams = 2;
  ref.ends = {AnchorEnd{0xdeadbeef, 50000}, AnchorEnd{0x00000001, 50016}};
  return ref;
}

TEST(Anchor, M4_TextReadsBackAndOnlyInItsOwnCall) {
  RouteMac mac(as_bytes("secret"));
  AnchorText room;
  const std::string text(write_anchor(sample(), "call-1", mac, room));
  EXPECT_EQ(text.size(), kAnchorTextSize);
  EXPECT_EQ(read_anchor(text, "call-1", mac), sample());
  EXPECT_EQ(read_anchor(text, "call-2", mac), std::nullopt);
  RouteMac other(as_bytes("another secret"));
  EXPECT_EQ(read_anchor(text, "call-1", other), std::nullopt);
}

TEST(Anchor, M4_NoOctetOfTheTextCanBeChanged) {
  RouteMac mac(as_bytes("secret"));
  AnchorText room;
  const std::string text(write_anchor(sample(), "call-1", mac, room));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_EQ(read_anchor(changed, "call-1", mac), std::nullopt) << i;
    EXPECT_EQ(read_anchor(text.substr(0, i), "call-1", mac), std::nullopt) << i;
  }
}

// Realms outside (IPv4, behind a NAT) and inside (both families).
class Sections {
 public:
  explicit Sections(uint16_t first = 50000, uint16_t last = 50063) {
    snapshot::Writer r(snapshot::Kind::realms);
    const auto ports = r.slice<snapshot::Port>({{r.text("port0"), r.text("port0")}});
    const auto address = [](const char* text) { return *IpAddress::parse(text); };
    const auto outside =
        r.slice<snapshot::RealmAddress>({{*Prefix::parse("192.0.2.1/24"), address("203.0.113.1")}});
    const auto inside = r.slice<snapshot::RealmAddress>(
        {{*Prefix::parse("10.0.0.1/24"), {}}, {*Prefix::parse("fd00::1/64"), {}}});
    realms_ = r.finish(snapshot::Realms{
        ports, r.slice<snapshot::Realm>({{r.text("outside"), 0, 0, 1500, 0, 0, outside, {}},
                                         {r.text("inside"), 0, 5, 1500, 0, 0, inside, {}}})});
    snapshot::Writer w(snapshot::Kind::media);
    snapshot::Media root{};
    root.turn_realm = w.text("edge.example.com");
    root.pools = w.slice<snapshot::MediaPool>(
        {{w.slice<IpAddress>({address("192.0.2.1")}), 0, first, last, snapshot::PoolUse::anchor},
         {w.slice<IpAddress>({address("192.0.2.1")}), 0, 40000, 40999, snapshot::PoolUse::turn},
         {w.slice<IpAddress>({address("10.0.0.1"), address("fd00::1")}), 1, first, last,
          snapshot::PoolUse::anchor}});
    root.max_sessions = root.max_sessions_per_user = root.max_sessions_per_source = 1000;
    root.credential_minutes = root.lifetime_default_s = root.lifetime_max_s = root.nonce_s = 600;
    media_ = w.finish(root);
  }
  snapshot::Section<snapshot::Media> media() const {
    return *snapshot::Section<snapshot::Media>::open(as_bytes(media_));
  }
  snapshot::Section<snapshot::Realms> realms() const {
    return *snapshot::Section<snapshot::Realms>::open(as_bytes(realms_));
  }

 private:
  std::string realms_, media_;
};

constexpr AnchorPorts::Side kOutside{0, false};
constexpr AnchorPorts::Side kInside{1, false};
constexpr AnchorPorts::Side kInside6{1, true};

class Ports : public ::testing::TestWithParam<uint32_t> {
 protected:
  Ports() { use(Sections()); }
  void use(const Sections& sections) {
    const auto media = sections.media();
    const auto realms = sections.realms();
    for (AnchorPorts& worker : workers) worker.use(media, realms);
  }
  std::vector<AnchorPorts> make() const {
    std::vector<AnchorPorts> out;
    for (uint32_t i = 0; i < GetParam(); ++i) out.emplace_back(i, GetParam());
    return out;
  }
  std::vector<AnchorPorts> workers = make();
};
INSTANTIATE_TEST_SUITE_P(M4, Ports, ::testing::Values(1, 2, 4));

TEST_P(Ports, M4_NoPortIsGivenTwiceAndBothSidesBelongToOneWorkerOfTheFastPath) {
  std::set<std::pair<uint32_t, uint16_t>> taken;
  size_t calls = 0;
  for (AnchorPorts& worker : workers) {
    while (const auto ref = worker.take(kOutside, kInside, 2, calls * 7919 + 1)) {
      ++calls;
      EXPECT_EQ(ref->id % kMostStreams, 0u);
      EXPECT_EQ(ref->ends[0].port / 2 % 8, ref->ends[1].port / 2 % 8);
      for (const AnchorEnd& end : ref->ends) {
        for (uint16_t i = 0; i < 4; ++i) {
          const uint16_t port = port_of_stream(end.port, 2, i / 2u);
          EXPECT_TRUE(taken.emplace(end.address, static_cast<uint16_t>(port + i % 2)).second);
        }
      }
    }
  }
  EXPECT_EQ(calls, 16u);  // 64 ports, four a call
}

// Whatever calls have how many streams, and with calls that come and go: media of each stream is
// the same for all workers of the fast path.
TEST_P(Ports, M4_StreamsAreSpreadEvenlyOverTheWorkersOfTheFastPath) {
  constexpr size_t kCalls = 320;
  use(Sections(50000, 50511));
  for (const uint32_t streams : {1u, 2u, 3u, 4u}) {
    for (const uint32_t fastpath : {2u, 4u, 8u}) {
      std::array<std::array<size_t, 8>, 4> of_stream{};
      std::deque<std::pair<AnchorPorts*, uint64_t>> held;
      for (size_t call = 0; call < kCalls; ++call) {
        AnchorPorts& worker = workers[call % workers.size()];
        if (held.size() == 16) {
          held.front().first->release(held.front().second);
          held.pop_front();
        }
        const auto ref = worker.take(kOutside, kInside, streams, call);
        ASSERT_TRUE(ref);
        held.emplace_back(&worker, ref->id);
        for (uint32_t i = 0; i < streams; ++i) {
          const uint16_t caller = port_of_stream(ref->ends[0].port, ref->streams, i);
          const uint16_t callee = port_of_stream(ref->ends[1].port, ref->streams, i);
          EXPECT_EQ(caller / 2 % 8, callee / 2 % 8);
          ++of_stream[i][caller / 2u % fastpath];
        }
      }
      for (uint32_t i = 0; i < streams; ++i) {
        for (uint32_t w = 0; w < fastpath; ++w) {
          const double share = static_cast<double>(of_stream[i][w] * fastpath) / kCalls;
          EXPECT_NEAR(share, 1, 0.1)
              << "stream " << i << " of " << streams << ", worker " << w << " of " << fastpath;
        }
      }
      for (const auto& [worker, id] : held) worker->release(id);
    }
  }
}

TEST_P(Ports, M4_AFullPoolIsUsedUpWhereverItsRunsBegin) {
  for (const uint32_t streams : {1u, 2u, 4u, 8u}) {
    std::set<std::pair<uint32_t, uint16_t>> taken;
    std::vector<std::pair<AnchorPorts*, uint64_t>> held;
    for (AnchorPorts& worker : workers) {
      while (const auto ref = worker.take(kOutside, kInside, streams, held.size() + 1)) {
        held.emplace_back(&worker, ref->id);
        for (const AnchorEnd& end : ref->ends) {
          for (uint32_t i = 0; i < streams; ++i) {
            EXPECT_TRUE(taken.emplace(end.address, port_of_stream(end.port, streams, i)).second);
          }
        }
      }
    }
    EXPECT_EQ(taken.size(), 64u) << streams;  // 32 pairs on both sides
    for (const auto& [worker, id] : held) worker->release(id);
  }
}

TEST_P(Ports, M4_AddressesAreThoseOfTheSidesAndThePublicOneIsShown) {
  const auto ref = workers[0].take(kOutside, kInside6, 1, 5);
  ASSERT_TRUE(ref);
  const RelayAddress* const outside = workers[0].find(ref->ends[0].address);
  const RelayAddress* const inside = workers[0].find(ref->ends[1].address);
  ASSERT_TRUE(outside != nullptr && inside != nullptr);
  EXPECT_EQ(outside->address.text(), "192.0.2.1");
  EXPECT_EQ(outside->shown.text(), "203.0.113.1");
  EXPECT_EQ(inside->address.text(), "fd00::1");
  EXPECT_TRUE(workers[0].serves(1, true));
  EXPECT_FALSE(workers[0].serves(0, true));
  EXPECT_EQ(workers[0].take({0, true}, kInside, 1, 6), std::nullopt);
}

TEST_P(Ports, M4_PortsComeBackAndAreNotUsedAgainAtOnce) {
  const auto first = workers[0].take(kOutside, kInside, 8, 5);
  ASSERT_TRUE(first);
  EXPECT_EQ(workers[0].held(), 16u);
  workers[0].release(first->id);
  EXPECT_EQ(workers[0].held(), 0u);
  workers[0].release(first->id);
  EXPECT_EQ(workers[0].held(), 0u);
  const auto second = workers[0].take(kOutside, kInside, 8, 6);
  ASSERT_TRUE(second);
  // With four workers each has one group.
  EXPECT_EQ(second->ends[0].port / 16 == first->ends[0].port / 16, GetParam() == 4);
}

TEST_P(Ports, M4_APublishKeepsWhatIsHeld) {
  const auto ref = workers[0].take(kOutside, kInside, 8, 5);
  ASSERT_TRUE(ref);
  use(Sections(50000, 50127));
  EXPECT_EQ(workers[0].held(), 16u);
  while (const auto other = workers[0].take(kOutside, kInside, 8, 6)) {
    EXPECT_NE(other->ends[0], ref->ends[0]);
    EXPECT_NE(other->ends[1], ref->ends[1]);
  }
}

TEST_P(Ports, M4_WhatTheFastPathHoldsIsNotGivenOutAfterARestart) {
  const auto before = workers[0].take(kOutside, kInside, 1, 5);
  const auto ref = workers[0].take(kOutside, kInside, 2, 6);
  ASSERT_TRUE(before && ref);
  EXPECT_EQ(ref->ends[0].port % 4, 2);  // begins in the middle of its run
  workers = make();
  use(Sections());
  for (AnchorPorts& worker : workers) {
    worker.note_held(ref->id, {*IpAddress::parse("192.0.2.1"), ref->ends[0].port},
                     {*IpAddress::parse("10.0.0.1"), ref->ends[1].port});
  }
  for (AnchorPorts& worker : workers) {
    while (const auto other = worker.take(kOutside, kInside, 1, 7)) {
      for (const uint32_t i : {0u, 1u}) {
        EXPECT_NE(other->ends[0].port, port_of_stream(ref->ends[0].port, 2, i));
        EXPECT_NE(other->ends[1].port, port_of_stream(ref->ends[1].port, 2, i));
      }
    }
    worker.release(ref->id);
  }
  const auto again = workers[0].take(kOutside, kInside, 2, 8);
  EXPECT_TRUE(again);
}

}  // namespace
}  // namespace fedge::sip
