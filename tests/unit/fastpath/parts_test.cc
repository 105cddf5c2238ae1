// The parts of the fast path that need neither DPDK nor root.
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>

#include "dataplane/fastpath/crossing.h"
#include "dataplane/fastpath/idle.h"
#include "dataplane/fastpath/ledger.h"
#include "dataplane/fastpath/mirror.h"
#include "dataplane/fastpath/plan.h"
#include "dataplane/fastpath/ports.h"
#include "dataplane/fastpath/tag.h"

namespace fedge::fastpath {
namespace {

TEST(Idle, R11_PollsWhileFramesComeAndSleepsOtherwise) {
  Idle idle(false);
  EXPECT_EQ(idle.next_wait(true, false), 0ns);
  EXPECT_EQ(idle.next_wait(true, true), 0ns);
  EXPECT_EQ(idle.next_wait(false, false), Idle::kAlive);
  EXPECT_EQ(idle.next_wait(false, true), Idle::kRetry);
}

TEST(Idle, R11_AsksAPortWithoutADescriptorAtGrowingIntervals) {
  Idle idle(true);
  EXPECT_EQ(idle.next_wait(false, false), Idle::kFirst);
  EXPECT_EQ(idle.next_wait(false, false), 2 * Idle::kFirst);
  for (int i = 0; i < 10; ++i) (void)idle.next_wait(false, false);
  EXPECT_EQ(idle.next_wait(false, false), Idle::kLongest);
  EXPECT_EQ(idle.next_wait(true, false), 0ns);
  EXPECT_EQ(idle.next_wait(false, false), Idle::kFirst);
}

TEST(Tag, R11_GoesInAndComesOutInPlace) {
  const std::string plain = "ddddddssssss\x08\x06payload";
  std::string buffer = "????" + plain;
  auto* const bytes = reinterpret_cast<std::byte*>(buffer.data());
  insert_tag(bytes, 7);
  EXPECT_EQ(buffer, std::string("ddddddssssss\x81\x00\x00\x07\x08\x06payload", 25));
  remove_tag(bytes);
  EXPECT_EQ(buffer.substr(4), plain);
}

TEST(PortSpec, B1_ToldByItsAddressIsAPciDevice) {
  EXPECT_TRUE((PortSpec{"port0", "0000:03:00.0"}.is_pci()));
  EXPECT_FALSE((PortSpec{"port0", "e1-out"}.is_pci()));
  EXPECT_FALSE((PortSpec{"port0", "eth0.7"}.is_pci()));
}

TEST(Meters, O3_NamesAreStableAndDistinct) {
  Counters counters;
  const std::vector<admission::BoxPort> ports{{"port0", {}}};
  const std::vector<admission::RealmEntry> realms{{"outside", 0, 0, 1500, {}, {}}};
  const Meters first = Meters::make(counters, 2, ports, realms);
  const Meters again = Meters::make(counters, 2, ports, realms);
  EXPECT_EQ(first.realms[0].packets, again.realms[0].packets);
  EXPECT_EQ(first.drops, again.drops);
  const std::string name =
      "fedge_fastpath_packets_total{realm=\"outside\",direction=\"in\",class=\"listener\"}";
  EXPECT_EQ(counters.series(name), first.realms[0].packets[0][0]);
  const auto checksum = admission::Reason(ip::Malformed::ipv4_checksum);
  EXPECT_EQ(counters.series("fedge_fastpath_dropped_total{reason=\"ipv4_checksum\"}"),
            first.drops[checksum.index()]);
}

TEST(Ledger, O3_SumsTheWorkersAndGoesOnWhereThePageStood) {
  const Fd memory = std::move(*make_shared_memfd("page", sizeof(CounterPage)));
  const auto page = [&] { return Counters(std::move(*Mapping::read_write(memory.get()))); };
  {
    Ledger ledger(page(), 2);
    const uint32_t total = ledger.page().series("a_total");
    const uint32_t gauge = ledger.page().series("gauge");
    ledger.page().set(gauge, 9);
    ledger.tally(0).add(total, 2);
    ledger.tally(1).add(total, 3);
    ledger.publish();
    EXPECT_EQ(ledger.page().value(total), 5u);
    EXPECT_EQ(ledger.page().value(gauge), 9u);
  }
  Ledger again(page(), 1);
  const uint32_t total = again.page().series("a_total");
  again.publish();
  EXPECT_EQ(again.page().value(total), 5u);
  again.tally(0).add(total);
  again.publish();
  again.publish();
  EXPECT_EQ(again.page().value(total), 6u);
}

TEST(Crossing, B1_FramesReachTheirWorkerAndWakeIt) {
  auto crossing = std::move(*Crossing::make(2));
  const auto frame = [](uintptr_t i) { return reinterpret_cast<rte_mbuf*>(i * 64); };
  const auto is_woken = [&] {
    uint64_t ignored;
    return ::read(crossing->wake_fd(1), &ignored, sizeof ignored) > 0;
  };
  std::array<rte_mbuf*, 2> sent{frame(1), frame(2)};
  EXPECT_TRUE(crossing->may_sleep(1));
  EXPECT_EQ(crossing->send(1, sent), 2u);
  EXPECT_TRUE(is_woken());
  EXPECT_EQ(crossing->send(1, sent), 2u);
  EXPECT_FALSE(is_woken()) << "it is awake";
  crossing->woke(1);
  EXPECT_FALSE(crossing->may_sleep(1)) << "there is work";
  std::array<rte_mbuf*, 8> got{};
  EXPECT_EQ(crossing->take(0, got), 0u);
  EXPECT_EQ(crossing->take(1, got), 4u);
  EXPECT_EQ(got[0], frame(1));
  EXPECT_TRUE(crossing->may_sleep(1));
  crossing->wake(1);
  EXPECT_TRUE(is_woken());
  EXPECT_FALSE(crossing->may_sleep(1));
  crossing->woke(1);
  EXPECT_TRUE(crossing->may_sleep(1));
}

TEST(Crossing, B1_AFullRingTakesNoMore) {
  auto crossing = std::move(*Crossing::make(1));
  std::array<rte_mbuf*, 32> frames{};
  frames.fill(reinterpret_cast<rte_mbuf*>(uintptr_t{64}));
  unsigned taken = 0;
  for (unsigned i = 0; i < Crossing::kRoom; ++i) taken += crossing->send(0, frames);
  EXPECT_EQ(taken, Crossing::kRoom - 1);
  EXPECT_EQ(crossing->take(0, frames), 32u);
  EXPECT_EQ(crossing->send(0, frames), 32u);
}

// Two workers hand over more than a third takes: what it gets of each is in order and once, and
// what it does not get they are told of.
TEST(Crossing, B1_BurstsOfSeveralWorkersKeepTheOrderOfEachWhenTheRingIsFull) {
  constexpr uintptr_t kEach = 300'000;
  constexpr int kShift = 32;
  auto crossing = std::move(*Crossing::make(3));
  std::array<std::atomic<uint64_t>, 2> taken{};
  std::atomic<int> begun = 0;
  std::atomic<int> over = 0;
  const auto produce = [&](uintptr_t worker) {
    std::array<rte_mbuf*, 32> burst;
    size_t size = 1;
    for (uintptr_t i = 0; i < kEach; i += size) {
      size = std::min<uintptr_t>(1 + (i * 7 + worker) % burst.size(), kEach - i);
      for (uintptr_t k = 0; k < size; ++k) {
        burst[k] = reinterpret_cast<rte_mbuf*>((worker + 1) << kShift | (i + k + 1));
      }
      taken[worker] += crossing->send(2, std::span(burst).first(size));
      if (i < 2 * Crossing::kRoom && i + size >= 2 * Crossing::kRoom) ++begun;
    }
    ++over;
  };
  std::thread first(produce, 0), second(produce, 1);
  // Both have found it full.
  while (begun != 2) std::this_thread::yield();
  std::array<uint64_t, 2> got{};
  std::array<uintptr_t, 2> last{};
  std::array<rte_mbuf*, 32> burst;
  for (;;) {
    const bool ends = over == 2;
    const unsigned count = crossing->take(2, burst);
    if (count == 0 && ends) break;
    for (unsigned i = 0; i < count; ++i) {
      const auto word = reinterpret_cast<uintptr_t>(burst[i]);
      const uintptr_t worker = ((word >> kShift) - 1) & 1;
      const uintptr_t number = word & 0xffffffff;
      EXPECT_GT(number, last[worker]);
      last[worker] = number;
      ++got[worker];
    }
  }
  first.join();
  second.join();
  for (const size_t worker : {0u, 1u}) {
    EXPECT_EQ(got[worker], taken[worker]);
    EXPECT_LT(got[worker], kEach) << "it was full";
  }
}

class MirrorTest : public testing::Test {
 protected:
  MirrorTest() {
    mirror_.set_realms({"outside", "inside"});
    mirror_.on_resync();
    link(5, "inside");
    link(9, "somewhere");
  }
  void link(uint32_t index, const std::string& name, bool gone = false) {
    netlink::LinkEvent event{gone, {}};
    event.link.index = index;
    event.link.name = name;
    mirror_.on_link(event);
  }
  void neighbour(uint32_t index, const char* address, uint8_t last, uint16_t state = NUD_REACHABLE,
                 bool gone = false) {
    netlink::Neighbour n{index, *IpAddress::parse(address), ip::Mac{2, 0, 0, 0, 0, last}, state};
    mirror_.on_neighbour({gone, n});
  }
  void route(uint32_t index, const char* to, const char* via, bool gone = false) {
    mirror_.on_route({gone, {index, *Prefix::parse(to), *IpAddress::parse(via), 100, 4}});
  }
  std::optional<ip::Mac> find(const char* address) const {
    return mirror_.find_neighbour(1, *IpAddress::parse(address));
  }

