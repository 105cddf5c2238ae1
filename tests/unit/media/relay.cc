// What becomes of packets of allocations, with one worker and with two.
#include <gtest/gtest.h>

#include "firmware/wire/stun/message.h"
#include "firmware/wire/turn/attributes.h"
#include "tests/unit/media/site.h"

namespace fedge::media::test {
namespace {

class Relaying : public testing::TestWithParam<int> {
 protected:
  Options options() const {
    Options out;
    out.workers = static_cast<uint8_t>(GetParam());
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Relaying, testing::Values(1, 2));

std::string send_indication(const Endpoint& peer, std::string_view data, bool dont_fragment) {
  std::array<std::byte, 1500> out{};
  stun::Transaction transaction{};
  store_be32(transaction.data(), stun::kMagicCookie);
  stun::Writer writer(out, stun::Method::send, stun::Class::indication, transaction);
  writer.add_xor_address(stun::Type::xor_peer_address, peer);
  if (dont_fragment) writer.add_flag(stun::Type::dont_fragment);
  writer.add(stun::Type::data, as_bytes(data));
  return std::string(as_text(writer.written()));
}

TEST_P(Relaying, M1_channel_data_reaches_the_peer_and_what_it_sends_comes_back) {
  Site site(options());
  for (uint32_t i = 0; i < 8; ++i) {
    const Flow flow = site.make_flow(i);
    const Outcome there = site.deliver(site.channel_frame(flow, "to the peer"), i % 2 % GetParam());
    ASSERT_EQ(there.fate, Fate::send);
    EXPECT_EQ(there.from(), flow.relay);
    EXPECT_EQ(there.to(), flow.peer);
    EXPECT_EQ(there.payload(), "to the peer");
    EXPECT_EQ(there.realm, 0);
    EXPECT_TRUE(there.has_right_checksum());
    EXPECT_EQ(there.view().source_mac, kMac0);
    EXPECT_EQ(there.view().ttl, 63);
    EXPECT_EQ(there.view().dscp, 46);

    const Outcome back = site.deliver(site.peer_frame(flow, "and back"));
    ASSERT_EQ(back.fate, Fate::send);
    EXPECT_EQ(back.from(), flow.server);
    EXPECT_EQ(back.to(), flow.client);
    EXPECT_EQ(back.payload(), channel_data(flow.channel, "and back"));
    EXPECT_TRUE(back.has_right_checksum());
    EXPECT_EQ(back.view().destination_mac, kClientMac);

    const SessionRecord& record = site.sessions(flow.worker).record(flow.session);
    EXPECT_EQ(record.traffic[0].packets, 1u);
    EXPECT_EQ(record.traffic[0].bytes, 11u);
    EXPECT_EQ(record.traffic[1].packets, 1u);
    EXPECT_EQ(record.traffic[1].bytes, 8u);
  }
}

TEST_P(Relaying, M1_padding_behind_channel_data_is_left_out) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  const std::string padded = channel_data(flow.channel, "odd") + "x";
  const Outcome there = site.deliver(Site::frame(flow.client, flow.server, padded));
  ASSERT_EQ(there.fate, Fate::send);
  EXPECT_EQ(there.payload(), "odd");
  EXPECT_TRUE(there.has_right_checksum());
}

TEST_P(Relaying, M1_payloads_of_every_size_keep_a_right_checksum) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  std::string payload;
  for (int i = 0; i < 70; ++i) {
    const Outcome there = site.deliver(site.channel_frame(flow, payload));
    const Outcome back = site.deliver(site.peer_frame(flow, payload));
    ASSERT_EQ(there.payload(), payload);
    ASSERT_TRUE(there.has_right_checksum()) << i;
    ASSERT_TRUE(back.has_right_checksum()) << i;
    payload += static_cast<char>(0xf0 + i % 16);
  }
}

TEST_P(Relaying, M1_relays_between_ipv4_and_ipv6_both_ways) {
  Site site(options());
  const std::array flows{site.make_flow(1, Site::kServer6, 4), site.make_flow(2, Site::kServer, 6),
                         site.make_flow(3, Site::kServer6, 6)};
  for (const Flow& flow : flows) {
    const Outcome there = site.deliver(site.channel_frame(flow, "six!!"));
    ASSERT_EQ(there.fate, Fate::send);
    EXPECT_EQ(there.from(), flow.relay);
    EXPECT_EQ(there.to(), flow.peer);
    EXPECT_EQ(there.payload(), "six!!");
    EXPECT_TRUE(there.has_right_checksum());
    const Outcome back = site.deliver(site.peer_frame(flow, "four!"));
    ASSERT_EQ(back.fate, Fate::send);
    EXPECT_EQ(back.to(), flow.client);
    EXPECT_EQ(back.payload(), channel_data(flow.channel, "four!"));
    EXPECT_TRUE(back.has_right_checksum());
  }
}

TEST_P(Relaying, M1_a_datagram_without_checksum_keeps_none_over_ipv4_and_gets_one_over_ipv6) {
  Site site(options());
  const Flow v4 = site.make_flow(1);
  std::string frame = site.channel_frame(v4, "none");
  store_be16(&frame[14 + 20 + 6], 0);
  const Outcome there = site.deliver(frame);
  ASSERT_EQ(there.fate, Fate::send);
  EXPECT_EQ(load_be16(&there.frame[14 + 20 + 6]), 0);
  const Flow v6 = site.make_flow(2, Site::kServer, 6);
  frame = site.channel_frame(v6, "none");
  store_be16(&frame[14 + 20 + 6], 0);
  const Outcome across = site.deliver(frame);
  ASSERT_EQ(across.fate, Fate::send);
  EXPECT_TRUE(across.has_right_checksum());
}

TEST_P(Relaying, M1_a_wrong_checksum_stays_wrong) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  std::string frame = site.channel_frame(flow, "spoilt");
  frame.back() = static_cast<char>(frame.back() ^ 1);
  const Outcome there = site.deliver(frame);
  ASSERT_EQ(there.fate, Fate::send);
  EXPECT_FALSE(there.has_right_checksum());
}

