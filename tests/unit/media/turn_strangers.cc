// Binding, and what is never done for strangers: answers that are larger than half as much again,
// state, floods on a third party.
#include <gtest/gtest.h>

#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

using stun::Method;
using stun::Type;

constexpr auto nothing = [](stun::Writer&) {};

TEST(TurnBinding, M1_SaysWhereTheClientIs) {
  TurnSite site;
  for (const char* at : {"8.1.1.1:4000", "[2610::5]:4000"}) {
    TurnClient client(site, at);
    const Answer answer = client.ask_plainly(Method::binding, nothing);
    ASSERT_TRUE(answer.is_success());
    EXPECT_EQ(answer.xor_address(Type::xor_mapped_address), client.address);
    EXPECT_FALSE(answer.message.has(Type::other_address));  // RFC 5780 needs a second address
  }
  TurnClient client(site, "8.1.1.1:4000");
  const Answer answer = client.ask_plainly(Method::binding, nothing);
  EXPECT_EQ(stun::read_address(*answer.message.find_value(Type::response_origin)),
            endpoint("11.0.0.1:3478"));
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(TurnBinding, M1_ClassicClientsGetThePlainAddress) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  std::array<std::byte, 28> request{};
  store_be16(request.data(), 1);
  store_be32(&request[4], 0x01020304);  // no cookie
  for (const bool asks_for_change : {false, true}) {
    store_be16(&request[2], 8);
    store_be16(&request[20], static_cast<uint16_t>(Type::change_request));
    store_be16(&request[22], 4);
    store_be32(&request[24], asks_for_change ? stun::kChangePort : 0);
    const Answer answer = client.send(request);
    ASSERT_TRUE(answer.arrived());
    EXPECT_TRUE(answer.message.is_classic);
    EXPECT_EQ(answer.is_success(), !asks_for_change);
    if (asks_for_change) {
      EXPECT_EQ(answer.error(), 420);
    } else {
      EXPECT_EQ(stun::read_address(*answer.message.find_value(Type::mapped_address)),
                client.address);
      EXPECT_TRUE(answer.message.has(Type::source_address));
    }
  }
}

TEST(TurnBinding, M1_NobodyIsAnsweredWhoDidNotAsk) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const auto ask = [&](const TurnClient::Add& add) {
    return client.ask_plainly(Method::binding, add).error();
  };
  const auto number = [](Type type, uint32_t value) {
    return [=](stun::Writer& w) { w.add_number(type, value); };
  };
  EXPECT_EQ(ask(number(Type::change_request, stun::kChangeIp | stun::kChangePort)), 420);
  EXPECT_EQ(ask(number(Type::response_port, 53 << 16)), 420);
  EXPECT_EQ(ask(number(static_cast<Type>(0x7abc), 0)), 420);
  EXPECT_TRUE(client.ask_plainly(Method::binding, number(Type::change_request, 0)).is_success());
  EXPECT_TRUE(
      client.ask_plainly(Method::binding, number(static_cast<Type>(0xfabc), 0)).is_success());
}

TEST(TurnStrangers, M1_WhatIsNoRequestIsNotAnswered) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  std::array<std::byte, 128> buffer{};
  const auto send = [&](Method method, stun::Class message_class) {
    stun::Writer writer(buffer, method, message_class, client.transaction);
    return client.send(writer.written());
  };
  for (const auto message_class :
       {stun::Class::indication, stun::Class::success, stun::Class::error})
    for (const Method method : {Method::binding, Method::allocate, Method::send, Method::data})
      EXPECT_FALSE(send(method, message_class).arrived());
  for (const Method method : {Method::send, Method::data, Method::shared_secret,
                              Method::connection_attempt, static_cast<Method>(0x123)})
    EXPECT_FALSE(send(method, stun::Class::request).arrived());
  stun::Writer wrong(buffer, Method::binding, stun::Class::request, client.transaction);
  wrong.add_fingerprint();
  buffer[27] ^= std::byte{1};
  EXPECT_EQ(client.send(wrong.written()).reason, Reason::malformed_stun);
  buffer[27] ^= std::byte{1};
  EXPECT_TRUE(client.send(wrong.written()).is_success());
  EXPECT_FALSE(client.send(wrong.written().first(27)).arrived());
}

