// Certificates and trust over the REST interface, and the database when it is damaged.
#include <filesystem>
#include <fstream>

#include "tests/unit/control/box.h"

namespace fedge::control::testing {
namespace {

using link::Process;
using snapshot::Kind;

// What runs by the last good copy of the database; -1 while there is no copy.
int64_t copied_revision(const std::string& folder) {
  const std::string path = folder + "/fedge.db.last-good";
  if (!std::filesystem::exists(path)) return -1;  // opening would make it
  bool damaged = false;
  auto copy = store::Store::open(path, damaged);
  if (!copy) return -1;
  const auto running = copy->running();
  return running && *running ? static_cast<int64_t>((*running)->revision) : -1;
}

class Certificates : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(box_.start()); }
  static std::string in(std::chrono::seconds wait) { return format_time(now_wall() + wait); }
  Box box_;
};

TEST_F(Certificates, C5_WhatCannotWorkIsRefusedWithTheReason) {
  Identity mixed{leaf(1).chain, leaf(2).key};
  const Answered a = box_.ask({"PUT", "/v1/certificates/access", mixed.import_body()});
  EXPECT_EQ(a.status, 422) << a.body;
  EXPECT_EQ(a.json().root().find("errors").items()[0].find("path").text().value(), "/chain");
  EXPECT_NE(a.body.find("private key does not belong to"), std::string::npos) << a.body;
  for (const char* body : {R"({"chain":"x","key":"y"})", R"({"chain":7,"key":[]})", "{}",
                           R"({"chain":"x","key":"y","more":1})"}) {
    EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/access", body}).status, 422) << body;
  }
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/.x", leaf(1).import_body()}).status, 422);
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/a%2Fb", leaf(1).import_body()}).status, 422);
  EXPECT_EQ(box_.get("/v1/certificates/access").status, 404);
}

TEST_F(Certificates, C6_NoAnswerHoldsAKey) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  for (const char* path : {"/v1/certificates", "/v1/certificates/access", "/v1/trust", "/v1/events",
                           "/v1/status", "/v1/topology", "/metrics"}) {
    const Answered a = box_.get(path);
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.body.find("PRIVATE"), std::string::npos) << path;
  }
  box_.stop();
  const std::string key = leaf(1).key.substr(40, 60);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(box_.folder())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path()).value().find(key), std::string::npos) << entry.path();
  }
}

TEST_F(Certificates, C3_AChangeIsPublishedAtOnceAndOnlyWhereItMatters) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  const auto before = box_.offers.size();
  const Answered unused = box_.ask({"PUT", "/v1/certificates/other", leaf(3).import_body()});
  EXPECT_EQ(unused.status, 201);
  EXPECT_EQ(box_.offers.size(), before);
  const Answered used = box_.ask({"PUT", "/v1/certificates/access", leaf(4).import_body()});
  EXPECT_EQ(used.status, 200) << used.body;
  EXPECT_EQ(box_.offers.size(), before + 1);
  EXPECT_EQ(box_.offers.back().revision, 1u);
  EXPECT_EQ(box_.ask({"DELETE", "/v1/certificates/access"}).status, 409);
  EXPECT_EQ(box_.ask({"DELETE", "/v1/certificates/other"}).status, 204);
  EXPECT_EQ(box_.ask({"DELETE", "/v1/certificates/other"}).status, 404);
}

TEST_F(Certificates, C3_ASuccessorIsStagedThenTakesOver) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  const std::string path = "/v1/certificates/access/successor";
  EXPECT_EQ(box_.ask({"POST", path, leaf(5).import_body()}).status, 422);
  EXPECT_EQ(box_.ask({"POST", path, leaf(5).import_body("tomorrow")}).status, 422);
  EXPECT_EQ(box_.ask({"POST", path, leaf(5).import_body(in(-10s))}).status, 422);
  EXPECT_EQ(
      box_.ask({"POST", "/v1/certificates/none/successor", leaf(5).import_body(in(1h))}).status,
      404);
  const Answered a = box_.ask({"POST", path, leaf(5).import_body(in(3s))});
  ASSERT_EQ(a.status, 201) << a.body;
  EXPECT_EQ(box_.keys_offered(Kind::keys_signal, Process::signal).size(), 3u);
  EXPECT_NE(box_.get("/v1/certificates/access").body.find("staged"), std::string::npos);
  // When its time has come, the one before leaves the sections.
  const auto offers = box_.offers.size();
  box_.run_until([&] { return box_.offers.size() > offers; });
  EXPECT_EQ(box_.keys_offered(Kind::keys_signal, Process::signal).size(), 2u);
  EXPECT_NE(box_.get("/v1/certificates/access").body.find("superseded"), std::string::npos);
}

