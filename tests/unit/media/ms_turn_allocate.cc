// MS-TURN: who may ask, and what an Allocate gets ([MS-TURN] 3.3.5.1).
#include <gtest/gtest.h>

#include "tests/unit/media/ms_turn_site.h"

namespace fedge::media {
namespace {

using ms_turn::Kind;
using ms_turn::Type;

TEST(MsTurnAllocate, M2_AStrangerIsToldRealmNonceAndServer) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  const MsAnswer answer = client.be_challenged();
  EXPECT_EQ(answer.error(), 401);
  EXPECT_EQ(answer.message.kind, Kind::allocate_error);
  EXPECT_EQ(answer.message.transaction, client.transaction);
  EXPECT_EQ(answer.text(Type::realm), "example.org");
  EXPECT_FALSE(answer.text(Type::nonce).empty());
  EXPECT_EQ(answer.address(Type::alternate_server), endpoint("11.0.0.1:3478"));
  EXPECT_FALSE(answer.message.has(Type::message_integrity));
  EXPECT_EQ(site.sessions->size(), 0u);
  const MsAnswer roomy = client.ask_plainly(
      [](ms_turn::Writer& w) { w.add_text(Type::implementation_version, std::string(40, 'v')); });
  EXPECT_EQ(roomy.number(Type::ms_version), 2u);
}

TEST(MsTurnAllocate, M2_GivesARelayedAddressAndSaysTheClientsOwn) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  const MsAnswer answer = client.allocate();
  ASSERT_TRUE(answer.is_success()) << answer.error();
  EXPECT_TRUE(client.is_signed(answer));
  EXPECT_EQ(client.relayed.address, ip("11.0.0.1"));
  EXPECT_GE(client.relayed.port, 50000);
  EXPECT_EQ(answer.address(Type::xor_mapped_address), client.address);
  EXPECT_EQ(answer.number(Type::lifetime), 600u);
  EXPECT_EQ(answer.number(Type::ms_version), 2u);
  ASSERT_TRUE(client.has_number);
  EXPECT_EQ(client.number.sequence, 0u);
  ASSERT_NE(client.session(), kNone);
  EXPECT_EQ(site.sessions->record(client.session()).kind, SessionKind::ms_turn);
  EXPECT_EQ(site.sessions->details(client.session()).user, user_hash("bob"));
  EXPECT_STREQ(site.sessions->details(client.session()).user_name.data(), "bob");
}

TEST(MsTurnAllocate, M2_ConnectionsHaveNamesOfTheirOwn) {
  MsTurnSite site;
  MsTurnClient one(site, "8.1.1.1:4000"), two(site, "8.1.1.1:4001");
  ASSERT_TRUE(one.allocate().is_success());
  ASSERT_TRUE(two.allocate().is_success());
  EXPECT_NE(one.number.connection, two.number.connection);
  EXPECT_NE(one.relayed, two.relayed);
}

TEST(MsTurnAllocate, M2_TheSameRequestAgainGetsTheSameAnswer) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  const MsAnswer first = client.allocate();
  const MsAnswer again = client.allocate_again();
  EXPECT_EQ(*first.octets, *again.octets);
  EXPECT_EQ(site.sessions->size(), 1u);
}

struct Missing {
  const char* what;
  int error;
  bool user, realm, nonce, code;
};
class MsTurnRefusals : public testing::TestWithParam<Missing> {};

