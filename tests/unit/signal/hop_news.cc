// R3: news of next hops on their way to control: bounded, and nothing of a message is trusted.
#include "dataplane/signal/hop_news.h"

#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class NoConnections : public sip::Outbound {
 public:
  sip::SendOutcome send(sip::ConnectionId, std::string_view) override {
    return sip::SendOutcome::gone;
  }
  sip::SendResult send_to_next_hop(uint32_t, std::string_view, sip::SendToken) override {
    return {};
  }
  bool reaches_over_v6(uint32_t) override { return false; }
  bool asks_next_hop(std::string_view) const override { return asks; }
  bool asks = true;
};

class HopNewsTest : public ::testing::Test {
 protected:
  HopNewsTest() {
    const link::Offer compiled = compile(Layout{});
    auto opened = open_generation(compiled, sealing_key(), nullptr);
    generation = std::move(*opened);
    proxy.use(generation->view(), now);
    news.after_use(*generation);
    auto ends = link::make_link();
    control = std::make_unique<link::Channel>(site.loop, link::Process::control,
                                              link::Process::signal, std::move(ends->first));
    control->start(
        [this](const link::Received& received) {
          if (auto m = link::decode<link::NextHopState>(received.payload);
              m && received.kind == link::MessageKind::next_hop_state) {
            states.push_back(*m);
          }
          if (auto m = link::decode<link::Failover>(received.payload);
              m && received.kind == link::MessageKind::failover) {
            failovers.push_back(*m);
          }
        },
        [](const std::string&) {});
    socket = std::move(ends->second);
  }
  void note_failover(std::string_view call_id) {
    news.note({"MESSAGE", "/next_hop_pools/0/members/0", call_id, 0, 1, sip::HopFailure::busy},
              now);
  }
  uint64_t untold() {
    return counters.value(counters.series("fedge_signal_failovers_untold_total"));
  }

  Site site;
  Instant now{std::chrono::hours(1)};
  Counters counters;
  NoConnections worker;
  sip::Proxy proxy{{64, 65536}, site.loop.timers(), worker, counters, 1};
  HopNews news{proxy, counters};
  Reporter reporter{site.loop};
  std::unique_ptr<Generation> generation;
  std::unique_ptr<link::Channel> control;
  Fd socket;
  std::vector<link::NextHopState> states;
  std::vector<link::Failover> failovers;
};

TEST_F(HopNewsTest, R3_FailoversWaitForControlUpToTheBound) {
  for (int i = 0; i < 200; ++i) note_failover("call-" + std::to_string(i));
  EXPECT_EQ(untold(), 200u - 128u);
  news.flush(*generation, reporter, now);  // there is no control yet
  reporter.use_link(std::move(socket));
  news.flush(*generation, reporter, now);
  site.until([&] { return failovers.size() == 128; }, "the fail-overs");
  EXPECT_EQ(failovers[0].call_id, "call-0");
  EXPECT_EQ(failovers[0].method, "MESSAGE");
  EXPECT_EQ(failovers[0].rule, "/next_hop_pools/0/members/0");
  EXPECT_EQ(failovers[0].from.host, "fe1.example.com");
  EXPECT_EQ(failovers[0].to.host, "sip.partner.example");
  EXPECT_EQ(failovers[0].reason, "it answered 503");
  note_failover("one more");
  news.flush(*generation, reporter, now);
  site.until([&] { return failovers.size() == 129; }, "one more");
}

TEST_F(HopNewsTest, R3_CallIdsAreCutAndCleaned) {
  reporter.use_link(std::move(socket));
  note_failover("a\"\x01\xff b" + std::string(100, 'x'));
  news.flush(*generation, reporter, now);
  site.until([&] { return !failovers.empty(); }, "the fail-over");
  EXPECT_EQ(failovers[0].call_id, "a\"???b" + std::string(26, 'x'));
}

TEST_F(HopNewsTest, R3_StatesAreToldOnceUntilThereIsNews) {
  reporter.use_link(std::move(socket));
  proxy.note_health(proxy.key_of_next_hop(0),
                    {0, sip::HopState::down, sip::HopFailure::refused, true, now, {}}, now);
  for (int i = 0; i < 10; ++i) news.note(proxy.health_of(0));
  news.flush(*generation, reporter, now);
  site.until([&] { return !states.empty(); }, "the state");
  EXPECT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].state, link::HopState::down);
  EXPECT_EQ(states[0].reason, "the connection request was refused");
  // A publish between the news and the beat loses none.
  news.note(proxy.health_of(0));
  news.before_use(generation.get(), &reporter, now);
  proxy.use(generation->view(), now);
  news.after_use(*generation);
  news.flush(*generation, reporter, now);
  site.until([&] { return states.size() == 2; }, "the state after the publish");
}

// Sixteen workers lose what they reach in one moment, and control does not read just then. The
// link would stay closed once closed, and control would show yesterday's states.
TEST_F(HopNewsTest, R3_ABusyControlIsToldAllLater) {
  reporter.use_link(std::move(socket));
  const link::NextHopState state{{"fe1.example.com", "inside", 5061, true},
                                 link::HopState::down,
                                 "no answer to the connection request",
                                 1,
                                 1};
  for (int i = 0; i < 16; ++i) reporter.post({std::vector(256, state), {}, {}});
  const auto all_told = [&] {
    reporter.on_beat();
    return states.size() == 16u * 256;
  };
  site.until(all_told, "all states");
  EXPECT_TRUE(reporter.has_room());
}

TEST_F(HopNewsTest, R3_OneWorkerTellsOfEachNextHop) {
  worker.asks = false;
  proxy.use(generation->view(), now);
  reporter.use_link(std::move(socket));
  news.note(proxy.health_of(0));
  note_failover("its own");
  news.flush(*generation, reporter, now);
  site.until([&] { return !failovers.empty(); }, "the fail-over");
  EXPECT_TRUE(states.empty());
}

}  // namespace
}  // namespace fedge::signal
