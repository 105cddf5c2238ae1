#include "firmware/init/reserved_ports.h"

#include <gtest/gtest.h>

#include "firmware/snapshot/writer.h"

namespace fedge::init {
namespace {

TEST(ReservedPorts, M1_AreMediasListenersAndPools) {
  EXPECT_EQ(reserved_ports(nullptr, nullptr), "3478");
  snapshot::Writer l(snapshot::Kind::listeners);
  std::vector<snapshot::Listener> list(2);
  list[0].name = l.text("turn");
  list[0].endpoint = *Endpoint::parse("192.0.2.1:3479");
  list[0].transport = snapshot::Transport::udp;
  list[1].name = l.text("access");
  list[1].endpoint = *Endpoint::parse("192.0.2.1:5061");
  list[1].transport = snapshot::Transport::tcp;
  for (snapshot::Listener& listener : list) listener.tls_context = snapshot::kNone16;
  list[0].service = snapshot::Service::av;
  snapshot::Listeners listeners_root{};
  listeners_root.listeners = l.slice(list);
  const std::string listeners_text = l.finish(listeners_root);
  const auto listeners = snapshot::Section<snapshot::Listeners>::open(as_bytes(listeners_text));
  ASSERT_TRUE(listeners) << listeners.error().text();

  snapshot::Writer m(snapshot::Kind::media);
  const std::vector<IpAddress> addresses{*IpAddress::parse("192.0.2.1")};
  const std::vector<snapshot::MediaPool> pools{
      {m.slice(addresses), 0, 20000, 29999, snapshot::PoolUse::turn},
      {m.slice(addresses), 0, 40000, 40099, snapshot::PoolUse::anchor}};
  snapshot::Media root{};
  root.pools = m.slice(pools);
  root.max_sessions = root.max_sessions_per_user = root.max_sessions_per_source = 10;
  root.credential_minutes = 480;
  root.lifetime_default_s = root.lifetime_max_s = root.nonce_s = 600;
  const std::string media_text = m.finish(root);
  const auto media = snapshot::Section<snapshot::Media>::open(as_bytes(media_text));
  ASSERT_TRUE(media) << media.error().text();
  EXPECT_EQ(reserved_ports(&*listeners, &*media), "3478,3479,20000-29999,40000-40099");
}

}  // namespace
}  // namespace fedge::init