// As frames: with Ethernet, IP and UDP, and the check sequence.
size_t frame_size(size_t payload, bool is_v4) { return payload + (is_v4 ? 46 : 66); }

TEST(TurnStrangers, M1_NoAnswerIsLargerThanHalfAsMuchAgain) {
  for (const char* at : {"8.1.1.1:4000", "[2610::5]:4000"}) {
    for (const char* realm : {"a.example", "a-rather-long-realm.of-an-organisation.example"}) {
      TurnSite site([&](TurnSite& s) { s.turn_realm = realm; });
      TurnClient client(site, at);
      const bool is_v4 = client.address.address.is_v4();
      int unanswered = 0;
      for (const Method method :
           {Method::binding, Method::allocate, Method::refresh, Method::create_permission,
            Method::channel_bind, Method::connect, Method::connection_bind}) {
        for (size_t extra = 0; extra < 100; extra += 4) {
          size_t asked = 0;
          const Answer answer = client.ask_plainly(method, [&](stun::Writer& w) {
            const std::string filler(extra, 'x');
            if (extra >= 4) w.add_text(Type::software, filler.substr(4));
            if (extra % 8 == 4) w.add_text(Type::message_integrity, std::string(20, 'x'));
            if (extra % 24 == 8) w.add_number(static_cast<Type>(0x7abc), 1);
            asked = *w.size();
          });
          if (!answer.arrived()) ++unanswered;
          EXPECT_LE(2 * frame_size(answer.octets.size(), is_v4), 3 * frame_size(asked, is_v4));
        }
      }
      // Only what has no room for a long realm stays without an answer.
      EXPECT_LE(unanswered, std::string_view(realm).size() < 20 ? 6 : 60);
      EXPECT_EQ(site.sessions->size(), 0u);
    }
  }
}

// What browsers and libnice begin with: 28 octets. There is no room for the cookie, but for a nonce
// that works.
TEST(TurnStrangers, M1_TheShortestAllocateGetsItsChallenge) {
  for (const char* at : {"8.1.1.1:4000", "[2610::5]:4000"}) {
    TurnSite site([](TurnSite& s) { s.turn_realm = "media.example.org123"; });  // 20 octets
    TurnClient client(site, at);
    const Answer brief = client.ask_plainly(
        Method::allocate, [](stun::Writer& w) { turn::add_transport(w, turn::kUdp); });
    ASSERT_EQ(brief.error(), 401) << at;
    client.learn(brief);
    const Answer made = client.allocate();
    EXPECT_TRUE(made.is_success()) << made.error();
    EXPECT_TRUE(client.is_signed(made));
    site.pass(605s);
    EXPECT_EQ(client.allocate().error(), 438);
  }
}

TEST(TurnStrangers, M1_OverTcpNothingNeedsToBeShort) {
  TurnSite site([](TurnSite& s) { s.turn_realm = std::string(100, 'r'); });
  TurnClient client(site, "8.1.1.1:4000");
  client.connection = 5;
  const Answer answer = client.ask_plainly(
      Method::allocate, [](stun::Writer& w) { turn::add_transport(w, turn::kUdp); });
  EXPECT_EQ(answer.error(), 401);
  EXPECT_TRUE(answer.message.has(Type::password_algorithms));
}

TEST(TurnStrangers, M1_SpoofedAllocatesLeaveNothing) {
  TurnSite site;
  for (uint32_t i = 0; i < 10'000; ++i) {
    TurnClient client(site, "8.1.1.1:4000");
    client.address = {IpAddress::v4(0x08000000 + i * 77), static_cast<uint16_t>(1024 + i)};
    client.be_challenged();
  }
  EXPECT_EQ(site.sessions->size(), 0u);
  EXPECT_EQ(site.sessions->mark(), 0u);
  EXPECT_EQ(site.quotas.total(), 0u);
}

