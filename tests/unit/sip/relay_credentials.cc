// M3: SERVICE requests for media relay credentials.
#include "dataplane/sip/relay_credentials.h"

#include "firmware/pki/media_token.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {
namespace {

// What stands between two texts; the nth time.
std::string between(const std::string& text, const std::string& before, const std::string& after,
                    size_t nth = 0) {
  size_t at = 0;
  for (size_t i = 0; i <= nth; ++i) {
    at = text.find(before, at);
    if (at == text.npos) return {};
    at += before.size();
  }
  return text.substr(at, text.find(after, at) - at);
}

std::string ask(const std::string& more, const std::string& attributes = {}) {
  return "<request requestID=\"7\" from=\"sip:fe1.example.com\" to=\"sip:mras@edge\" "
         "version=\"1.0\"" +
         attributes + " xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\">" + more +
         "</request>";
}
std::string for_user(const std::string& user, const std::string& more = {}) {
  return "<credentialsRequest credentialsRequestID=\"" + user + "\"><identity>sip:" + user +
         "@example.com</identity>" + more + "</credentialsRequest>";
}

class RelayCredentialsTest : public World {
 protected:
  RelayCredentialsTest() {
    sections = Sections({.anchor_ports = 64});
    add_key(1, outbound.wall - 1000, outbound.wall + 100'000);
    proxy.use(sections.view(), now);
  }
  void add_key(uint32_t id, int64_t from, int64_t to) {
    const std::string octets(32, static_cast<char>('a' + id));
    sections.token_secrets.push_back({id, from, to, pki::Secret(as_bytes(octets))});
  }
  Arrival on_service(Arrival arrival) const {
    arrival.listener = 3;
    const std::string_view name = arrival.peer.name;
    arrival.peer.record = snapshot::find_peer(sections.routing(), {&name, 1}, kInside);
    return arrival;
  }
  static RequestText service(const std::string& body) {
    RequestText request;
    request.method = "SERVICE";
    // As pools know it, whatever it is.
    request.uri = "sip:mras.example.com@example.com;gruu;opaque=srvr:MRAS:1";
    request.from = "<sip:fe1.example.com>;tag=f1";
    request.to = "<sip:mras.example.com@example.com>";
    request.headers =
        "Max-Forwards: 70\r\nContent-Type: application/msrtc-media-relay-auth+xml\r\n";
    request.body = body;
    return request;
  }
  std::string answer_to(const std::string& body) {
    receive(on_service(from_fe1()), service(body));
    return std::string(take_response(kFromFe1, 200).message().body);
  }
  uint64_t outcome(const std::string& what) {
    return counter("fedge_signal_media_credentials_total{outcome=\"" + what + "\"}");
  }
};

TEST_F(RelayCredentialsTest, M3_EachUserIsGivenCredentialsThatVerify) {
  const std::string body = answer_to(ask(for_user("alice") + for_user("bob")));
  EXPECT_NE(body.find("reasonPhrase=\"OK\""), body.npos) << body;
  for (size_t i = 0; i < 2; ++i) {
    const std::string name = between(body, "<username>", "</username>", i);
    const std::string password = between(body, "<password>", "</password>", i);
    const auto claimed = pki::ClaimedUser::read(name);
    ASSERT_EQ(claimed.form(), pki::CredentialForm::token) << body;
    EXPECT_EQ(claimed.user(), i == 0 ? "sip:alice@example.com" : "sip:bob@example.com");
    EXPECT_EQ(claimed.key_id(), 1u);
    EXPECT_EQ(claimed.expires(), outbound.wall + 600 * 60);  // the configured minutes
    // The key that TURN makes of the password is the one that the relay makes of the name.
    pki::MediaKeys keys;
    pki::Digest md5(pki::Hash::md5);
    const auto expected =
        md5.compute({as_bytes(name), as_bytes(":sip.example.com:"), as_bytes(password)});
    const auto made = keys.long_term_key(pki::Hash::md5, sections.token_secrets[0].key.bytes(),
                                         claimed, name, "sip.example.com");
    EXPECT_TRUE(std::ranges::equal(made.bytes(), expected.bytes()));
  }
  EXPECT_EQ(outcome("given"), 1u);
}

TEST_F(RelayCredentialsTest, M3_M8_TheRelayIsNamedByTheAddressOfTheClientsSide) {
  const std::string outside = answer_to(ask(for_user("alice", "<location>internet</location>")));
  EXPECT_NE(outside.find("<hostName>198.51.100.1</hostName>"), outside.npos) << outside;
  EXPECT_NE(outside.find("<udpPort>3478</udpPort>"), outside.npos);
  EXPECT_NE(outside.find("<tcpPort>443</tcpPort>"), outside.npos);
  EXPECT_EQ(outside.find("10.2.0.1"), outside.npos);
  const std::string inside =
      answer_to(ask(for_user("alice", "<location>intranet</location>"), " route=\"directip\""));
  EXPECT_NE(inside.find("<directIPAddress>10.2.0.1</directIPAddress>"), inside.npos) << inside;
  EXPECT_EQ(inside.find("tcpPort"), inside.npos);
}

TEST_F(RelayCredentialsTest, M3_DurationIsAsAskedWithinBounds) {
  add_key(2, outbound.wall - 10, outbound.wall + 259200 * 60);
  proxy.use(sections.view(), now);
  const std::string body = answer_to(ask(for_user("alice", "<duration>5</duration>") +
                                         for_user("bob", "<duration>999999999</duration>")));
  EXPECT_EQ(between(body, "<duration>", "</duration>", 0), "5");
  EXPECT_EQ(between(body, "<duration>", "</duration>", 1), "259200");
}

// After that its key verifies nothing: clients are told to come back before.
TEST_F(RelayCredentialsTest, C3_CredentialsEndWithTheirCertificate) {
  sections.token_secrets.clear();
  add_key(1, outbound.wall - 1000, outbound.wall + 600);
  proxy.use(sections.view(), now);
  const std::string body = answer_to(ask(for_user("alice")));
  EXPECT_EQ(between(body, "<duration>", "</duration>"), "10") << body;
  const auto claimed = pki::ClaimedUser::read(between(body, "<username>", "</username>"));
  EXPECT_EQ(claimed.expires(), outbound.wall + 600);
}

TEST_F(RelayCredentialsTest, C3_NewCredentialsComeFromTheLatestKeyInForce) {
  add_key(2, outbound.wall - 10, outbound.wall + 100'000);
  add_key(3, outbound.wall + 500, outbound.wall + 100'000);
  proxy.use(sections.view(), now);
  const auto key_of = [&] {
    return pki::ClaimedUser::read(
               between(answer_to(ask(for_user("alice"))), "<username>", "</username>"))
        .key_id();
  };
  EXPECT_EQ(key_of(), 2u);
  outbound.wall += 500;  // no publish is needed
  EXPECT_EQ(key_of(), 3u);
}

TEST_F(RelayCredentialsTest, M3_WithoutAKeyThereAreNoCredentials) {
  outbound.wall += 200'000;
  const std::string body = answer_to(ask(for_user("alice")));
  EXPECT_NE(body.find("reasonPhrase=\"Not Supported\""), body.npos) << body;
  EXPECT_EQ(body.find("username"), body.npos);
  EXPECT_EQ(outcome("no_key"), 1u);
}

TEST_F(RelayCredentialsTest, M3_R5_OnlyPoolsThatHaveTheirMediaHereAreAnswered) {
  receive(on_service(from_fe2()), service(ask(for_user("alice"))));
  take_response(kFromFe2, 403);
  RequestText request = service(ask(for_user("alice")));
  request.uri = "sip:198.51.100.1:5061";
  receive(from_partner(), request);
  take_response(kFromPartner, 403);
  receive(from_stranger(), request);
  take_response(kFromStranger, 403);
  EXPECT_EQ(outcome("forbidden"), 3u);
}

TEST_F(RelayCredentialsTest, M3_WhatIsMalformedIsToldWhy) {
  const std::string body = answer_to("<request");
  EXPECT_NE(body.find("reasonPhrase=\"Request Malformed\""), body.npos) << body;
  std::string many;
  for (int i = 0; i < 101; ++i) many += for_user("u" + std::to_string(i));
  const std::string large = answer_to(ask(many));
  EXPECT_NE(large.find("reasonPhrase=\"Request Too Large\""), large.npos) << large;
  EXPECT_EQ(outcome("malformed"), 2u);
}

TEST_F(RelayCredentialsTest, M3_AHundredUsersFitIntoOneAnswer) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += for_user("user" + std::to_string(i));
  const std::string body = answer_to(ask(many));
  EXPECT_FALSE(between(body, "<username>", "</username>", 99).empty());
}

TEST_F(RelayCredentialsTest, M3_TheServiceAnswersNothingElse) {
  RequestText request = service("hello");
  request.headers = "Max-Forwards: 70\r\nContent-Type: text/plain\r\n";
  receive(on_service(from_fe1()), request);
  Taken refused = take_response(kFromFe1, 415);
  EXPECT_NE(refused.bytes.find("Accept: application/msrtc-media-relay-auth+xml\r\n"),
            refused.bytes.npos);
  request.method = "MESSAGE";
  request.branch = "z9hG4bK-m";
  receive(on_service(from_fe1()), request);
  Taken other = take_response(kFromFe1, 405);
  EXPECT_NE(other.bytes.find("Allow: SERVICE, OPTIONS\r\n"), other.bytes.npos);
}

}  // namespace
}  // namespace fedge::sip