TEST_P(MsTurnRefusals, M2_WhatIsMissingIsSaid) {
  const Missing& p = GetParam();
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  client.be_challenged();
  std::array<std::byte, 1400> buffer;
  ms_turn::Writer writer(buffer, Kind::allocate_request, client.transaction);
  // As long as what real clients send.
  writer.add_text(Type::implementation_version, std::string(60, 'v'));
  if (p.user) writer.add_text(Type::username, client.user);
  if (p.realm) writer.add_text(Type::realm, client.realm);
  if (p.nonce) writer.add_text(Type::nonce, client.nonce);
  if (p.code) (void)writer.add_integrity(ms_turn::kHmacSha1Size);
  const MsAnswer answer = client.send(writer.written());
  EXPECT_EQ(answer.error(), p.error);
  EXPECT_EQ(answer.text(Type::realm), "example.org");
  EXPECT_FALSE(answer.text(Type::nonce).empty());
  EXPECT_TRUE(answer.message.has(Type::alternate_server));
  EXPECT_FALSE(answer.message.has(Type::message_integrity));
  EXPECT_EQ(site.sessions->size(), 0u);
}
INSTANTIATE_TEST_SUITE_P(All, MsTurnRefusals,
                         testing::Values(Missing{"code", 401, true, true, true, false},
                                         Missing{"user", 432, false, true, true, true},
                                         Missing{"realm", 434, true, false, true, true},
                                         Missing{"nonce", 435, true, true, false, true},
                                         Missing{"right_code", 431, true, true, true, true}),
                         [](const auto& p) { return std::string(p.param.what); });

TEST(MsTurnAllocate, M2_UnknownUsersAndWrongPasswordsGetNothing) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  client.password[0] = static_cast<char>(client.password[0] ^ 1);
  EXPECT_EQ(client.allocate().error(), 431);
  client.user = "bob";
  EXPECT_EQ(client.allocate().error(), 436);
  MsTurnClient other(site, "8.1.1.1:4000");
  other.user[4] = static_cast<char>(other.user[4] ^ 1);  // the key's id
  EXPECT_EQ(other.allocate().error(), 436);
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(MsTurnAllocate, M2_ExpiredCredentialsBeginNothingAndKeepWhatIs) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000"), late(site, "8.1.1.1:4001");
  ASSERT_TRUE(
      client.allocate([](ms_turn::Writer& w) { w.add_number(Type::lifetime, 3600); }).is_success());
  site.limits.nonce_s = 7200;
  site.publish_all();
  site.pass(3599s);
  late.be_challenged();
  ASSERT_TRUE(client.refresh(600).is_success());
  site.pass(2s);
  EXPECT_EQ(late.allocate().error(), 430);
  EXPECT_TRUE(client.refresh(600).is_success());
}

TEST(MsTurnAllocate, M2_AStaleNonceIsReplaced) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(
      client.allocate([](ms_turn::Writer& w) { w.add_number(Type::lifetime, 3600); }).is_success());
  site.pass(700s);
  const MsAnswer answer = client.refresh(600);
  EXPECT_EQ(answer.error(), 438);
  client.nonce = answer.text(Type::nonce);
  EXPECT_TRUE(client.refresh(600).is_success());
}

TEST(MsTurnAllocate, M2_ANonceIsGoodForItsClientOnly) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000"), other(site, "8.1.1.1:4001");
  client.be_challenged();
  other.realm = client.realm;
  other.nonce = client.nonce;
  EXPECT_EQ(other.allocate().error(), 438);
}

TEST(MsTurnAllocate, M2_AnothersAllocationIsNotTouched) {
  MsTurnSite site;
  MsTurnClient bob(site, "8.1.1.1:4000"), eve(site, "8.1.1.1:4000", "eve");
  ASSERT_TRUE(bob.allocate().is_success());
  const MsAnswer answer = eve.allocate();
  EXPECT_EQ(answer.error(), 441);
  EXPECT_TRUE(eve.is_signed(answer));
  EXPECT_EQ(eve.set_active(endpoint("8.8.8.8:1")).error(), 441);
}

TEST(MsTurnAllocate, M2_UnknownAttributesAreNamed) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  const MsAnswer answer = client.allocate([](ms_turn::Writer& w) {
    w.add_flag(static_cast<Type>(0x7777)).add_flag(static_cast<Type>(0x8777));
  });
  EXPECT_EQ(answer.error(), 420);
  EXPECT_EQ(answer.text(Type::unknown_attributes), "\x77\x77");
  EXPECT_TRUE(client.is_signed(answer));
}

