// What many sessions share: a user's bandwidth and the box's. And allocations of TCP, which relay
// no datagrams.
#include <gtest/gtest.h>

#include "tests/unit/media/site.h"

namespace fedge::media::test {
namespace {

struct SharedBandwidth : testing::TestWithParam<int> {
  static constexpr int kFlows = 8;
  Options options() const {
    Options out;
    out.workers = static_cast<uint8_t>(GetParam());
    return out;
  }
  // How many of packets of 1000 octets pass in ten seconds, fifty a second of each flow.
  struct Passed {
    unsigned to_peers = 0;
    unsigned to_clients = 0;
  };
  static Passed send(Site& site, const std::vector<Flow>& flows) {
    const std::string payload(1000, 'x');
    Passed out;
    for (int ms = 0; ms < 10'000; ms += 20) {
      site.pass(20ms);
      for (const Flow& flow : flows) {
        out.to_peers += site.deliver(site.channel_frame(flow, payload)).fate == Fate::send;
        out.to_clients += site.deliver(site.peer_frame(flow, payload)).fate == Fate::send;
      }
    }
    return out;
  }
  static std::vector<Flow> make_flows(Site& site) {
    std::vector<Flow> out;
    for (uint32_t i = 0; i < kFlows; ++i) out.push_back(site.make_flow(i));
    return out;
  }
};

TEST_P(SharedBandwidth, M6_AUsersSessionsShareTheUsers) {
  Options chosen = options();
  chosen.kbps_per_user = 800;  // 100 packets a second, each way
  Site site(chosen);
  site.one_user = true;
  const Passed passed = send(site, make_flows(site));
  for (const unsigned way : {passed.to_peers, passed.to_clients}) {
    EXPECT_GE(way, 1000u);
    EXPECT_LE(way, 1060u);
  }
  EXPECT_EQ(site.count_dropped(Reason::bandwidth),
            2u * kFlows * 500 - passed.to_peers - passed.to_clients);
}

TEST_P(SharedBandwidth, M6_UsersDoNotTakeFromEachOther) {
  Options chosen = options();
  chosen.kbps_per_user = 400;  // 50 packets a second: all that each sends
  Site site(chosen);
  const Passed passed = send(site, make_flows(site));
  EXPECT_EQ(passed.to_peers, 500u * kFlows);
  EXPECT_EQ(passed.to_clients, 500u * kFlows);
}

TEST_P(SharedBandwidth, M6_TheBoxHasSoMuch) {
  Options chosen = options();
  chosen.kbps_total = 800;
  Site site(chosen);
  const Passed passed = send(site, make_flows(site));
  for (const unsigned way : {passed.to_peers, passed.to_clients}) {
    EXPECT_GE(way, 1000u);
    EXPECT_LE(way, 1060u);
  }
  EXPECT_EQ(site.count_dropped(Reason::bandwidth),
            2u * kFlows * 500 - passed.to_peers - passed.to_clients);
}

TEST_P(SharedBandwidth, M6_AnAdoptedSessionIsItsUsers) {
  Options chosen = options();
  chosen.kbps_per_user = 800;
  Site site(chosen);
  site.one_user = true;
  const std::vector<Flow> flows = make_flows(site);
  site.restart();
  EXPECT_LE(send(site, flows).to_peers, 1060u);
}

TEST_P(SharedBandwidth, M9_ATcpAllocationRelaysNoDatagrams) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  site.sessions(flow.worker).record(flow.session).flags |= session_flag::kTcpRelay;
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "x")).reason, Reason::no_session);
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "x")).reason, Reason::no_route);
  EXPECT_EQ(site.count_dropped(Reason::no_session), 1u);
  EXPECT_EQ(site.count_dropped(Reason::no_route), 1u);
  EXPECT_EQ(site.sessions(flow.worker).details(flow.session).refused, 2u);
}

INSTANTIATE_TEST_SUITE_P(Workers, SharedBandwidth, testing::Values(1, 2));

}  // namespace
}  // namespace fedge::media::test
