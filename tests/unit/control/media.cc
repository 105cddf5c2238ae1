// Credentials and A/V certificates over the REST interface.
#include "firmware/pki/media_token.h"
#include "firmware/snapshot/reader.h"
#include "tests/unit/control/box.h"
#include "tests/unit/topology/sample.h"

namespace fedge::control::testing {
namespace {

using link::Process;
using snapshot::Kind;

class Media : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(box_.start());
    import_all(box_);
    ASSERT_EQ(box_.ask({"PUT", "/v1/certificates/av", leaf(20).import_body()}).status, 201);
    const Answered a =
        publish(box_, topology::encode(topology::media_sample(), json::Writer::Style::compact));
    ASSERT_EQ(a.status, 200) << a.body;
  }
  static std::string in(std::chrono::seconds wait) { return format_time(now_wall() + wait); }
  Answered ask_credentials(const std::string& body) {
    return box_.ask({"POST", "/v1/media/credentials", body});
  }
  snapshot::Section<snapshot::Media> section() {
    return *snapshot::Section<snapshot::Media>::open(
        box_.control().running().find(Kind::media)->mapping.bytes());
  }
  // The token keys as the fast path opens them.
  std::vector<pki::PrivateKey> keys() {
    return box_.keys_offered(Kind::keys_fastpath, Process::fastpath);
  }
  Box box_;
};

std::string text(const json::Value& value, std::string_view name) {
  return value.find(name).text().value_or("");
}

TEST_F(Media, M3_CredentialsVerifyWithTheFastPathsKey) {
  const Answered a = ask_credentials(R"({"identity": "sip:alice@example.com"})");
  ASSERT_EQ(a.status, 200) << a.body;
  const auto document = a.json();
  const json::Value root = document.root();
  EXPECT_EQ(text(root, "realm"), "sip.example.com");
  EXPECT_EQ(*root.find("ttl").integer(0, 1'000'000), 480 * 60);
  std::vector<std::string> uris;
  for (const json::Value uri : root.find("uris").items()) uris.push_back(*uri.text());
  EXPECT_EQ(uris,
            (std::vector<std::string>{
                "turn:198.51.100.1:3478?transport=udp", "turn:[fd00:1::1]:3478?transport=udp",
                "turn:198.51.100.1:443?transport=tcp", "turns:198.51.100.1:5349?transport=tcp"}));
  const std::string username = text(root, "username");
  const auto claimed = pki::ClaimedUser::read(username);
  ASSERT_EQ(claimed.form(), pki::CredentialForm::token);
  EXPECT_EQ(claimed.user(), "sip:alice@example.com");
  const auto opened = keys();
  ASSERT_EQ(opened.size(), 1u);
  const auto media = section();
  const auto listed = media.items(media.root().token_keys);
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(opened[0].id, listed[0].key);
  EXPECT_EQ(claimed.key_id(), listed[0].id);
  EXPECT_EQ(pki::token_key_id(opened[0].der), listed[0].id);
  // The password is what the key and the name give.
  std::array<std::byte, pki::kTokenRandomSize> random{};
  const auto octets = claimed.octets();
  std::ranges::copy(octets.last(random.size()), random.begin());
  const auto again = pki::make_credentials(opened[0].der, claimed.key_id(), claimed.user(),
                                           claimed.expires(), random);
  EXPECT_EQ(again.username, username);
  EXPECT_EQ(again.password, text(root, "password"));
}

TEST_F(Media, P6_WhoMadeCredentialsForWhomIsAnEvent) {
  const Answered a = ask_credentials(R"({"identity": "sip:alice@example.com", "minutes": 5})");
  ASSERT_EQ(a.status, 200) << a.body;
  const auto made = a.json();
  const auto events = box_.get("/v1/events", "limit=1").json();
  const json::Value event = events.root().find("events").items()[0];
  EXPECT_EQ(text(event, "what"), "media credentials made");
  EXPECT_EQ(text(event, "detail"),
            "for sip:alice@example.com until " + text(made.root(), "expires"));
  EXPECT_EQ(text(event, "who"), "admin");
  for (const char* secret : {"username", "password"}) {
    EXPECT_EQ(box_.get("/v1/events").body.find(text(made.root(), secret)), std::string::npos);
  }
  EXPECT_EQ(ask_credentials(R"({"identity": ""})").status, 422);
  const auto later = box_.get("/v1/events", "limit=1").json();
  EXPECT_EQ(text(later.root().find("events").items()[0], "detail"), text(event, "detail"));
}

TEST_F(Media, M3_TheWidespreadForm) {
  const Answered a = ask_credentials(R"({"identity": "alice", "minutes": 5, "form": "timestamp"})");
  ASSERT_EQ(a.status, 200) << a.body;
  const auto document = a.json();
  const std::string username = text(document.root(), "username");
  const auto claimed = pki::ClaimedUser::read(username);
  ASSERT_EQ(claimed.form(), pki::CredentialForm::timed);
  const auto made = pki::make_timed_credentials(keys()[0].der, "alice", claimed.expires());
  EXPECT_EQ(made.username, username);
  EXPECT_EQ(made.password, text(document.root(), "password"));
  EXPECT_EQ(*document.root().find("ttl").integer(0, 1000), 300);
}