TEST(MsTurnAllocate, M2_MalformedValuesAre400) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  EXPECT_EQ(client.allocate([](ms_turn::Writer& w) { w.add_flag(Type::lifetime); }).error(), 400);
  EXPECT_EQ(client.allocate([](ms_turn::Writer& w) { w.add_flag(Type::requested_address_family); })
                .error(),
            400);
}

TEST(MsTurnAllocate, M2_FamiliesAreGivenAsAsked) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000"), other(site, "8.1.1.1:4001");
  const auto family = [](uint32_t f) {
    return [f](ms_turn::Writer& w) { w.add_number(Type::requested_address_family, f << 24); };
  };
  ASSERT_TRUE(client.allocate(family(2)).is_success());
  EXPECT_EQ(client.relayed.address, ip("2600::1"));
  EXPECT_EQ(other.allocate(family(3)).error(), 440);
  site.has_v6_pool = false;
  site.publish_all();
  EXPECT_EQ(other.allocate(family(2)).error(), 440);
}

TEST(MsTurnAllocate, M2_QuotasHold) {
  MsTurnSite site([](TurnSite& s) {
    s.limits.max_sessions_per_user = 2;
    s.limits.max_sessions_per_source = 3;
    s.limits.max_sessions = 4;
  });
  const auto ask = [&](const char* at, const char* user) {
    MsTurnClient client(site, at, user);
    const MsAnswer answer = client.allocate();
    return answer.is_success() ? 0 : answer.error();
  };
  EXPECT_EQ(ask("8.1.1.1:1", "bob"), 0);
  EXPECT_EQ(ask("8.1.1.1:2", "bob"), 0);
  EXPECT_EQ(ask("8.1.1.1:3", "bob"), 486);
  EXPECT_EQ(ask("8.1.1.1:4", "eve"), 0);
  EXPECT_EQ(ask("8.1.1.1:5", "eve"), 486);
  EXPECT_EQ(ask("8.1.1.2:1", "eve"), 0);
  EXPECT_EQ(ask("8.1.1.3:1", "kim"), 508);
}

TEST(MsTurnAllocate, M2_WithoutPortsItIs508) {
  MsTurnSite site([](TurnSite& s) { s.last_port = 50001; });
  MsTurnClient one(site, "8.1.1.1:1"), two(site, "8.1.1.1:2"), three(site, "8.1.1.1:3");
  EXPECT_TRUE(one.allocate().is_success());
  EXPECT_TRUE(two.allocate().is_success());
  EXPECT_EQ(three.allocate().error(), 508);
  EXPECT_TRUE(one.refresh(0).is_success());
  EXPECT_TRUE(three.allocate().is_success());
}

TEST(MsTurnAllocate, M2_ADrainingBoxSendsElsewhere) {
  MsTurnSite site([](TurnSite& s) {
    s.limits.draining = 1;
    s.alternates = {endpoint("12.0.0.1:3478")};
  });
  MsTurnClient client(site, "8.1.1.1:4000");
  const MsAnswer answer = client.allocate();
  EXPECT_EQ(answer.error(), 300);
  EXPECT_EQ(answer.address(Type::alternate_server), endpoint("12.0.0.1:3478"));
  EXPECT_TRUE(client.is_signed(answer));
}

// --- lifetime ------------------------------------------------------------------------------------

TEST(MsTurnAllocate, M2_EndsWithItsLifetime) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  site.pass(599s);
  EXPECT_NE(client.session(), kNone);
  site.pass(2s);
  EXPECT_EQ(client.session(), kNone);
}

