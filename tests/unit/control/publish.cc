// Publishing: who answers what, going back, restarts, stops at every step.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "tests/unit/control/box.h"

namespace fedge::control::testing {
namespace {

using link::Process;
using snapshot::Kind;

std::string state_of(const Answered& answer) {
  return answer.json().root().find("state").text().value_or("");
}

uint64_t revision_in_status(Box& box) {
  const Answered a = box.get("/v1/status");
  const auto document = a.json();
  return static_cast<uint64_t>(document.root().find("revision").integer(0, 1 << 30).value_or(-1));
}

std::map<Kind, std::array<uint64_t, 2>> checksums(const link::SnapshotOffer& offer) {
  std::map<Kind, std::array<uint64_t, 2>> out;
  for (const auto& s : offer.sections) out[s.kind] = {s.checksum[0], s.checksum[1]};
  return out;
}

TEST(Publish, P1_TheFirstStartOffersTheFactoryRevision) {
  Box box;
  ASSERT_TRUE(box.start());
  box.run_until([&] { return !box.offers.empty(); });
  EXPECT_EQ(box.offers[0].generation, 1u);
  EXPECT_EQ(box.offers[0].revision, 0u);
  EXPECT_TRUE(checksums(box.offers[0]).contains(Kind::management));
  EXPECT_EQ(box.keys_offered(Kind::keys_agent, Process::agent).size(), 1u);
  EXPECT_EQ(box.keys_offered(Kind::keys_signal, Process::signal).size(), 0u);
  EXPECT_EQ(revision_in_status(box), 0u);
}

TEST(Publish, P1_RunsEverywhereIs200AndTheKeysGoToTheirProcesses) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  const Answered a = publish(box, topology_text(), "wait=5s&comment=first%20one");
  EXPECT_EQ(a.status, 200) << a.body;
  EXPECT_EQ(state_of(a), "running");
  EXPECT_EQ(revision_in_status(box), 1u);
  EXPECT_EQ(box.keys_offered(Kind::keys_signal, Process::signal).size(), 2u);
  EXPECT_EQ(box.keys_offered(Kind::keys_agent, Process::agent).size(), 1u);
  const Answered revision = box.get("/v1/revisions/1");
  EXPECT_NE(revision.body.find("first one"), std::string::npos);
  EXPECT_NE(revision.body.find("fe1.example.com"), std::string::npos);
}

TEST(Publish, P1_UnchangedSectionsKeepTheirChecksumKeysIncluded) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  const auto before = checksums(box.offers.back());
  ASSERT_EQ(publish(box, topology_text(5071)).status, 200);
  for (const auto& [kind, checksum] : checksums(box.offers.back())) {
    EXPECT_EQ(checksum == before.at(kind), kind != Kind::listeners) << static_cast<int>(kind);
  }
}

TEST(Publish, P1_ASilentForwarderIsNamedWhenTheWaitIsOver) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  box.manners[Process::signal] = Manner::silent;
  const Answered a = publish(box, topology_text(), "wait=300ms");
  EXPECT_EQ(a.status, 202) << a.body;
  const auto document = a.json();
  for (const auto& f : document.root().find("forwarders").items()) {
    const bool is_signal = f.find("process").text().value() == "signal";
    EXPECT_EQ(f.find("state").text().value(), is_signal ? "missing" : "running");
  }
}

TEST(Publish, P1_AForwarderThatIsDownIsNamedWithTheReason) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  box.manners[Process::fastpath] = Manner::silent;
  box.say_process(Process::fastpath, false);
  const Answered a = publish(box, topology_text(), "wait=300ms");
  EXPECT_EQ(a.status, 202);
  EXPECT_NE(a.body.find("not running: it was killed"), std::string::npos) << a.body;
  EXPECT_NE(box.get("/v1/status").body.find("\"down\""), std::string::npos);
}

TEST(Publish, P1_ARefusalPutsTheOldSectionsBack) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  const auto good = checksums(box.offers.back());
  box.manners[Process::signal] = Manner::refuses;
  const Answered a = publish(box, topology_text(5071));
  EXPECT_EQ(a.status, 409) << a.body;
  EXPECT_NE(a.body.find("it does not like it"), std::string::npos);
  EXPECT_EQ(checksums(box.offers.back()), good);
  EXPECT_GT(box.offers.back().generation, box.offers[box.offers.size() - 2].generation);
  EXPECT_EQ(revision_in_status(box), 1u);
  EXPECT_NE(box.get("/v1/revisions/2").body.find("refused"), std::string::npos);
  // And after a restart it is the same.
  box.stop();
  ASSERT_TRUE(box.start());
  EXPECT_EQ(revision_in_status(box), 1u);
  EXPECT_EQ(checksums(box.offers.back()), good);
}

