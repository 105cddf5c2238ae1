// Packets that are not what they seem: of a session that ended a moment ago, or from somebody who
// claims to be one of our own relay ports.
#include <gtest/gtest.h>

#include "tests/unit/media/site.h"

namespace fedge::media::test {
namespace {

class Deceived : public testing::TestWithParam<int> {
 protected:
  Options options() const {
    Options out;
    out.workers = static_cast<uint8_t>(GetParam());
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Deceived, testing::Values(1, 2));

// What a burst's later packets found before the first one ended it must not end it again.
TEST_P(Deceived, M7_a_session_that_ends_in_the_middle_of_a_burst_ends_once) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  const Flow other = site.make_flow(2);
  site.options.listener_port = 3479;
  site.publish();
  const std::string frame = site.peer_frame(flow, "in");
  std::array<std::array<std::byte, 512>, 3> rooms{};
  std::array<Packet, 3> burst{};
  for (size_t i = 0; i < burst.size(); ++i) {
    std::memcpy(&rooms[i][Site::kHeadroom], frame.data(), frame.size());
    burst[i].frame = &rooms[i][Site::kHeadroom];
    burst[i].size = static_cast<uint16_t>(frame.size());
    burst[i].room_before = Site::kHeadroom;
  }
  site.station(owner_of_port(flow.relay.port, options().workers)).process(burst, site.now());
  for (const Packet& packet : burst) EXPECT_EQ(packet.reason, Reason::no_session);
  EXPECT_EQ(site.quotas().total(), 1u);
  EXPECT_EQ(site.deliver(site.peer_frame(other, "in")).reason, Reason::no_session);
  EXPECT_EQ(site.quotas().total(), 0u);
  EXPECT_EQ(site.sessions(flow.worker).size(), 0u);
}

TEST_P(Deceived, M5_nobody_on_the_wire_passes_for_one_of_our_relay_ports) {
  Site site(options());
  const Flow a = site.make_flow(1), b = site.make_flow(2);
  site.bind(a, 0x4007, b.relay);
  site.bind(b, 0x4007, a.relay);
  const std::string hello = channel_data(0x4007, "hello");
  EXPECT_EQ(site.deliver(Site::frame(a.client, a.server, hello)).to(), b.client);
  EXPECT_EQ(site.deliver(Site::frame(a.relay, b.relay, "spoofed")).reason, Reason::source_foreign);
  EXPECT_EQ(site.deliver(Site::frame(a.client, a.server, hello)).to(), b.client);
}

}  // namespace
}  // namespace fedge::media::test
