// Who may ask (RFC 8489 section 9.2), and what strangers get.
#include <gtest/gtest.h>

#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

using stun::Method;
using stun::Type;

TEST(TurnAuthentication, M1_AStrangerIsToldRealmNonceAndAlgorithms) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const Answer answer = client.be_challenged();
  EXPECT_EQ(answer.error(), 401);
  EXPECT_EQ(answer.text(Type::realm), "example.org");
  EXPECT_EQ(stun::read_security_features(answer.text(Type::nonce)), stun::kPasswordAlgorithmsBit);
  EXPECT_TRUE(answer.message.has(Type::password_algorithms));
  EXPECT_FALSE(answer.message.has(Type::message_integrity));
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(TurnAuthentication, M1_BothCodesAndBothAlgorithmsAreTaken) {
  TurnSite site;
  TurnClient old(site, "8.1.1.1:4000"), modern(site, "8.1.1.1:4001");
  modern.wants_sha256 = true;
  const Answer by_md5 = old.allocate();
  ASSERT_TRUE(by_md5.is_success()) << by_md5.error();
  EXPECT_TRUE(by_md5.message.has(Type::message_integrity));
  EXPECT_TRUE(old.is_signed(by_md5));
  const Answer by_sha256 = modern.allocate();
  ASSERT_TRUE(by_sha256.is_success()) << by_sha256.error();
  EXPECT_TRUE(by_sha256.message.has(Type::message_integrity_sha256));
  EXPECT_FALSE(by_sha256.message.has(Type::message_integrity));
  EXPECT_TRUE(modern.is_signed(by_sha256));
  EXPECT_TRUE(modern.refresh(600).is_success());
}

TEST(TurnAuthentication, M1_TimedCredentialsWork) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  client.credentials = pki::make_timed_credentials(site.key, "carol", TurnSite::kWall + 60);
  const Answer answer = client.allocate();
  ASSERT_TRUE(answer.is_success()) << answer.error();
  EXPECT_EQ(site.sessions->details(client.find()).user, user_hash("carol"));
}

TEST(TurnAuthentication, M1_WrongPasswordsUsersAndKeysAre401) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  client.credentials.password = "guess";
  EXPECT_EQ(client.allocate().error(), 401);
  client.credentials = site.credentials("bob");
  client.credentials.username = "bob";
  EXPECT_EQ(client.allocate().error(), 401);
  const pki::Secret other(as_bytes(std::string(pki::kTokenKeySize, 'o')));
  client.credentials = pki::make_credentials(other, TurnSite::kKeyId, "bob", TurnSite::kWall + 60,
                                             std::array<std::byte, pki::kTokenRandomSize>{});
  EXPECT_EQ(client.allocate().error(), 401);
  client.credentials = pki::make_credentials(site.key, 5, "bob", TurnSite::kWall + 60,
                                             std::array<std::byte, pki::kTokenRandomSize>{});
  EXPECT_EQ(client.allocate().error(), 401);
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(TurnAuthentication, M1_CredentialsEnd) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000"), later(site, "8.1.1.1:4001");
  client.credentials = later.credentials = site.credentials("bob", 60);
  ASSERT_TRUE(client.allocate().is_success());
  site.pass(59s);
  EXPECT_TRUE(later.allocate().is_success());
  site.pass(1s);
  TurnClient late(site, "8.1.1.1:4002");
  late.credentials = client.credentials;
  EXPECT_EQ(late.allocate().error(), 401);
  // What began in time goes on.
  EXPECT_TRUE(client.refresh(600).is_success());
}

TEST(TurnAuthentication, M1_ATokenKeyEndsWithItsCertificate) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  client.credentials = site.credentials("bob", 1'000'000);
  site.pass(std::chrono::seconds(100'001));
  EXPECT_EQ(client.allocate().error(), 401);
}

TEST(TurnAuthentication, M1_NobodyGetsInBeforeTheTimeOfDayIsKnown) {
  TurnSite site;
  TurnServer server(*site.sessions, site.quotas, nullptr, {});
  std::array<std::byte, 512> buffer{};
  TurnClient client(site, "8.1.1.1:4000");
  client.be_challenged();
  stun::Writer writer(buffer, Method::allocate, stun::Class::request, client.transaction);
  turn::add_transport(writer, turn::kUdp);
  client.sign(writer);
  Packet packet;
  Request request{packet, MutableBytes(buffer).first(*writer.size())};
  request.room = buffer.size();
  request.server = site.local(site.own_v4);
  request.client = Address::of(client.address.address);
  request.client_port = client.address.port;
  request.session = kNone;
  const size_t size = server.on_stun(request, *site.plan, site.now);
  stun::Message answer;
  ASSERT_EQ(stun::parse(Bytes(buffer).first(size), answer), stun::Malformed::none);
  EXPECT_EQ(stun::read_error_code(*answer.find_value(Type::error_code))->code, 401);
}

TEST(TurnAuthentication, M1_WhatIsMissingBesideTheCodeIs400) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  client.be_challenged();
  const auto with = [&](bool username, bool realm, bool nonce) {
    return client.ask_plainly(Method::allocate, [&](stun::Writer& w) {
      turn::add_transport(w, turn::kUdp);
      if (username) w.add_text(Type::username, client.credentials.username);
      if (realm) w.add_text(Type::realm, client.realm);
      if (nonce) w.add_text(Type::nonce, client.nonce);
      client.seal(w);
    });
  };
  EXPECT_EQ(with(false, true, true).error(), 400);
  EXPECT_EQ(with(true, false, true).error(), 400);
  EXPECT_EQ(with(true, true, false).error(), 400);
  EXPECT_TRUE(with(true, true, true).is_success());
}