TEST_P(Relaying, M1_a_permitted_address_without_a_channel_gets_a_data_indication) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  Endpoint other = flow.peer;
  other.port = 999;
  for (const std::string payload : {"", "1", "22", "333", "4444"}) {
    const Outcome back = site.deliver(Site::frame(other, flow.relay, payload));
    ASSERT_EQ(back.fate, Fate::send);
    EXPECT_TRUE(back.has_right_checksum());
    const std::string octets = back.payload();
    stun::Message message;
    ASSERT_EQ(stun::parse(as_bytes(octets), message), stun::Malformed::none);
    EXPECT_TRUE(message.is(stun::Method::data, stun::Class::indication));
    EXPECT_EQ(as_text(*message.find_value(stun::Type::data)), payload);
    EXPECT_EQ(stun::read_xor_address(*message.find_value(stun::Type::xor_peer_address),
                                     message.transaction),
              other);
  }
}

TEST_P(Relaying, M1_a_send_indication_goes_out_as_a_datagram) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  Endpoint other = flow.peer;
  other.port = 999;
  for (const std::string payload : {"", "1", "22", "333", "4444"}) {
    const Outcome there = site.deliver(
        Site::frame(flow.client, flow.server, send_indication(other, payload, false), 0));
    ASSERT_EQ(there.fate, Fate::send);
    EXPECT_EQ(there.to(), other);
    EXPECT_EQ(there.from(), flow.relay);
    EXPECT_EQ(there.payload(), payload);
    EXPECT_TRUE(there.has_right_checksum());
    EXPECT_EQ(load_be16(&there.frame[14 + 6]), 0) << "may be cut, as it came";
  }
  const Outcome whole =
      site.deliver(Site::frame(flow.client, flow.server, send_indication(other, "whole", true), 0));
  EXPECT_EQ(load_be16(&whole.frame[14 + 6]), ip::kIpv4DontFragment);
  EXPECT_EQ(site.server.requests, 0);
}

TEST_P(Relaying, M1_nothing_passes_without_a_permission_or_a_channel) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  Endpoint stranger = flow.peer;
  stranger.address = to_ip("31.0.0.1");
  EXPECT_EQ(site.deliver(Site::frame(stranger, flow.relay, "in")).reason, Reason::no_permission);
  EXPECT_EQ(site.deliver(Site::frame(flow.client, flow.server, channel_data(0x4002, "out"))).reason,
            Reason::no_channel);
  EXPECT_EQ(
      site.deliver(Site::frame(flow.client, flow.server, send_indication(stranger, "out", false)))
          .reason,
      Reason::no_permission);
  Endpoint free = flow.relay;
  free.port = static_cast<uint16_t>(free.port ^ 1);
  EXPECT_EQ(site.deliver(Site::frame(flow.peer, free, "in")).reason, Reason::no_session);
  Endpoint other = flow.client;
  ++other.port;
  EXPECT_EQ(site.deliver(Site::frame(other, flow.server, channel_data(0x4001, "out"))).reason,
            Reason::unauthenticated);
  EXPECT_EQ(site.sessions(flow.worker).details(flow.session).refused, 3u);
  EXPECT_EQ(site.count_dropped(Reason::no_permission), 2u);
}

