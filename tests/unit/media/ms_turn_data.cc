// MS-TURN: what goes to peers and comes from them, and in what form ([MS-TURN] 3.3.5.2, 3.3.5.3).
#include <gtest/gtest.h>

#include "tests/unit/media/ms_turn_site.h"

namespace fedge::media {
namespace {

using ms_turn::Kind;
using ms_turn::Type;
using test::Outcome;

const Endpoint kPeer = endpoint("8.8.8.8:7000");
const Endpoint kOther = endpoint("8.8.4.4:7000");

struct Pair {
  explicit Pair(const std::function<void(TurnSite&)>& change = [](TurnSite&) {}) : site(change) {
    if (!client.allocate().is_success()) std::abort();
    relay = {ip("9.9.9.1"), client.relayed.port};
  }
  // What the client gets of a peer's datagram; empty: nothing.
  std::string from(const Endpoint& peer, std::string_view payload) {
    last = site.deliver(peer, relay, payload);
    return last.fate == Fate::send ? last.payload() : std::string();
  }
  MsTurnSite site;
  MsTurnClient client{site, "8.1.1.1:4000"};
  Endpoint relay;
  Outcome last{};
};

// What a Data indication says.
struct Indication {
  Endpoint remote;
  std::string data;
  explicit Indication(std::string_view octets) {
    ms_turn::Message message;
    if (ms_turn::parse(as_bytes(octets), message) != ms_turn::Malformed::none) return;
    if (message.kind != Kind::data_indication) return;
    remote = stun::read_address(*message.find_value(Type::remote_address)).value_or(Endpoint{});
    data = as_text(*message.find_value(Type::data));
  }
};

TEST(MsTurnData, M2_ASendCarriesDataAndPermitsItsPeer) {
  Pair pair;
  EXPECT_EQ(pair.from(kPeer, "too early"), "");
  EXPECT_EQ(pair.last.reason, Reason::no_permission);
  for (const std::string data : {"even", "odd length", "x", ""}) {
    const Outcome out = pair.client.send_to(kPeer, data);
    ASSERT_EQ(out.fate, Fate::send) << data << text(out.reason);
    EXPECT_EQ(out.payload(), data);
    EXPECT_EQ(out.from(), pair.relay);
    EXPECT_EQ(out.to(), kPeer);
    EXPECT_TRUE(out.has_right_checksum()) << data;
  }
  const Indication got(pair.from(kPeer, "answer"));
  EXPECT_EQ(got.remote, kPeer);
  EXPECT_EQ(got.data, "answer");
  EXPECT_EQ(pair.last.to(), pair.client.address);
  EXPECT_TRUE(pair.last.has_right_checksum());
  // By address, whatever the port (RFC 8656 section 9, too).
  EXPECT_EQ(Indication(pair.from(endpoint("8.8.8.8:7001"), "more")).remote.port, 7001);
  EXPECT_EQ(pair.from(kOther, "stranger"), "");
}

// A user's name of odd size moves the data to an odd place.
TEST(MsTurnData, M2_ChecksumsHoldWhereverTheDataLies) {
  for (const char* user : {"bob", "alice"}) {
    MsTurnSite site;
    MsTurnClient client(site, "8.1.1.1:4000", user);
    ASSERT_TRUE(client.allocate().is_success());
    for (const char* data : {"12", "123", "\xff\xfe\xfd"}) {
      const Outcome out = client.send_to(kPeer, data);
      EXPECT_EQ(out.payload(), data);
      EXPECT_TRUE(out.has_right_checksum()) << user << data;
    }
  }
}

TEST(MsTurnData, M2_SendsAreTakenFromTheirSenderOnly) {
  Pair pair;
  std::string octets = pair.client.send_octets(kPeer, "data");
  octets.back() = static_cast<char>(octets.back() ^ 1);
  EXPECT_EQ(pair.client.deliver(octets).reason, Reason::unauthenticated);
  const std::string right = pair.client.send_octets(kPeer, "data");
  EXPECT_EQ(pair.site.deliver(endpoint("8.1.1.2:4000"), pair.client.server, right).reason,
            Reason::unauthenticated);
  EXPECT_EQ(pair.from(kPeer, "nobody"), "");
  EXPECT_EQ(pair.client.deliver(right).fate, Fate::send);
}

TEST(MsTurnData, M2_ANumberIsTakenOnce) {
  Pair pair;
  const std::string first = pair.client.send_octets(kPeer, "1");
  const std::string second = pair.client.send_octets(kPeer, "2");
  // One overtakes the other.
  EXPECT_EQ(pair.client.deliver(second).fate, Fate::send);
  EXPECT_EQ(pair.client.deliver(first).fate, Fate::send);
  EXPECT_EQ(pair.client.deliver(first).reason, Reason::replayed);
  EXPECT_EQ(pair.client.deliver(second).reason, Reason::replayed);
  // What comes later than 64 others is too late.
  const std::string late = pair.client.send_octets(kPeer, "late");
  for (int i = 0; i < 64; ++i) (void)pair.client.send_to(kPeer, "x");
  EXPECT_EQ(pair.client.deliver(late).reason, Reason::replayed);
  // So is another connection's.
  pair.client.number.connection[0] ^= std::byte{1};
  EXPECT_EQ(pair.client.send_to(kPeer, "x").reason, Reason::replayed);
}

TEST(MsTurnData, M2_NumbersGoAroundAndMayLeap) {
  Pair pair;
  pair.client.number.sequence = 0x7fff'fff0;
  EXPECT_EQ(pair.client.send_to(kPeer, "leap").fate, Fate::send);
  pair.client.number.sequence = 0xe000'0000;
  EXPECT_EQ(pair.client.send_to(kPeer, "leap").fate, Fate::send);
  pair.client.number.sequence = 0xffff'fffe;
  EXPECT_EQ(pair.client.send_to(kPeer, "last").fate, Fate::send);
  EXPECT_EQ(pair.client.send_to(kPeer, "zero").fate, Fate::send);
  EXPECT_EQ(pair.client.number.sequence, 0u);
}

TEST(MsTurnData, M2_ASendNeedsNoNumber) {
  Pair pair;
  EXPECT_EQ(pair.client.deliver(pair.client.send_octets(kPeer, "old", false)).fate, Fate::send);
}

TEST(MsTurnData, M5_DeniedPeersAreNone) {
  Pair pair;
  for (const char* peer : {"127.0.0.1:1", "10.0.0.1:1", "169.254.169.254:80", "9.9.9.1:3478",
                           "224.0.0.1:1", "[::ffff:8.8.8.8]:1"}) {
    const Endpoint denied = endpoint(peer);
    const Outcome out = pair.client.send_to(denied, "data");
    EXPECT_EQ(out.fate, Fate::drop) << peer;
    EXPECT_FALSE(pair.client.set_active(denied).is_success()) << peer;
  }
  EXPECT_EQ(pair.client.set_active(endpoint("10.0.0.1:1")).error(), 403);
  EXPECT_EQ(pair.site.sessions->record(pair.client.session()).peers, 0u);
}

TEST(MsTurnData, M5_APublishedDenialStopsWhatFlows) {
  Pair pair;
  ASSERT_TRUE(pair.client.set_active(kPeer).is_success());
  EXPECT_EQ(pair.from(kPeer, "flows"), "flows");
  pair.site.rules = {{*Prefix::parse("8.8.8.0/24"), 0}};
  pair.site.publish_all();
  EXPECT_EQ(pair.from(kPeer, "flows"), "");
  EXPECT_EQ(pair.last.reason, Reason::peer_denied);
  EXPECT_EQ(pair.client.deliver("\x80 flows").fate, Fate::drop);
}

TEST(MsTurnData, M2_PeersOfTheOtherFamilyAreRefused) {
  Pair pair;
  const Endpoint v6 = endpoint("[2a00::1]:7000");
  EXPECT_EQ(pair.client.send_to(v6, "data").reason, Reason::no_route);
  EXPECT_EQ(pair.client.set_active(v6).error(), 440);
}

// --- the active destination ----------------------------------------------------------------------

TEST(MsTurnData, M2_DataOfTheActiveDestinationHasNoHead) {
  Pair pair;
  (void)pair.client.send_to(kOther, "check");
  const MsAnswer answer = pair.client.set_active(kPeer);
  ASSERT_TRUE(answer.is_success()) << answer.error();
  EXPECT_TRUE(pair.client.is_signed(answer));
  // RTP, STUN, DTLS, what looks like ChannelData, a single octet: all of it is data now.
  std::string stun("\x00\x01\x00\x00\x21\x12\xa4\x42", 8);
  stun.append(12, 'i');
  for (const std::string& data :
       {std::string("\x80\x60rtp"), stun, std::string("\x16\xfe\xfd dtls"),
        std::string("\x40\x01\x00\x02"
                    "ab",
                    6),
        std::string("\x00", 1)}) {
    const Outcome out = pair.client.deliver(data);
    ASSERT_EQ(out.fate, Fate::send) << text(out.reason);
    EXPECT_EQ(out.payload(), data);
    EXPECT_EQ(out.to(), kPeer);
    EXPECT_EQ(out.from(), pair.relay);
    EXPECT_TRUE(out.has_right_checksum());
    EXPECT_EQ(pair.from(kPeer, data), data);
    EXPECT_TRUE(pair.last.has_right_checksum());
  }
  // Others, and other ports of it, have heads.
  EXPECT_EQ(Indication(pair.from(kOther, "check")).remote, kOther);
  EXPECT_EQ(Indication(pair.from(endpoint("8.8.8.8:7001"), "check")).remote.port, 7001);
  // And are sent to with them.
  EXPECT_EQ(pair.client.send_to(kOther, "more").to(), kOther);
}

TEST(MsTurnData, M2_BeforeThereIsOneDataGoesNowhere) {
  Pair pair;
  (void)pair.client.send_to(kPeer, "check");
  EXPECT_EQ(pair.client.deliver("\x80\x60rtp").reason, Reason::unknown_datagram);
  // But STUN is answered as ever.
  std::string binding("\x00\x01\x00\x00\x21\x12\xa4\x42", 8);
  binding.append(12, 'i');
  const Outcome answer = pair.client.deliver(binding);
  ASSERT_EQ(answer.fate, Fate::send);
  EXPECT_EQ(answer.payload().substr(0, 2), std::string("\x01\x01", 2));
}

TEST(MsTurnData, M2_TheActiveDestinationMayChange) {
  Pair pair;
  ASSERT_TRUE(pair.client.set_active(kPeer).is_success());
  ASSERT_TRUE(pair.client.set_active(kOther).is_success());
  EXPECT_EQ(pair.client.deliver("\x80 data").to(), kOther);
  EXPECT_EQ(pair.from(kOther, "bare"), "bare");
  EXPECT_EQ(Indication(pair.from(kPeer, "framed")).remote, kPeer);
  // Back again, and another port of the same host.
  ASSERT_TRUE(pair.client.set_active(kPeer).is_success());
  const Endpoint port = endpoint("8.8.8.8:7001");
  ASSERT_TRUE(pair.client.set_active(port).is_success());
  EXPECT_EQ(pair.client.deliver("\x80 data").to(), port);
  EXPECT_EQ(pair.from(port, "bare"), "bare");
  EXPECT_EQ(Indication(pair.from(kPeer, "framed")).remote, kPeer);
  // A refused one changes nothing.
  EXPECT_FALSE(pair.client.set_active(endpoint("127.0.0.1:1")).is_success());
  EXPECT_EQ(pair.client.deliver("\x80 data").to(), port);
}

TEST(MsTurnData, M2_ALostAnswerIsGivenAgain) {
  Pair pair;
  const MsAnswer first = pair.client.set_active(kPeer);
  const MsAnswer again = pair.client.set_active_again(kPeer, false);
  EXPECT_EQ(*first.octets, *again.octets);
  // The same number in another request is none.
  pair.client.transaction[9] ^= std::byte{1};
  EXPECT_EQ(pair.client.set_active_again(kOther, false).reason, Reason::replayed);
}

TEST(MsTurnData, M2_ActiveDestinationsNeedAnAllocationAndAnAddress) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  client.be_challenged();
  EXPECT_EQ(client.set_active(kPeer).error(), 437);
  ASSERT_TRUE(client.allocate().is_success());
  const MsAnswer nowhere =
      client.ask(Kind::set_active_destination_request, [](ms_turn::Writer&) {});
  EXPECT_EQ(nowhere.error(), 400);
  EXPECT_EQ(nowhere.message.kind, Kind::set_active_destination_error);
}

TEST(MsTurnData, M2_AnAdoptedSessionGoesOn) {
  Pair pair;
  ASSERT_TRUE(pair.client.set_active(kPeer).is_success());
  pair.site.publish_all();
  EXPECT_EQ(pair.from(kPeer, "bare"), "bare");
  EXPECT_EQ(pair.client.deliver("\x80 data").to(), kPeer);
  EXPECT_TRUE(pair.client.refresh(600).is_success());
}

// --- two clients ---------------------------------------------------------------------------------

TEST(MsTurnData, M2_TwoClientsReachEachOtherInside) {
  Pair pair;
  MsTurnClient other(pair.site, "8.1.1.2:4000", "eve");
  ASSERT_TRUE(other.allocate().is_success());
  // Each to the other's public relayed address.
  EXPECT_EQ(pair.client.send_to(other.relayed, "first").fate, Fate::drop);  // not permitted yet
  const Outcome out = other.send_to(pair.client.relayed, "second");
  ASSERT_EQ(out.fate, Fate::send) << text(out.reason);
  EXPECT_EQ(out.to(), pair.client.address);
  EXPECT_EQ(Indication(out.payload()).remote, other.relayed);
  EXPECT_EQ(Indication(out.payload()).data, "second");
  ASSERT_TRUE(pair.client.set_active(other.relayed).is_success());
  ASSERT_TRUE(other.set_active(pair.client.relayed).is_success());
  EXPECT_EQ(pair.client.deliver("\x80 bare").payload(), "\x80 bare");
  EXPECT_EQ(pair.client.deliver("\x80 bare").to(), other.address);
}

// --- streams -------------------------------------------------------------------------------------

struct MsTurnTcp : testing::Test {
  MsTurnSite site;
  MsTurnClient client{site, "8.1.1.1:4000"};
  MsTurnTcp() { client.connection = 77; }
};

TEST_F(MsTurnTcp, M9_AnAllocationOverTcpOpensATcpPort) {
  ASSERT_TRUE(client.allocate().is_success());
  ASSERT_EQ(site.front.listens.size(), 1u);
  const TcpListen listen = site.front.listens[0];
  EXPECT_EQ(listen.client, 77u);
  EXPECT_EQ(listen.address, Address::of(ip(site.own_v4)));
  EXPECT_EQ(listen.public_address, Address::of(ip(site.public_v4)));
  EXPECT_EQ(listen.port, client.relayed.port);
  EXPECT_EQ(client.relayed.address, ip(site.public_v4));
  EXPECT_TRUE(site.server->name_relays(*site.plan));
  ASSERT_EQ(site.front.names.size(), 1u);
  EXPECT_EQ(site.front.names[0].client, 77u);
  // Nothing of UDP goes through it.
  client.send_to(kPeer, "check");
  const Endpoint relay{ip("9.9.9.1"), client.relayed.port};
  EXPECT_EQ(site.deliver(kPeer, relay, "datagram").fate, Fate::drop);
  ASSERT_TRUE(client.refresh(0).is_success());
  ASSERT_EQ(site.front.unlistens.size(), 2u);
  EXPECT_EQ(site.front.unlistens[1].allocation, listen.allocation);
}

TEST_F(MsTurnTcp, M9_WithoutFrontThereIsNone) {
  ASSERT_TRUE(client.be_challenged().arrived());
  site.front.works = false;
  EXPECT_EQ(client.allocate().error(), 508);
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST_F(MsTurnTcp, M9_ASendGoesToFrontAndPermitsItsPeer) {
  ASSERT_TRUE(client.allocate().is_success());
  const uint64_t allocation = site.front.listens[0].allocation;
  const auto come = [&](const Endpoint& peer, PeerId id) {
    site.server->on_tcp_incoming({allocation, Address::of(peer.address), id, peer.port, 0},
                                 *site.plan, site.now);
  };
  come(kPeer, 1);
  ASSERT_EQ(site.front.drops.size(), 1u);
  EXPECT_EQ(site.front.drops[0].peer, 1u);
  EXPECT_EQ(client.send_to(kPeer, "check").fate, Fate::drop);
  ASSERT_EQ(site.front.sends.size(), 1u);
  const auto& [asked, data] = site.front.sends[0];
  EXPECT_EQ(asked.allocation, allocation);
  EXPECT_EQ(asked.peer_address, Address::of(kPeer.address));
  EXPECT_EQ(asked.peer_port, kPeer.port);
  EXPECT_EQ(asked.is_inside, 0);
  EXPECT_EQ(data, "check");
  come(kPeer, 2);
  ASSERT_EQ(site.front.accepts.size(), 1u);
  EXPECT_EQ(site.front.accepts[0].peer, 2u);
  // A replay, and whoever may not be a peer.
  client.deliver(client.send_octets(endpoint("10.0.0.1:80"), "inside"));
  client.number.sequence -= 2;
  client.send_to(kPeer, "again");
  EXPECT_EQ(site.front.sends.size(), 1u);
}

TEST_F(MsTurnTcp, M9_FrontGivesTheAnswerOfASetActiveDestination) {
  ASSERT_TRUE(client.allocate().is_success());
  EXPECT_FALSE(client.set_active(kPeer).arrived());
  ASSERT_EQ(site.front.actives.size(), 1u);
  const auto& [asked, octets] = site.front.actives[0];
  EXPECT_EQ(asked.allocation, site.front.listens[0].allocation);
  EXPECT_EQ((Endpoint{asked.peer_address.ip(), asked.peer_port}), kPeer);
  ms_turn::Message answer;
  ASSERT_EQ(ms_turn::parse(as_bytes(octets), answer), ms_turn::Malformed::none);
  EXPECT_EQ(answer.kind, ms_turn::Kind::set_active_destination_response);
  // Our own relay ports are reached inside, our listeners are not.
  EXPECT_FALSE(client.set_active({ip(site.public_v4), 50003}).arrived());
  EXPECT_EQ(site.front.actives.back().first.is_inside, 1);
  EXPECT_EQ(client.set_active({ip(site.own_v4), 443}).error(), 403);
  EXPECT_EQ(client.set_active(endpoint("127.0.0.1:80")).error(), 403);
  EXPECT_EQ(site.front.actives.size(), 2u);
}

TEST_F(MsTurnTcp, M5_M9_APublishedDenialDropsWhoIsThere) {
  ASSERT_TRUE(client.allocate().is_success());
  client.send_to(kPeer, "check");
  const uint64_t allocation = site.front.listens[0].allocation;
  const TcpThere there{allocation, Address::of(kPeer.address), 5, 0};
  site.server->on_tcp_there(there, *site.plan);
  EXPECT_TRUE(site.front.drops.empty());
  site.rules = {{*Prefix::parse(kPeer.address.text()), 0}};
  site.publish();
  site.server->on_tcp_there(there, *site.plan);
  ASSERT_EQ(site.front.drops.size(), 1u);
  EXPECT_EQ(site.front.drops[0].peer, 5u);
  // Of an allocation that is over.
  site.server->on_tcp_there({allocation + 1, Address::of(kOther.address), 6, 0}, *site.plan);
  EXPECT_EQ(site.front.drops.size(), 2u);
}

TEST_F(MsTurnTcp, M9_WhatAPeerCarriedIsCounted) {
  ASSERT_TRUE(client.allocate().is_success());
  site.server->on_tcp_closed({site.front.listens[0].allocation, 100, 2000, 5, 0});
  EXPECT_EQ(site.sessions->record(client.session()).traffic[0].bytes, 100u);
  EXPECT_EQ(site.sessions->record(client.session()).traffic[1].bytes, 2000u);
}

}  // namespace
}  // namespace fedge::media