  // 10.2.9.* of the realm is wanted.
  Mirror mirror_{7, [](uint16_t, const IpAddress& address) { return address.octets[2] == 9; }};
};

TEST_F(MirrorTest, R11_FollowsTheNeighboursOfTheRealmsTaps) {
  neighbour(5, "10.2.0.9", 9);
  neighbour(9, "10.2.0.10", 10);  // no realm's
  neighbour(5, "10.2.0.11", 11, NUD_FAILED);
  mirror_.on_synced();
  ASSERT_TRUE(find("10.2.0.9"));
  EXPECT_EQ((*find("10.2.0.9"))[5], 9);
  EXPECT_FALSE(find("10.2.0.10"));
  EXPECT_FALSE(find("10.2.0.11"));
  EXPECT_FALSE(mirror_.find_neighbour(0, *IpAddress::parse("10.2.0.9")));
  EXPECT_EQ(mirror_.neighbours(1), 1u);
  neighbour(5, "10.2.0.9", 99);
  EXPECT_EQ((*find("10.2.0.9"))[5], 99);
  EXPECT_EQ(mirror_.neighbours(1), 1u);
  neighbour(5, "10.2.0.9", 99, NUD_FAILED);
  EXPECT_FALSE(find("10.2.0.9"));
  EXPECT_EQ(mirror_.neighbours(1), 0u);
}

TEST_F(MirrorTest, R11_ForgetsWhatASynchronisationDoesNotConfirm) {
  neighbour(5, "10.2.0.9", 9);
  neighbour(5, "fd00::9", 10);
  mirror_.on_synced();
  mirror_.on_resync();
  link(5, "inside");
  neighbour(5, "fd00::9", 10);
  EXPECT_TRUE(find("10.2.0.9"));  // used until all is told
  mirror_.on_synced();
  EXPECT_FALSE(find("10.2.0.9"));
  EXPECT_TRUE(find("fd00::9"));
  EXPECT_EQ(mirror_.neighbours(1), 1u);
}

TEST_F(MirrorTest, B6_AFloodOfStrangersLeavesTheWantedTheirPlaces) {
  neighbour(5, "10.2.9.1", 1);
  for (unsigned i = 0; i < 3 * Mirror::kMostStrangers; ++i) {
    const std::string address =
        "10.4." + std::to_string(i / 250 + 10) + "." + std::to_string(i % 250);
    neighbour(5, address.c_str(), 7);
  }
  EXPECT_EQ(mirror_.neighbours(1), Mirror::kMostStrangers + 1);
  EXPECT_EQ(mirror_.not_kept(), 2 * Mirror::kMostStrangers);
  EXPECT_TRUE(mirror_.incomplete());
  for (int i = 2; i < 250; ++i) neighbour(5, ("10.2.9." + std::to_string(i)).c_str(), 9);
  EXPECT_TRUE(find("10.2.9.1"));
  EXPECT_TRUE(find("10.2.9.249"));
  EXPECT_EQ(mirror_.neighbours(1), Mirror::kMostStrangers + 249);
  // A stranger's place is free again when the kernel forgets it, and only once.
  neighbour(5, "10.4.10.1", 7, NUD_FAILED);
  neighbour(5, "10.4.10.1", 7, NUD_FAILED);
  neighbour(5, "10.4.99.1", 7);
  neighbour(5, "10.4.99.2", 7);
  EXPECT_TRUE(find("10.4.99.1"));
  EXPECT_FALSE(find("10.4.99.2"));
  // The other realm has room of its own.
  link(6, "outside");
  neighbour(6, "10.1.0.9", 9);
  EXPECT_TRUE(mirror_.find_neighbour(0, *IpAddress::parse("10.1.0.9")));
  // Told anew, what is left of the flood counts anew.
  mirror_.on_resync();
  EXPECT_FALSE(mirror_.incomplete());
  neighbour(5, "10.2.9.1", 1);
  mirror_.on_synced();
  neighbour(5, "10.4.99.2", 7);
  EXPECT_EQ(mirror_.neighbours(1), 2u);
  EXPECT_TRUE(find("10.4.99.2"));
}

TEST_F(MirrorTest, R11_ATapThatGoesTakesItsNeighboursAndRoutes) {
  neighbour(5, "10.2.0.9", 9);
  route(5, "0.0.0.0/0", "10.2.0.254");
  route(5, "10.9.0.0/16", "10.2.0.253");
  route(5, "10.9.0.0/16", "10.2.0.252");  // replaces
  EXPECT_EQ(mirror_.routes(1).size(), 2u);
  route(5, "10.9.0.0/16", "10.2.0.252", true);
  EXPECT_EQ(mirror_.routes(1).size(), 1u);
  link(5, "inside", true);
  EXPECT_FALSE(find("10.2.0.9"));
  EXPECT_EQ(mirror_.neighbours(1), 0u);
  EXPECT_TRUE(mirror_.routes(1).empty());
}

TEST(Plan, R11_JoinsRealmsWithTheirTaps) {
  Plan plan;
  plan.tables = admission::Tables::none();
  plan.ledger = std::make_shared<Ledger>(Counters(), 1);
  complete_plan(plan, {}, {});
  EXPECT_TRUE(plan.realms.empty());
  EXPECT_TRUE(plan.realm_of_tap.empty());
}

}  // namespace
}  // namespace fedge::fastpath