// Who takes SHA-256 off the list, to have the weaker one used, is noticed (RFC 8489 section 9.2.1).
TEST(TurnAuthentication, M1_AChangedListOfAlgorithmsIs400) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  client.be_challenged();
  const auto with = [&](const TurnClient::Add& add) {
    return client
        .ask_plainly(Method::allocate,
                     [&](stun::Writer& w) {
                       turn::add_transport(w, turn::kUdp);
                       client.add_credentials(w);
                       add(w);
                       client.seal(w);
                     })
        .error();
  };
  constexpr std::array only_md5{stun::Algorithm::md5};
  constexpr std::array turned{stun::Algorithm::md5, stun::Algorithm::sha256};
  constexpr std::array more{stun::Algorithm::sha256, stun::Algorithm::md5, stun::Algorithm::md5};
  EXPECT_EQ(with([&](stun::Writer& w) {
              w.add_password_algorithms(only_md5).add_password_algorithm(stun::Algorithm::md5);
            }),
            400);
  EXPECT_EQ(with([&](stun::Writer& w) {
              w.add_password_algorithms(turned).add_password_algorithm(stun::Algorithm::md5);
            }),
            400);
  EXPECT_EQ(with([&](stun::Writer& w) {
              w.add_password_algorithms(more).add_password_algorithm(stun::Algorithm::md5);
            }),
            400);
  EXPECT_EQ(with([&](stun::Writer& w) { w.add_password_algorithms(kPasswordAlgorithms); }), 400);
  EXPECT_EQ(with([&](stun::Writer& w) { w.add_password_algorithm(stun::Algorithm::md5); }), 400);
  EXPECT_EQ(with([&](stun::Writer& w) {
              w.add_password_algorithms(kPasswordAlgorithms)
                  .add_password_algorithm(static_cast<stun::Algorithm>(9));
            }),
            400);
}

TEST(TurnAuthentication, M1_ANonceEndsAndIsOneClients) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000"), other(site, "8.1.1.1:4001");
  ASSERT_TRUE(client.allocate().is_success());
  site.pass(599s);
  EXPECT_TRUE(client.refresh(3600).is_success());
  site.pass(6s);
  const Answer stale = client.refresh(600);
  EXPECT_EQ(stale.error(), 438);
  EXPECT_EQ(stale.text(Type::realm), "example.org");
  ASSERT_NE(stale.text(Type::nonce), client.nonce);
  client.learn(stale);
  EXPECT_TRUE(client.refresh(600).is_success());
  other.realm = client.realm;
  other.nonce = client.nonce;
  EXPECT_EQ(other.allocate().error(), 438);
  other.nonce = "obMatJos2gAAAnobodysnonce";
  EXPECT_EQ(other.allocate().error(), 438);
}

// RFC 6062 section 4.3: ConnectionBind comes over a connection of its own.
TEST(TurnAuthentication, M9_OverTcpANonceIsGoodOnEachConnectionOfItsClient) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000"), second(site, "8.1.1.1:4001"),
      other(site, "8.1.1.2:4001");
  client.connection = 7;
  second.connection = 8;
  other.connection = 9;
  ASSERT_TRUE(client.allocate().is_success());
  second.realm = other.realm = client.realm;
  second.nonce = other.nonce = client.nonce;
  EXPECT_TRUE(second.allocate().is_success());
  EXPECT_EQ(other.allocate().error(), 438);
}

TEST(TurnAuthentication, M1_AnotherUserOnAnAllocationIs441) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  client.credentials = site.credentials("eve");
  const Answer answer = client.refresh(0);
  EXPECT_EQ(answer.error(), 441);
  EXPECT_TRUE(client.is_signed(answer));
  EXPECT_EQ(client.permit("8.8.8.8:9").error(), 441);
  EXPECT_EQ(site.sessions->size(), 1u);
  // Newer credentials of the same user are as good, and stay.
  client.credentials = site.credentials("bob", 7200);
  EXPECT_TRUE(client.is_signed(client.refresh(600)));
}

// Nobody can find a token by its hash; whose allocation it is, the code tells.
TEST(TurnAuthentication, M1_UserhashIsTakenWhereAnAllocationKnowsTheUser) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const auto by_hash = [&](Method method) {
    return client.ask_plainly(method, [&](stun::Writer& w) {
      if (method == Method::allocate) turn::add_transport(w, turn::kUdp);
      const auto hash = pki::Digest(pki::Hash::sha256)
                            .compute({as_bytes(client.credentials.username), as_bytes(":"),
                                      as_bytes(client.realm)});
      w.add(Type::userhash, hash.bytes())
          .add_text(Type::realm, client.realm)
          .add_text(Type::nonce, client.nonce);
      client.seal(w);
    });
  };
  client.be_challenged();
  EXPECT_EQ(by_hash(Method::allocate).error(), 401);
  ASSERT_TRUE(client.allocate().is_success());
  EXPECT_TRUE(by_hash(Method::refresh).is_success());
}

TEST(TurnAuthentication, M1_FingerprintComesWhenItWasThere) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  EXPECT_FALSE(client.be_challenged().message.has(Type::fingerprint));
  client.marks = true;
  const Answer challenged = client.be_challenged();
  EXPECT_EQ(stun::check_fingerprint(challenged.message), stun::Fingerprint::right);
  const Answer made = client.allocate();
  EXPECT_TRUE(made.is_success());
  EXPECT_EQ(stun::check_fingerprint(made.message), stun::Fingerprint::right);
}

}  // namespace
}  // namespace fedge::media