TEST(TurnStrangers, M1_APrefixHearsSoManyAnswers) {
  TurnSite site([](TurnSite&) {}, true, {.at_once = 10, .per_second = 5});
  int answered = 0;
  const auto ask = [&](std::string_view at, int times) {
    answered = 0;
    for (int i = 0; i < times; ++i) {
      TurnClient client(site, at);
      if (client.be_challenged().arrived()) ++answered;
    }
    return answered;
  };
  EXPECT_EQ(ask("8.1.1.1:4000", 8), 8);
  EXPECT_EQ(ask("8.1.1.200:4001", 8), 2);  // of the same /24
  EXPECT_EQ(ask("8.1.2.1:4000", 8), 8);
  site.pass(1s);
  EXPECT_EQ(ask("8.1.1.1:4000", 8), 5);
  EXPECT_EQ(ask("[2610:0:1::5]:4000", 12), 10);
  EXPECT_EQ(ask("[2610:0:1:77::6]:4000", 12), 0);  // of the same /48
  EXPECT_EQ(ask("[2610:0:2::5]:4000", 12), 10);
  TurnClient client(site, "8.1.1.1:4000");
  const Answer silent = client.be_challenged();
  EXPECT_EQ(silent.reason, Reason::limited);
  EXPECT_GT(site.server->counts().limited, 0u);
}

// Whoever proves itself was no stranger: a busy site behind one address is not slowed down.
TEST(TurnStrangers, M1_WhoProvesItselfDoesNotCount) {
  TurnSite site([](TurnSite& s) { s.last_port = 50199; }, true, {.at_once = 2, .per_second = 1});
  for (int i = 0; i < 40; ++i) {
    TurnClient client(site, "8.1.1.1:" + std::to_string(4000 + i), std::to_string(i));
    ASSERT_TRUE(client.allocate().is_success()) << i;
  }
}

TEST(TurnStrangers, M1_ProvenRequestsPassWhenStrangersMayNot) {
  TurnSite site([](TurnSite&) {}, true, {.at_once = 3, .per_second = 1});
  TurnClient client(site, "8.1.1.1:4000"), stranger(site, "8.1.1.9:4000");
  ASSERT_TRUE(client.allocate().is_success());
  while (stranger.be_challenged().arrived()) continue;
  EXPECT_TRUE(client.refresh(600).is_success());
  EXPECT_TRUE(client.permit("8.8.8.8:9").is_success());
}

// --- the parts ---------------------------------------------------------------------------------

TEST(TurnNonces, M1_HoldForOneClientAndATime) {
  const std::array<std::byte, pki::Cmac::kKeySize> key{std::byte{3}};
  TurnNonces nonces(key);
  const Address client = Address::of(ip("8.1.1.1")), other = Address::of(ip("8.1.1.2"));
  const Instant made = Instant{} + 1000s;
  for (const NonceForm form : {NonceForm::full, NonceForm::brief}) {
    const std::string nonce(nonces.make(form, client, 4000, made).view());
    EXPECT_TRUE(nonces.is_fresh(nonce, client, 4000, made, 600s));
    EXPECT_TRUE(nonces.is_fresh(nonce, client, 4000, made + 599s, 600s));
    EXPECT_FALSE(nonces.is_fresh(nonce, client, 4000, made + 605s, 600s));
    EXPECT_FALSE(nonces.is_fresh(nonce, client, 4000, made - 10s, 600s));
    EXPECT_FALSE(nonces.is_fresh(nonce, client, 4001, made, 600s));
    EXPECT_FALSE(nonces.is_fresh(nonce, other, 4000, made, 600s));
    // The time in it comes around; the code is over all of it.
    EXPECT_FALSE(nonces.is_fresh(nonce, client, 4000, made + 65536 * 4s, 600s));
    for (size_t i = 0; i < nonce.size(); ++i) {
      std::string changed = nonce;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(nonces.is_fresh(changed, client, 4000, made, 600s)) << i;
      EXPECT_FALSE(nonces.is_fresh(nonce.substr(0, i), client, 4000, made, 600s)) << i;
    }
  }
}

TEST(TurnDraws, M1_NeverRepeat) {
  const std::array<std::byte, pki::Cmac::kKeySize> key{std::byte{3}};
  Draws draws(key), same(key);
  const uint64_t first = draws.next();
  EXPECT_EQ(same.next(), first);
  EXPECT_NE(draws.next(), first);
}

}  // namespace
}  // namespace fedge::media