TEST(MsTurnAllocate, M2_AnAllocateOnItRefreshesItsPeersToo) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  const Endpoint peer = endpoint("8.8.8.8:7000"), active = endpoint("8.8.4.4:7000");
  ASSERT_TRUE(client.allocate().is_success());
  ASSERT_EQ(client.send_to(peer, "hello").fate, Fate::send);
  ASSERT_TRUE(client.set_active(active).is_success());
  site.pass(500s);
  const MsAnswer answer = client.refresh(1200);
  ASSERT_TRUE(answer.is_success()) << answer.error();
  EXPECT_EQ(answer.number(Type::lifetime), 1200u);
  EXPECT_EQ(answer.address(Type::mapped_address), client.relayed);
  site.pass(1100s);
  const Endpoint relay{ip("9.9.9.1"), client.relayed.port};
  EXPECT_EQ(site.deliver(peer, relay, "late").fate, Fate::send);
  EXPECT_EQ(site.deliver(active, relay, "late").payload(), "late");
  EXPECT_EQ(client.deliver("\x80 data").to(), active);
  site.pass(101s);
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(MsTurnAllocate, M2_LifetimesAreBounded) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  EXPECT_EQ(client.refresh(1).number(Type::lifetime), 600u);
  EXPECT_EQ(client.refresh(100'000).number(Type::lifetime), 3600u);
}

TEST(MsTurnAllocate, M2_LifetimeZeroGivesItBack) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  const MsAnswer answer = client.refresh(0);
  EXPECT_TRUE(answer.is_success());
  EXPECT_EQ(answer.number(Type::lifetime), 0u);
  EXPECT_TRUE(client.is_signed(answer));
  EXPECT_EQ(site.sessions->size(), 0u);
  EXPECT_EQ(client.refresh(0).error(), 437);
}

TEST(MsTurnAllocate, M2_ARefreshNeedsNoNumber) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  client.has_number = false;
  EXPECT_TRUE(client.refresh(900).is_success());
}

// --- strangers -----------------------------------------------------------------------------------

// The shortest of real clients' requests, libnice's, has room for a realm of 25.
TEST(MsTurnAllocate, M2_NothingIsAmplified) {
  for (const size_t realm_size : {1u, 11u, 25u, 60u}) {
    MsTurnSite site([&](TurnSite& s) { s.turn_realm = std::string(realm_size, 'r'); });
    for (const size_t more : {0u, 4u, 10u, 40u, 100u}) {
      MsTurnClient client(site, "8.1.1.1:4000");
      std::array<std::byte, 200> buffer;
      ms_turn::Writer writer(buffer, Kind::allocate_request, client.transaction);
      writer.add_text(Type::candidate_identifier, std::string(more, 'c'));
      const size_t asked = writer.written().size();
      const MsAnswer answer = client.send(writer.written());
      EXPECT_LE(answer.octets->size(), largest_answer(asked, true)) << realm_size << " " << more;
      if (asked >= 36 && realm_size <= 25) {
        EXPECT_EQ(answer.error(), 401) << realm_size << " " << more;
      }
    }
  }
}

TEST(MsTurnAllocate, M2_StrangersGetSoManyAnswersAndNoState) {
  MsTurnSite site([](TurnSite&) {}, {.at_once = 5, .per_second = 1});
  int answers = 0;
  for (uint16_t port = 1; port <= 100; ++port) {
    MsTurnClient client(site, "8.1.1.1:4000");
    client.address.port = port;
    answers += client.ask_plainly().arrived() ? 1 : 0;
  }
  EXPECT_EQ(answers, 5);
  EXPECT_EQ(site.ms_turn.counts().limited, 95u);
  EXPECT_EQ(site.sessions->mark(), 0u);
}

TEST(MsTurnAllocate, M2_WhatIsMalformedIsNotAnswered) {
  MsTurnSite site;
  MsTurnClient client(site, "8.1.1.1:4000");
  client.allocate();
  std::string octets = client.send_octets(endpoint("8.8.8.8:1"), "data");
  octets.pop_back();
  EXPECT_EQ(client.deliver(octets).reason, Reason::malformed_stun);
  // An answer is no request.
  std::array<std::byte, 100> buffer;
  const ms_turn::Writer writer(buffer, Kind::allocate_response, client.transaction);
  EXPECT_EQ(client.send(writer.written()).reason, Reason::malformed_stun);
}

}  // namespace
}  // namespace fedge::media