TEST_P(Relaying, M1_permissions_last_300_s_and_channels_600_s_unless_refreshed) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  site.sessions(flow.worker).set_expiry(flow.session, site.now() + 3600s);
  site.pass(299s);
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).fate, Fate::send);
  site.pass(1s);
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).reason, Reason::no_permission);
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).fate, Fate::send);
  site.bind(flow, flow.channel, flow.peer);
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).fate, Fate::send);
  site.pass(601s);
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).reason, Reason::no_channel);
  EXPECT_EQ(site.sessions(flow.worker).record(flow.session).peers, 0u);
}

TEST_P(Relaying, M1_requests_reach_the_server_and_its_answer_goes_back) {
  Site site(options());
  const Endpoint client{to_ip("20.1.2.3"), 5000};
  const Endpoint server{to_ip(Site::kServer), 3478};
  const std::string request("\0\1\0\0 a binding..", 16);
  const Outcome back = site.deliver(Site::frame(client, server, request));
  ASSERT_EQ(back.fate, Fate::send);
  EXPECT_EQ(back.from(), server);
  EXPECT_EQ(back.to(), client);
  EXPECT_EQ(back.payload(), request);
  EXPECT_TRUE(back.has_right_checksum());
  EXPECT_EQ(back.view().destination_mac, kClientMac);
  EXPECT_EQ(site.server.last_session, kNone);
  const Flow flow = site.make_flow(1);
  (void)site.deliver(Site::frame(flow.client, flow.server, request));
  EXPECT_EQ(site.server.last_session, flow.session);
}

TEST_P(Relaying, M1_a_tagged_realm_is_served_and_answered_untagged_to_the_edge) {
  Site site(options());
  const Flow flow = site.make_flow(1, Site::kInside);
  const Outcome there = site.deliver(site.channel_frame(flow, "from inside"));
  ASSERT_EQ(there.fate, Fate::send);
  EXPECT_EQ(there.realm, 0);
  EXPECT_EQ(there.payload(), "from inside");
  EXPECT_TRUE(there.has_right_checksum());
  const Outcome back = site.deliver(site.peer_frame(flow, "to inside"));
  ASSERT_EQ(back.fate, Fate::send);
  EXPECT_EQ(back.realm, 1);
  EXPECT_EQ(back.view().dscp, 34);
  EXPECT_FALSE(back.view().tagged);
}

TEST_P(Relaying, M1_messages_of_front_are_relayed_and_data_goes_back_to_its_connection) {
  Site site(options());
  const Flow flow = site.make_flow(1, Site::kServer, 4, 77);
  const Outcome there = site.deliver_framed(flow, channel_data(flow.channel, "by TLS"), 77);
  ASSERT_EQ(there.fate, Fate::send);
  EXPECT_EQ(there.from(), flow.relay);
  EXPECT_EQ(there.payload(), "by TLS");
  EXPECT_TRUE(there.has_right_checksum());
  const Outcome back = site.deliver(site.peer_frame(flow, "and back"));
  ASSERT_EQ(back.fate, Fate::front);
  EXPECT_EQ(back.connection, 77u);
  EXPECT_EQ(back.frame, channel_data(flow.channel, "and back"));
  const Outcome answer = site.deliver_framed(flow, std::string("\0\1\0\0", 4), 77);
  EXPECT_EQ(answer.fate, Fate::front);
  EXPECT_EQ(site.server.last_session, flow.session);
}

TEST_P(Relaying, M5_two_clients_meet_at_our_relay_ports_without_leaving_the_box) {
  for (const std::string public_address : {"", "11.0.0.9"}) {
    Options chosen = options();
    chosen.public_address = public_address;
    Site site(chosen);
    const Flow a = site.make_flow(1);
    const Flow b = site.make_flow(2);
    const auto seen = [&](const Endpoint& relay) {
      return public_address.empty() ? relay : Endpoint{to_ip(public_address), relay.port};
    };
    site.bind(a, 0x4005, seen(b.relay));
    const std::string data = channel_data(0x4005, "hello");
    EXPECT_EQ(site.deliver(Site::frame(a.client, a.server, data)).reason, Reason::no_permission);
    site.bind(b, 0x4006, seen(a.relay));
    const Outcome there = site.deliver(Site::frame(a.client, a.server, data));
    ASSERT_EQ(there.fate, Fate::send);
    EXPECT_EQ(there.to(), b.client);
    EXPECT_EQ(there.payload(), channel_data(0x4006, "hello"));
    EXPECT_TRUE(there.has_right_checksum());
    // To a port that nobody holds, nothing.
    Endpoint nobody = seen(b.relay);
    while (nobody.port == a.relay.port || nobody.port == b.relay.port) {
      nobody.port = static_cast<uint16_t>(50000 + (nobody.port + 1) % 200);
    }
    site.bind(a, 0x4007, nobody);
    EXPECT_EQ(site.deliver(Site::frame(a.client, a.server, channel_data(0x4007, "x"))).reason,
              Reason::no_session);
  }
}

