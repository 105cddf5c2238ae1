#include "firmware/pki/tls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/pki/session.h"

namespace fedge::pki {
namespace {

using snapshot::ClientCertificate;
using Names = std::vector<std::string>;

class Tls : public testing::Test {
 protected:
  ContextPlan box_plan() const {
    return {.certificates = {{box}}, .trust = authority.certificate()};
  }
  ContextPlan partner_plan() const {
    return {.certificates = {{partner}}, .trust = authority.certificate()};
  }

  Authority authority{"Test CA"};
  Authority::Pair box = authority.issue("sip.example.com", "DNS:SIP.example.com", "rsa:2048");
  Authority::Pair partner =
      authority.issue("ignored.example", "DNS:sip.partner.example,DNS:Partner.example");
};

TEST_F(Tls, T2_MutualHandshakeGivesTheNamesWhateverTheCuts) {
  const auto server = make_context(box_plan());
  for (const size_t cut : {size_t{1}, size_t{7}, size_t{1000}, size_t{1} << 20}) {
    Session session(server, make_context(partner_plan()), "sip.example.com");
    session.run(cut);
    ASSERT_TRUE(session.both_open()) << session.server->failure() << session.client->failure();
    EXPECT_EQ(session.server->peer_names(), (Names{"sip.partner.example", "partner.example"}));
    EXPECT_EQ(session.client->peer_names(), (Names{"sip.example.com"}));
    EXPECT_TRUE(session.server->peer_verified());
    EXPECT_EQ(session.server->version(), "TLSv1.2");
    EXPECT_EQ(session.server->ciphersuite(), "ECDHE-RSA-AES128-GCM-SHA256");
    const std::string big(100'000, 'x');
    ASSERT_TRUE(session.client->send(as_bytes(big), session.to_server));
    ASSERT_TRUE(session.server->send(as_bytes("answer"), session.to_client));
    session.run(cut);
    EXPECT_EQ(session.server_got, big);
    EXPECT_EQ(session.client_got, "answer");
    session.client->close_notify(session.to_server);
    EXPECT_FALSE(session.client->send(as_bytes("late"), session.to_server));
    session.run(cut);
    EXPECT_EQ(session.server->state(), TlsState::closed);
  }
}

TEST_F(Tls, T2_WhatWasSentBeforeTheCloseStillArrives) {
  Session session(make_context(box_plan()), make_context(partner_plan()), "sip.example.com");
  session.run();
  const std::string text(50'000, 'y');
  ASSERT_TRUE(session.client->send(as_bytes(text), session.to_server));
  session.client->close_notify(session.to_server);
  session.run();
  EXPECT_EQ(session.server_got, text);
  EXPECT_EQ(session.server->state(), TlsState::closed);
}

TEST_F(Tls, T2_ASecondHandshakeResumesAndKeepsTheNames) {
  const auto server = make_context(box_plan());
  const auto client = make_context(partner_plan());
  Session first(server, client, "sip.example.com");
  first.run();
  ASSERT_TRUE(first.both_open());
  EXPECT_FALSE(first.server->resumed());
  Session second(server, client, "sip.example.com");
  second.run();
  ASSERT_TRUE(second.both_open()) << second.server->failure();
  EXPECT_TRUE(second.server->resumed());
  EXPECT_TRUE(second.client->resumed());
  EXPECT_TRUE(second.server->peer_verified());
  EXPECT_EQ(second.server->peer_names(), first.server->peer_names());
  EXPECT_EQ(second.client->peer_names(), first.client->peer_names());
}

TEST_F(Tls, T2_AnotherContextDoesNotResumeWhatItDidNotVerify) {
  const auto client = make_context(partner_plan());
  Session first(make_context(box_plan()), client, "sip.example.com");
  first.run();
  Session second(make_context(box_plan()), client, "sip.example.com");
  second.run();
  ASSERT_TRUE(second.both_open());
  EXPECT_FALSE(second.server->resumed());
}

TEST_F(Tls, T2_AClientCertificateCanBeLeftOut) {
  auto plan = box_plan();
  plan.client_certificate = ClientCertificate::none;
  Session session(make_context(plan), make_context(partner_plan()), "sip.example.com");
  session.run();
  ASSERT_TRUE(session.both_open());
  EXPECT_FALSE(session.server->peer_verified());
  EXPECT_TRUE(session.server->peer_names().empty());
}

TEST_F(Tls, T2_AnOptionalCertificateThatIsNotTrustedNamesNobody) {
  Authority stranger("Another CA");
  auto plan = box_plan();
  plan.client_certificate = ClientCertificate::optional;
  auto other = partner_plan();
  other.certificates = {{stranger.issue("sip.partner.example", "")}};
  Session session(make_context(plan), make_context(other), "sip.example.com");
  session.run();
  ASSERT_TRUE(session.both_open());
  EXPECT_FALSE(session.server->peer_verified());
  EXPECT_TRUE(session.server->peer_names().empty());
}

TEST_F(Tls, T3_TheCommonNameCountsOnlyWithoutAlternativeNames) {
  auto plan = partner_plan();
  plan.certificates = {{authority.issue("CUP.partner.example", "")}};
  Session session(make_context(box_plan()), make_context(plan), "sip.example.com");
  session.run();
  ASSERT_TRUE(session.both_open());
  EXPECT_EQ(session.server->peer_names(), (Names{"cup.partner.example"}));
}

TEST_F(Tls, T3_AnAddressIsLookedUpAmongTheAddresses) {
  auto plan = box_plan();
  plan.certificates = {{authority.issue("10.0.0.1", "IP:10.0.0.1,IP:fd00::1")}};
  for (const auto& [name, good] :
       {std::pair{"10.0.0.1", true}, {"fd00:0::1", true}, {"10.0.0.2", false}}) {
    Session session(make_context(plan), make_context(partner_plan()), name);
    session.run();
    EXPECT_EQ(session.both_open(), good) << name << session.client->failure();
  }
}

TEST_F(Tls, T2_OnlyTheSuitesOfTheContextAreUsed) {
  auto plan = box_plan();
  plan.suites = {"ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"};
  Session session(make_context(plan), make_context(partner_plan()), "sip.example.com");
  session.run();
  ASSERT_TRUE(session.both_open());
  EXPECT_EQ(session.client->ciphersuite(), "ECDHE-RSA-AES256-GCM-SHA384");
  auto other = partner_plan();
  other.suites = {"ECDHE-RSA-AES128-GCM-SHA256"};
  Session apart(make_context(plan), make_context(other), "sip.example.com");
  apart.run();
  EXPECT_FALSE(apart.both_open());
  EXPECT_NE(apart.server->failure().find("ciphersuite"), std::string::npos)
      << apart.server->failure();
  EXPECT_NE(apart.client->failure().find("in common"), std::string::npos)
      << apart.client->failure();
}

TEST_F(Tls, C3_ASuccessorServesFromItsTimeAndOldStreamsGoOn) {
  const WallTime now = now_wall();
  const WallTime then = now + std::chrono::hours(1);
  auto plan = box_plan();
  plan.certificates = {{box},
                       {authority.issue("sip.example.com", "DNS:sip.example.com,DNS:new.example"),
                        then.time_since_epoch().count()}};
  const auto server = make_context(plan);
  const auto client = make_context(partner_plan());
  Session before(server, client, "sip.example.com", now);
  before.run();
  EXPECT_EQ(before.client->peer_names(), (Names{"sip.example.com"}));
  Session after(server, make_context(partner_plan()), "sip.example.com", then);
  after.run();
  EXPECT_EQ(after.client->peer_names(), (Names{"sip.example.com", "new.example"}));
  ASSERT_TRUE(before.server->send(as_bytes("still here"), before.to_client));
  before.run();
  EXPECT_EQ(before.client_got, "still here");
}

// Signalling workers are threads: full and resumed handshakes at once, before and after a
// successor came into force. The thread sanitizer looks on.
TEST_F(Tls, T2_ThreadsShareAContext) {
  const WallTime now = now_wall();
  const WallTime then = now + std::chrono::hours(1);
  auto plan = box_plan();
  plan.certificates.push_back({box, then.time_since_epoch().count()});
  const auto server = make_context(plan);
  const auto client = make_context(partner_plan());
  std::atomic<int> open = 0;
  constexpr int kEach = 8;
  const auto shake_hands = [&] {
    for (int i = 0; i < kEach; ++i) {
      Session session(server, client, "sip.example.com", i % 2 == 0 ? now : then);
      session.run();
      if (session.both_open() && session.client->peer_names() == Names{"sip.example.com"}) ++open;
    }
  };
  std::thread other(shake_hands);
  shake_hands();
  other.join();
  EXPECT_EQ(open, 2 * kEach);
}

TEST_F(Tls, T2_ABadContextIsRefusedWhenItIsMade) {
  const auto reason = [](const ContextPlan& plan) {
    const auto made = try_context(plan);
    return made ? std::string("accepted") : made.error().text();
  };
  auto plan = box_plan();
  plan.forget_key = true;
  EXPECT_NE(reason(plan).find("key is missing"), std::string::npos) << reason(plan);
  plan = box_plan();
  plan.certificates[0].pair.key = partner.key;
  EXPECT_NE(reason(plan).find("another certificate"), std::string::npos) << reason(plan);
  plan = box_plan();
  plan.trust.clear();
  EXPECT_NE(reason(plan).find("trusts no CA"), std::string::npos) << reason(plan);
}

TEST(T2, SuitesHaveOneNumberEach) {
  EXPECT_EQ(ciphersuite_number("ECDHE-RSA-AES128-GCM-SHA256"), 0xc02f);
  EXPECT_EQ(ciphersuite_number("NULL-MD5"), 0);
  for (const auto& name : ciphersuite_names()) EXPECT_NE(ciphersuite_number(name), 0) << name;
}

}  // namespace
}  // namespace fedge::pki