TEST_F(Certificates, C3_ASuccessorMayBeCenturiesAway) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  const Answered a = box_.ask({"POST", "/v1/certificates/access/successor",
                               leaf(6, 200'000).import_body("2400-01-01T00:00:00Z")});
  ASSERT_EQ(a.status, 201) << a.body;
  const uint64_t changes = box_.control().store()->changes();
  const Instant end = now_monotonic() + 50ms;
  box_.run_until([&] { return now_monotonic() > end; });
  EXPECT_EQ(box_.control().store()->changes(), changes) << "the alarm is not due in each tick";
}

TEST_F(Certificates, C1_TrustComesAsPemOrJson) {
  Ask raw{"PUT", "/v1/trust/partners", authority().chain};
  raw.content_type = "application/x-pem-file";
  EXPECT_EQ(box_.ask(raw).status, 201);
  EXPECT_EQ(box_.ask({"PUT", "/v1/trust/partners", trust_body()}).status, 200);
  raw.body = leaf(1).chain;
  EXPECT_EQ(box_.ask(raw).status, 422) << "not a CA";
  raw.body = "noise";
  EXPECT_EQ(box_.ask(raw).status, 422);
  EXPECT_NE(box_.get("/v1/trust/partners").body.find("BEGIN CERTIFICATE"), std::string::npos);
  EXPECT_EQ(box_.ask({"DELETE", "/v1/trust/partners"}).status, 204);
  EXPECT_EQ(box_.get("/v1/trust/partners").status, 404);
}

TEST_F(Certificates, C6_LostSealingKeysLeaveAWayIn) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  box_.stop();
  box_.lose_sealing_keys();
  const auto start_and_offer = [&] {
    const size_t before = box_.offers.size();
    ASSERT_TRUE(box_.start());
    box_.run_until([&] { return box_.offers.size() > before; });
  };
  start_and_offer();
  EXPECT_EQ(box_.keys_offered(Kind::keys_agent, Process::agent).size(), 1u) << "a new one";
  EXPECT_TRUE(box_.keys_offered(Kind::keys_signal, Process::signal).empty());
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/access", leaf(1).import_body()}).status, 200);
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/internal", leaf(2).import_body()}).status, 200);
  EXPECT_EQ(box_.keys_offered(Kind::keys_signal, Process::signal).size(), 2u);
  const uint64_t generation = box_.offers.back().generation;
  box_.stop();
  start_and_offer();
  EXPECT_EQ(box_.offers.back().generation, generation) << "all is well";
}

// --- the database ------------------------------------------------------------------------------

void write_noise(const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (int i = 0; i < 100'000; ++i) file.put(static_cast<char>(i * 131 + i / 7));
}

TEST_F(Certificates, B4_ADamagedDatabaseIsToldAndNeverTouchedWithoutBeingTold) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  EXPECT_EQ(box_.ask({"POST", "/v1/database/recover"}).status, 409) << "it is good";
  box_.run_until([&] { return copied_revision(box_.folder()) == 1; });
  box_.stop();
  write_noise(box_.folder() + "/fedge.db");
  const size_t offers = box_.offers.size();
  ASSERT_TRUE(box_.start());
  const Answered status = box_.get("/v1/status");
  EXPECT_EQ(status.status, 200);
  const auto document = status.json();
  EXPECT_EQ(document.root().find("database").find("state").text().value(), "damaged");
  EXPECT_NE(status.body.find("/v1/database/recover"), std::string::npos);
  EXPECT_EQ(document.root().find("revision").integer(0, 9).value(), 1);
  EXPECT_EQ(box_.offers.size(), offers) << "init goes on with what it has";
  EXPECT_EQ(box_.get("/v1/revisions").status, 503);
  EXPECT_EQ(box_.get("/v1/peers").status, 200);
  EXPECT_EQ(box_.get("/metrics").status, 200);
  const Answered done = box_.ask({"POST", "/v1/database/recover"});
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(box_.get("/v1/revisions/1").status, 200);
  EXPECT_EQ(box_.get("/v1/certificates/access").status, 200);
  EXPECT_NE(box_.get("/v1/status").body.find("\"ok\""), std::string::npos);
  bool kept = false;
  for (const auto& entry : std::filesystem::directory_iterator(box_.folder())) {
    kept = kept || entry.path().filename().string().starts_with("fedge.db.damaged-");
  }
  EXPECT_TRUE(kept);
}

TEST_F(Certificates, B4_ALostDatabaseIsNotTakenForANewBox) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  box_.run_until([&] { return copied_revision(box_.folder()) == 1; });
  box_.stop();
  std::filesystem::remove(box_.folder() + "/fedge.db-wal");
  std::filesystem::resize_file(box_.folder() + "/fedge.db", 0);
  const size_t offers = box_.offers.size();
  ASSERT_TRUE(box_.start());
  EXPECT_EQ(box_.offers.size(), offers) << "factory settings would end the traffic";
  EXPECT_NE(box_.get("/v1/status").body.find("damaged"), std::string::npos);
  EXPECT_EQ(box_.ask({"POST", "/v1/database/recover"}).status, 200);
  EXPECT_EQ(box_.get("/v1/status").json().root().find("revision").integer(0, 9).value(), 1);
  EXPECT_EQ(box_.get("/v1/certificates/access").status, 200);
}