TEST_F(Media, M3_MinutesAreBoundedAndEndWithTheCertificate) {
  for (const char* body :
       {R"({"identity": "a", "minutes": 0})", R"({"identity": "a", "minutes": 259201})",
        R"({"identity": "a", "minutes": "5"})", R"({"identity": ""})", R"({"identity": 7})",
        R"({"identity": "a\u0001"})", R"({"minutes": 5})", R"({"identity": "a", "form": "x"})",
        R"({"identity": "a", "more": 1})", "[]"}) {
    EXPECT_EQ(ask_credentials(body).status, 422) << body;
  }
  EXPECT_EQ(ask_credentials("{").status, 400);
  EXPECT_EQ(ask_credentials(R"({"identity": ")" + std::string(256, 'a') + "\"}").status, 422);
  EXPECT_EQ(ask_credentials(R"({"identity": "a", "minutes": 1})").status, 200);
  // 180 days: the certificate has 20.
  const auto document = ask_credentials(R"({"identity": "a", "minutes": 259200})").json();
  const auto media = section();
  EXPECT_EQ(
      text(document.root(), "expires"),
      format_time(WallTime(std::chrono::seconds(media.items(media.root().token_keys)[0].expires))));
}

TEST_F(Media, C6_NoAnswerHoldsATokenKey) {
  const Answered a = ask_credentials(R"({"identity": "alice"})");
  const auto opened = keys();
  const std::string key(as_text(opened[0].der.bytes()));
  EXPECT_EQ(a.body.find(pki::timed_credentials_secret(opened[0].der)), std::string::npos);
  for (const char* path : {"/v1/certificates/av", "/v1/events", "/v1/topology", "/metrics"}) {
    const Answered other = box_.get(path);
    EXPECT_EQ(other.body.find(key), std::string::npos);
    EXPECT_EQ(other.body.find(pki::timed_credentials_secret(opened[0].der)), std::string::npos);
  }
}

TEST_F(Media, M3_SignalHasTheTokenKeysBesideItsOwn) {
  const auto signal = box_.keys_offered(Kind::keys_signal, Process::signal);
  ASSERT_EQ(signal.size(), 3u) << "access, internal and the token key";
  EXPECT_EQ(as_text(signal.back().der.bytes()), as_text(keys()[0].der.bytes()));
}

TEST_F(Media, M3_WithoutACertificateThereAreNone) {
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  const Answered a = ask_credentials(R"({"identity": "alice"})");
  EXPECT_EQ(a.status, 409) << a.body;
}

TEST_F(Media, C3_ASuccessorMustLeaveTimeForTokens) {
  const std::string path = "/v1/certificates/av/successor";
  const Answered early = box_.ask({"POST", path, leaf(21).import_body(in(479min))});
  EXPECT_EQ(early.status, 422);
  EXPECT_NE(early.body.find("480 minutes from now"), std::string::npos) << early.body;
  const Answered good = box_.ask({"POST", path, leaf(21).import_body(in(481min))});
  ASSERT_EQ(good.status, 201) << good.body;
  EXPECT_EQ(keys().size(), 2u) << "both verify";
  // Made with the one in force.
  const auto document = ask_credentials(R"({"identity": "alice"})").json();
  const std::string username = text(document.root(), "username");
  const auto media = section();
  EXPECT_EQ(pki::ClaimedUser::read(username).key_id(), media.items(media.root().token_keys)[0].id);
}

TEST_F(Media, C3_ARollNeedsNoPublishAndKeepsTheOldKey) {
  const auto before = section().items(section().root().token_keys)[0].id;
  const Answered forced = box_.ask(
      {"POST", "/v1/certificates/av/successor", leaf(22).import_body(in(2s)), "force&wait=5s"});
  ASSERT_EQ(forced.status, 201) << forced.body;
  const auto used = [&] {
    const auto document = ask_credentials(R"({"identity": "alice"})").json();
    const std::string username = text(document.root(), "username");
    return pki::ClaimedUser::read(username).key_id();
  };
  EXPECT_EQ(used(), before);
  box_.run_until([&] { return used() != before; });
  const auto media = section();
  ASSERT_EQ(media.root().token_keys.count, 2u) << "until the old certificate expires";
  EXPECT_EQ(media.items(media.root().token_keys)[0].id, before);
  EXPECT_EQ(keys().size(), 2u);
}

TEST_F(Media, C3_ReplacingAnAvCertificateMustBeMeant) {
  const Answered other = box_.ask({"PUT", "/v1/certificates/av", leaf(23).import_body()});
  EXPECT_EQ(other.status, 409);
  EXPECT_NE(other.body.find("/media/certificates/0"), std::string::npos) << other.body;
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/av", leaf(20).import_body()}).status, 200)
      << "the same key disturbs nobody";
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/av", leaf(23).import_body(), "force"}).status, 200);
  EXPECT_EQ(box_.ask({"DELETE", "/v1/certificates/av"}).status, 409) << "it is used";
}

}  // namespace
}  // namespace fedge::control::testing
