// What a publish opens, closes and leaves alone.
#include "firmware/net/socket.h"
#include "tests/unit/front/site.h"

namespace fedge::front {
namespace {

TEST(Publishing, M2_AnIdleFrontRunsWhatHasNothingForIt) {
  Site site;
  Layout layout;
  layout.listeners = {{free_port(), snapshot::Transport::tcp, snapshot::Service::access},
                      {free_port(), snapshot::Transport::udp, snapshot::Service::av}};
  EXPECT_TRUE(site.publish(layout));
  EXPECT_EQ(site.count("fedge_front_accepted_total"), 0u);
}

TEST(Publishing, M2_OpensAndClosesLiveWithoutTouchingTheOthers) {
  Open site;
  Client before(site.loop, site.port);
  before.send(stun_message());
  (void)site.next();
  const uint16_t fresh = free_port();
  site.layout.listeners = {{fresh}};
  site.layout.generation = 2;
  ASSERT_TRUE(site.publish(site.layout));
  before.send(stun_message(4));
  EXPECT_EQ(site.next().octets, stun_message(4)) << "nobody is thrown out";
  Client on_fresh(site.loop, fresh);
  on_fresh.send(stun_message(8));
  EXPECT_EQ(site.next().octets, stun_message(8));
  Client refused(site.loop, site.port);
  EXPECT_TRUE(refused.ended());
  site.layout.realm = "other";
  site.layout.listeners = {};
  site.layout.generation = 3;
  ASSERT_TRUE(site.publish(site.layout));
  EXPECT_TRUE(before.ended()) << "its realm is gone";
}

TEST(Publishing, M2_APortInUseRefusesThePublishAndTheOldOneRunsOn) {
  Open site;
  const uint16_t taken = free_port();
  auto holder = open_listening_socket({*IpAddress::parse("127.0.0.1"), taken}, {});
  ASSERT_TRUE(holder);
  site.layout.listeners = {{taken}};
  site.layout.generation = 2;
  EXPECT_FALSE(site.publish(site.layout));
  ASSERT_TRUE(site.answer);
  EXPECT_NE(site.answer->reason.find("listener l" + std::to_string(taken)), std::string::npos);
  Client client(site.loop, site.port);
  client.send(stun_message());
  EXPECT_EQ(site.next().octets, stun_message());
}

}  // namespace
}  // namespace fedge::front