TEST_P(Relaying, M5_a_published_denial_stops_a_running_flow) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  ASSERT_EQ(site.deliver(site.channel_frame(flow, "out")).fate, Fate::send);
  site.options.rules = {{*Prefix::parse("30.0.0.0/8"), 0}};
  site.publish();
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).reason, Reason::peer_denied);
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).reason, Reason::no_permission);
  site.options.rules.clear();
  site.publish();
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).reason, Reason::no_permission);
}

TEST_P(Relaying, M7_a_publish_that_leaves_its_places_leaves_a_session) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  site.options.rules = {{*Prefix::parse("31.0.0.0/8"), 0}};
  site.options.addresses = 3;
  site.publish();
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).fate, Fate::send);
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).fate, Fate::send);
  site.options.outside = "elsewhere";
  site.publish();
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).reason, Reason::no_session);
  EXPECT_EQ(site.sessions(flow.worker).size(), 0u);
}

TEST_P(Relaying, M7_a_session_ends_when_its_listener_is_gone) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  site.options.serves = false;
  site.publish();
  EXPECT_EQ(site.deliver(site.peer_frame(flow, "in")).reason, Reason::no_session);
  EXPECT_EQ(site.sessions(flow.worker).size(), 0u);
}

TEST_P(Relaying, M1_a_next_hop_that_is_not_known_is_asked_for) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  site.next_hops.is_known = false;
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).reason, Reason::no_neighbour);
  EXPECT_EQ(site.next_hops.asked, 1);
  site.next_hops.learn(0);
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).fate, Fate::send);
  site.next_hops.forget_all();
  site.next_hops.has_routes = false;
  EXPECT_EQ(site.deliver(site.channel_frame(flow, "out")).reason, Reason::no_route);
}

TEST_P(Relaying, M1_what_is_above_the_mtu_is_dropped_unless_it_may_be_cut) {
  Options chosen = options();
  chosen.mtu = 1300;
  Site site(chosen);
  const Flow flow = site.make_flow(1);
  const std::string large(1280, 'x');
  const std::string data = channel_data(flow.channel, large);
  EXPECT_EQ(site.deliver(Site::frame(flow.client, flow.server, data)).reason, Reason::above_mtu);
  EXPECT_EQ(site.deliver(Site::frame(flow.client, flow.server, data, 0)).fate, Fate::send);
  const Flow v6 = site.make_flow(2, Site::kServer, 6);
  EXPECT_EQ(site.deliver(Site::frame(v6.client, v6.server, data, 0)).reason, Reason::above_mtu);
}

TEST_P(Relaying, M1_the_last_hop_is_none_of_ours_to_give) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  std::string frame = site.channel_frame(flow, "old");
  frame[14 + 8] = 1;
  store_be16(&frame[14 + 10], 0);
  store_be16(&frame[14 + 10], ip::checksum(as_bytes(frame).subspan(14, 20)));
  EXPECT_EQ(site.deliver(frame).reason, Reason::time_to_live);
}

TEST_P(Relaying, M6_a_session_sends_no_more_than_its_bandwidth) {
  Options chosen = options();
  chosen.kbps = 80;  // 10,000 octets a second
  Site site(chosen);
  const Flow flow = site.make_flow(1);
  const std::string payload(1000, 'x');
  int sent = 0;
  for (int ms = 0; ms < 10'000; ms += 20) {
    site.pass(20ms);
    sent += site.deliver(site.channel_frame(flow, payload)).fate == Fate::send ? 1 : 0;
  }
  EXPECT_GE(sent, 100);
  EXPECT_LE(sent, 107);
  EXPECT_EQ(site.count_dropped(Reason::bandwidth), 500u - static_cast<unsigned>(sent));
}

TEST_P(Relaying, M1_what_is_unusual_is_left_to_admission) {
  Site site(options());
  const Flow flow = site.make_flow(1);
  const std::string good = site.channel_frame(flow, "x");
  for (const size_t at : {0, 12, 14, 20, 22, 23, 25}) {
    std::string frame = good;
    frame[at] = static_cast<char>(frame[at] ^ 0x11);
    EXPECT_EQ(site.deliver(frame).fate, Fate::other) << at;
  }
  for (size_t size = 0; size < 42; ++size) {
    EXPECT_EQ(site.deliver(good.substr(0, size)).fate, Fate::other) << size;
  }
  const Endpoint elsewhere{to_ip(Site::kServer), 5060};
  EXPECT_EQ(site.deliver(Site::frame(flow.client, elsewhere, "x")).fate, Fate::other);
}

}  // namespace
}  // namespace fedge::media::test