TEST_F(Certificates, B4_DamageIsFoundWhileRunning) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  for (const char* behind : {"", "-wal"}) {
    const std::string path = box_.folder() + "/fedge.db" + behind;
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    for (size_t i = 0; i < std::filesystem::file_size(path); ++i) {
      file.put(static_cast<char>(i * 131 + i / 7));
    }
  }
  // What SQLite has in memory is good for a while; the next copy reads the file.
  box_.run_until([&] { return box_.control().store()->damaged(); });
  EXPECT_EQ(box_.get("/v1/revisions").status, 503);
  const Answered status = box_.get("/v1/status");
  EXPECT_NE(status.body.find("damaged"), std::string::npos);
  EXPECT_EQ(status.json().root().find("revision").integer(0, 9).value(), 1);
}

TEST_F(Certificates, B4_WhatIsMendedOutsideIsTakenUp) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  box_.stop();
  const std::string database = box_.folder() + "/fedge.db";
  std::filesystem::rename(database, database + ".away");
  std::filesystem::create_directory(database);
  ASSERT_TRUE(box_.start());
  EXPECT_EQ(box_.control().configuration(), nullptr);
  std::filesystem::remove(database);
  std::filesystem::rename(database + ".away", database);
  box_.run_until([&] { return box_.control().configuration() != nullptr; });
  EXPECT_EQ(box_.get("/v1/revisions/1").status, 200);
}

TEST_F(Certificates, B4_WithoutACopyANewDatabaseAndANewTokenAreMade) {
  EXPECT_EQ(box_.get("/v1/status").status, 200);
  box_.stop();
  write_noise(box_.folder() + "/fedge.db");
  write_noise(box_.folder() + "/fedge.db.last-good");
  Box again(box_.folder(), true);
  ASSERT_TRUE(again.start());
  ASSERT_NE(again.token, box_.token);
  EXPECT_EQ(again.get("/v1/status").status, 200);
  EXPECT_GT(again.offers.back().generation, box_.offers.back().generation);
}

}  // namespace
}  // namespace fedge::control::testing
