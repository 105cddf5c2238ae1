// What a publish does to the network, without any process: the supervisor starts none here.
#include "firmware/init/keeper.h"

#include "tests/unit/init/network_test.h"

namespace fedge::init {
namespace {

using link::Process;
using snapshot::Kind;

struct NobodyStarted final : SupervisorHandler {
  Launch launch_of(Process) override { return {}; }
  void on_started(Process) override {}
  void on_ready(Process) override {}
  void on_message(Process, link::Received) override {}
  void on_ended(Process) override {}
  void on_all_stopped() override {}
};

struct KeeperTest : NetworkTest {
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped()) return;
    wire = std::move(*Wire::open(name, ports));
    taps = std::move(*Taps::open(name));
    keeper.emplace(loop, supervisor, wire, taps, uint16_t{2});
    keeper->boot("/nonexistent", *Endpoint::parse("127.0.0.1:18499"));
  }
  void TearDown() override {
    if (keeper) wire.close();
    NetworkTest::TearDown();
  }
  void offer(uint64_t generation, const std::string& section) {
    const auto* header = reinterpret_cast<const snapshot::SectionHeader*>(section.data());
    link::SnapshotOffer message{generation, generation, {}};
    message.sections.push_back({Kind::realms, {header->checksum[0], header->checksum[1]}});
    std::vector<Fd> fds;
    fds.push_back(std::move(*make_sealed_memfd("t", as_bytes(section))));
    keeper->on_offer(message, fds);
  }
  void all_run(uint64_t generation) {
    for (const Process p : Supervisor::children()) {
      if (link::spec(p).forwarder) keeper->on_running(p, {generation, generation, true, {}});
    }
  }
  bool has_tap(const std::string& realm) {
    const Inside there(taps.space());
    return find(realm).has_value();
  }
  Loop loop;
  NobodyStarted handler;
  Supervisor supervisor{loop, handler};
  Wire wire;
  Taps taps;
  std::optional<Keeper> keeper;
};

const std::vector<RealmOfTest> kOne{{"one", "port0", {"192.0.2.1/24"}, "192.0.2.254", 1500}};
const std::vector<RealmOfTest> kTwo{{"two", "port1", {"192.0.2.1/24"}, nullptr, 1500}};

TEST_F(KeeperTest, TheOldRealmGoesWhenEveryForwarderRunsTheNewOne) {
  offer(1, realms_section(kOne));
  EXPECT_TRUE(has_tap("one"));
  all_run(1);
  offer(2, realms_section(kTwo));
  EXPECT_EQ(keeper->generation(), 2u);
  EXPECT_TRUE(has_tap("one")) << "somebody may still use it";
  EXPECT_TRUE(has_tap("two"));
  all_run(2);
  EXPECT_FALSE(has_tap("one"));
  EXPECT_TRUE(has_tap("two"));
}

TEST_F(KeeperTest, TheOldRealmGoesInTheEndWithoutAnAnswer) {
  offer(1, realms_section(kOne));
  offer(2, realms_section(kTwo));
  loop.timers().advance(loop.now() + 9s);
  EXPECT_TRUE(has_tap("one"));
  loop.timers().advance(loop.now() + 11s);
  EXPECT_FALSE(has_tap("one"));
}

TEST_F(KeeperTest, WhatThisBoxCannotRunIsRefusedWhole) {
  offer(1, realms_section(kOne));
  all_run(1);
  auto strange = kTwo;
  strange.push_back({"three", "port9", {}, nullptr, 1500});
  offer(2, realms_section(strange));
  EXPECT_EQ(keeper->generation(), 1u) << "a port that is not there";
  EXPECT_FALSE(has_tap("two"));
  auto unreachable = kTwo;
  unreachable[0].gateway = "203.0.113.9";
  offer(3, realms_section(unreachable));
  EXPECT_EQ(keeper->generation(), 1u) << "the kernel refuses a route";
  EXPECT_FALSE(has_tap("two"));
  EXPECT_TRUE(has_tap("one"));
}

TEST_F(KeeperTest, RollingBackIsAnOfferLikeAnyOther) {
  const std::string first = realms_section(kOne);
  offer(1, first);
  all_run(1);
  offer(2, realms_section(kTwo));
  offer(3, first);
  all_run(3);
  EXPECT_TRUE(has_tap("one"));
  EXPECT_FALSE(has_tap("two"));
}

TEST_F(KeeperTest, B4_AManagementPortThatWasTakenAtBootIsOpenedLater) {
  std::optional<ManagementSockets> other_program(std::in_place);
  const std::vector<Endpoint> wanted{*Endpoint::parse("127.0.0.1:18498")};
  ASSERT_TRUE(other_program->open(wanted));
  keeper.emplace(loop, supervisor, wire, taps, uint16_t{2});
  keeper->boot("/nonexistent", wanted[0]);
  other_program.reset();
  loop.timers().advance(loop.now() + 6s);
  EXPECT_FALSE(ManagementSockets().open(wanted)) << "the keeper has it now";
}

}  // namespace
}  // namespace fedge::init