TEST(Publish, P1_RollBackRunsTheOldRevisionAgain) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  const auto first = checksums(box.offers.back());
  ASSERT_EQ(publish(box, topology_text(5071)).status, 200);
  const Answered a = box.ask({"POST", "/v1/revisions/1/rollback"});
  EXPECT_EQ(a.status, 200) << a.body;
  EXPECT_EQ(checksums(box.offers.back()), first);
  EXPECT_EQ(revision_in_status(box), 1u);
  EXPECT_EQ(box.ask({"POST", "/v1/revisions/99/rollback"}).status, 404);
  EXPECT_EQ(box.ask({"POST", "/v1/revisions/x/rollback"}).status, 404);
}

TEST(Publish, P1_ARestartOffersTheSameGenerationByteForByte) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  const auto last = box.offers.back();
  box.stop();
  ASSERT_TRUE(box.start());
  box.run_until([&] { return box.offers.size() > 1; });
  EXPECT_EQ(box.offers.back().generation, last.generation);
  EXPECT_EQ(checksums(box.offers.back()), checksums(last));
  EXPECT_EQ(revision_in_status(box), 1u);
}

TEST(Publish, P1_TwoPublishesAtOnceAreBothAnswered) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(box.ask({"PUT", "/v1/topology/candidate", topology_text(), "", "*"}).status, 200);
  box.manners[Process::agent] = Manner::silent;
  const uint64_t first = box.send({"POST", "/v1/topology/publish", "", "wait=10s", "", ""});
  const uint64_t put = box.send({"PUT", "/v1/topology/candidate", topology_text(5071), "", "*"});
  EXPECT_EQ(box.collect(put).status, 200);
  box.manners[Process::agent] = Manner::runs;
  const uint64_t second = box.send({"POST", "/v1/topology/publish", "", "wait=10s", "", ""});
  EXPECT_EQ(box.collect(second).status, 200);
  EXPECT_EQ(box.collect(first).status, 200);  // a newer one runs everywhere
}

// The process ends at each fault point in turn. What init would boot from and what control then
// says agree, and are the old or the new revision, whole.
TEST(Publish, P1_EndedAtAnyStepTheOldOrTheNewRevisionIsWhole) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  ASSERT_EQ(box.ask({"PUT", "/v1/topology/candidate", topology_text(5071), "", "*"}).status, 200);
  const std::string token = box.token;
  box.stop();
  const std::string saved = box.folder() + "-saved";
  std::filesystem::copy(box.folder(), saved, std::filesystem::copy_options::recursive);
  std::set<uint64_t> seen;
  bool finished = false;
  int steps = 0;
  for (; !finished && steps < 60; ++steps) {
    const std::string folder = box.folder() + "-run";
    std::filesystem::remove_all(folder);
    std::filesystem::copy(saved, folder, std::filesystem::copy_options::recursive);
    const pid_t child = ::fork();
    if (child == 0) {
      bool armed = false;
      int step = 0;
      Box victim(folder, false, [&](std::string_view) {
        if (armed && step++ == steps) ::_exit(3);
      });
      victim.token = token;
      if (!victim.start()) ::_exit(1);
      armed = true;
      (void)victim.ask({"POST", "/v1/topology/publish"});
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_NE(WEXITSTATUS(status), 1);
    finished = WEXITSTATUS(status) == 0;
    // What init maps at boot is whole.
    auto generations = Generations::open(folder);
    auto booted = generations->load(generations->current().value());
    ASSERT_TRUE(booted) << booted.error().text();
    Box after(folder);
    after.token = token;
    ASSERT_TRUE(after.start());
    const uint64_t revision = revision_in_status(after);
    seen.insert(revision);
    EXPECT_TRUE(revision == 1 || revision == 2) << revision;
    EXPECT_GE(revision, booted->revision);
    const bool is_new = after.get("/v1/topology").body.find("5071") != std::string::npos;
    EXPECT_EQ(is_new, revision == 2);
    EXPECT_EQ(after.offers.back().revision, revision);
    if (finished) {
      EXPECT_EQ(revision, 2u);
    }
    after.stop();
    std::filesystem::remove_all(folder);
  }
  std::filesystem::remove_all(saved);
  EXPECT_TRUE(finished);
  EXPECT_GT(steps, 10);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Publish, B4_ADamagedGenerationIsCompiledAgain) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  const uint64_t generation = box.offers.back().generation;
  box.stop();
  const std::string section =
      box.folder() + "/generations/" + std::to_string(generation) + "/5.section";
  ASSERT_TRUE(write_file_durably(section, as_bytes("noise")));
  ASSERT_TRUE(box.start());
  EXPECT_EQ(revision_in_status(box), 1u);
  EXPECT_GT(box.offers.back().generation, generation);
}

}  // namespace
}  // namespace fedge::control::testing
