#include "firmware/store/store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace fedge::store {
namespace {

const Actor kWho{"admin", "192.0.2.7"};
const WallTime kNow{std::chrono::seconds(1'800'000'000)};

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    char name[] = "/tmp/fedge-store-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/fedge.db";
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  Store open(Fault fault = {}) {
    bool damaged = false;
    auto store = Store::open(path_, damaged, std::move(fault));
    if (!store) ADD_FAILURE() << store.error().text();
    return std::move(*store);
  }
  static Revision revision(uint64_t number, std::string document) {
    return {number, std::move(document), "admin", "first", kNow, RevisionState::published};
  }
  void write_noise(size_t from, size_t size) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(from));
    for (size_t i = 0; i < size; ++i) file.put(static_cast<char>(i * 131 + 17));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(StoreTest, P1_RemembersRevisionsOverAReopen) {
  {
    Store store = open();
    EXPECT_EQ(store.next_revision().value(), 0u);
    ASSERT_TRUE(store.publish(revision(0, "{}"), 1, 0, kWho, kNow));
    ASSERT_TRUE(store.publish(revision(1, R"({"a":1})"), 2, 0, kWho, kNow));
  }
  Store store = open();
  EXPECT_EQ(store.next_revision().value(), 2u);
  EXPECT_EQ(store.running().value()->revision, 1u);
  EXPECT_EQ(store.running().value()->generation, 2u);
  EXPECT_EQ(store.revision(1).value()->document, R"({"a":1})");
  EXPECT_FALSE(store.revision(9).value());
  const auto list = store.revisions(UINT64_MAX, 10).value();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].number, 1u);
  EXPECT_EQ(list[0].author, "admin");
  EXPECT_EQ(store.revisions(1, 10).value().size(), 1u);
  EXPECT_EQ(store.events(INT64_MAX, 10).value().size(), 2u);
}

TEST_F(StoreTest, P1_APublishConsumesOnlyTheCandidateItCameFrom) {
  Store store = open();
  EXPECT_FALSE(store.candidate().value());
  const uint64_t first = store.put_candidate("{}", kWho, kNow).value();
  const uint64_t second = store.put_candidate("[1]", kWho, kNow).value();
  EXPECT_GT(second, first);
  ASSERT_TRUE(store.publish(revision(0, "{}"), 1, first, kWho, kNow));
  EXPECT_EQ(store.candidate().value()->document, "[1]");
  ASSERT_TRUE(store.publish(revision(1, "[1]"), 2, second, kWho, kNow));
  EXPECT_FALSE(store.candidate().value());
  EXPECT_GT(store.put_candidate("{}", kWho, kNow).value(), second);
  ASSERT_TRUE(store.drop_candidate(kWho, kNow));
  EXPECT_FALSE(store.candidate().value());
}

TEST_F(StoreTest, P1_ARefusedRevisionIsMarkedAndTheOldOneRuns) {
  Store store = open();
  ASSERT_TRUE(store.publish(revision(0, "{}"), 1, 0, kWho, kNow));
  ASSERT_TRUE(store.publish(revision(1, "{}"), 2, 0, kWho, kNow));
  ASSERT_TRUE(store.refuse(1, {0, 3}, "signal: no memory", kNow));
  EXPECT_EQ(store.revision(1).value()->state, RevisionState::refused);
  EXPECT_EQ(store.running().value()->revision, 0u);
  EXPECT_EQ(store.running().value()->generation, 3u);
}

TEST_F(StoreTest, P1_KeepsTheNewestRevisionsAndWhatMayRunAgain) {
  Store store = open();
  store.keep({.revisions = 3});
  for (uint64_t n = 0; n < 5; ++n) {
    ASSERT_TRUE(store.publish(revision(n, "{}"), n + 1, 0, kWho, kNow));
  }
  EXPECT_FALSE(store.revision(1).value());
  EXPECT_TRUE(store.revision(2).value());
  // An old one runs again while newer ones come.
  ASSERT_TRUE(store.run(2, 6, "rolled back", kWho, kNow));
  ASSERT_TRUE(store.publish(revision(5, "{}"), 7, 0, kWho, kNow));
  EXPECT_TRUE(store.revision(2).value()) << "a refusal goes back to it";
  ASSERT_TRUE(store.refuse(5, {2, 8}, "no", kNow));
  EXPECT_EQ(store.running().value()->revision, 2u);
  EXPECT_EQ(store.next_revision().value(), 6u);
  ASSERT_TRUE(store.publish(revision(6, "{}"), 9, 0, kWho, kNow));
  ASSERT_TRUE(store.publish(revision(7, "{}"), 10, 0, kWho, kNow));
  std::vector<uint64_t> numbers;
  const auto list = store.revisions(UINT64_MAX, 10).value();
  for (const Revision& r : list) numbers.push_back(r.number);
  EXPECT_EQ(numbers, (std::vector<uint64_t>{7, 6, 5})) << "nothing goes back to 2 any more";
}

TEST_F(StoreTest, P6_KeepsTheNewestEvents) {
  Store store = open();
  store.keep({.events = 3});
  for (int n = 0; n < 10; ++n) {
    ASSERT_TRUE(store.note(kWho, "something", std::to_string(n), kNow));
  }
  const auto list = store.events(UINT64_MAX >> 1, 10).value();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list.front().detail, "9");
  EXPECT_EQ(list.back().detail, "7");
}

TEST_F(StoreTest, P1_RunningNeverPointsAtNothing) {
  Store store = open();
  EXPECT_FALSE(store.run(7, 1, "rolled back", kWho, kNow));  // foreign key
  EXPECT_FALSE(store.running().value());
  EXPECT_FALSE(store.damaged());
}

TEST_F(StoreTest, C3_KeepsSuccessorsInOrderAndNeverReusesAKey) {
  Store store = open();
  Certificate c{0, "access", "PEM", std::string("\0\1sealed", 8), kNow, {}, "aa"};
  const uint64_t first = store.add_certificate(c, kWho, kNow)->key;
  c.effective_from = kNow + std::chrono::hours(24);
  c.fingerprint = "bb";
  const uint64_t second = store.add_certificate(c, kWho, kNow)->key;
  auto list = store.certificates("access").value();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].key, first);
  EXPECT_EQ(list[0].sealed_key, c.sealed_key);
  EXPECT_EQ(list[1].fingerprint, "bb");
  ASSERT_TRUE(store.remove_certificate(second, kWho, kNow));
  EXPECT_GT(store.add_certificate(c, kWho, kNow)->key, second);
  EXPECT_TRUE(store.certificates("other").value().empty());
}

TEST_F(StoreTest, C1_TrustIsReplacedByName) {
  Store store = open();
  ASSERT_TRUE(store.put_trust("partners", "one", kWho, kNow));
  ASSERT_TRUE(store.put_trust("partners", "two", kWho, kNow));
  EXPECT_EQ(store.trust("partners").value()->pem, "two");
  EXPECT_EQ(store.trust_anchors().value().size(), 1u);
  ASSERT_TRUE(store.remove_trust("partners", kWho, kNow));
  EXPECT_FALSE(store.trust("partners").value());
}

TEST_F(StoreTest, P6_KnowsAdministratorsByTheHashOfTheirToken) {
  Store store = open();
  ASSERT_TRUE(store.add_administrator({"admin", "hash", Role::administrator, kNow, false}, kWho));
  EXPECT_FALSE(store.add_administrator({"other", "hash", Role::viewer, kNow, false}, kWho));
  ASSERT_TRUE(store.mark_token_used("admin"));
  const auto all = store.administrators().value();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].role, Role::administrator);
  EXPECT_TRUE(all[0].used);
}

TEST_F(StoreTest, P1_ABatchIsAllOrNothing) {
  Store store = open();
  {
    Store::Batch batch(store);
    ASSERT_TRUE(batch.begun());
    ASSERT_TRUE(store.put_trust("a", "x", kWho, kNow));
    ASSERT_TRUE(store.put_trust("b", "x", kWho, kNow));
  }
  EXPECT_TRUE(store.trust_anchors().value().empty());
  {
    Store::Batch batch(store);
    ASSERT_TRUE(store.put_trust("a", "x", kWho, kNow));
    ASSERT_TRUE(batch.commit());
  }
  EXPECT_EQ(store.trust_anchors().value().size(), 1u);
  EXPECT_EQ(store.changes(), 1u);
}

TEST_F(StoreTest, P1_TextIsNeverSql) {
  Store store = open();
  const std::string evil = "x'); DROP TABLE trust; --";
  ASSERT_TRUE(store.put_trust(evil, evil, kWho, kNow));
  EXPECT_EQ(store.trust(evil).value()->pem, evil);
}

// The process is ended at each fault point of a publish in turn; what the file then holds is the
// old revision or the new one, with everything that belongs to it.
TEST_F(StoreTest, P1_EndedAtAnyStepOfAPublishTheOldOrTheNewRevisionIsWhole) {
  {
    Store store = open();
    ASSERT_TRUE(store.publish(revision(0, "old"), 1, 0, kWho, kNow));
    ASSERT_TRUE(store.put_candidate("new", kWho, kNow));
  }
  const std::string saved = folder_ + "/saved.db";
  {
    Store store = open();
    ASSERT_TRUE(store.copy_to(saved));
  }
  int olds = 0;
  int news = 0;
  for (int stop_at = 0; stop_at < 20; ++stop_at) {
    for (const char* behind : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + behind);
    std::filesystem::copy_file(saved, path_);
    const pid_t child = ::fork();
    if (child == 0) {
      int step = 0;
      bool damaged = false;
      auto store = Store::open(path_, damaged, [&](std::string_view) {
        if (step++ == stop_at) ::_exit(3);
      });
      (void)store->publish(revision(1, "new"), 2, 1, kWho, kNow);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    Store store = open();
    const auto running = store.running().value();
    ASSERT_TRUE(running);
    const bool is_new = running->revision == 1;
    (is_new ? news : olds)++;
    EXPECT_EQ(running->generation, is_new ? 2u : 1u);
    EXPECT_EQ(store.revision(1).value().has_value(), is_new);
    EXPECT_EQ(store.candidate().value().has_value(), !is_new);
    EXPECT_EQ(store.events(INT64_MAX, 10).value().size(), is_new ? 3u : 2u);
    if (WEXITSTATUS(status) == 0) break;
  }
  EXPECT_GE(olds, 3);
  EXPECT_GE(news, 2);
}

TEST_F(StoreTest, B4_DamageIsToldClearlyAndTheFileIsLeftAlone) {
  {
    Store store = open();
    for (uint64_t n = 0; n < 20; ++n) {
      ASSERT_TRUE(store.publish(revision(n, std::string(5000, 'x')), n, 0, kWho, kNow));
    }
  }
  const auto size = std::filesystem::file_size(path_);
  for (const size_t from : {size_t{0}, size_t{4096}, static_cast<size_t>(size / 2)}) {
    const std::string saved = folder_ + "/saved.db";
    std::filesystem::copy_file(path_, saved, std::filesystem::copy_options::overwrite_existing);
    write_noise(from, size - from);
    bool damaged = false;
    auto store = Store::open(path_, damaged);
    ASSERT_FALSE(store) << from;
    EXPECT_TRUE(damaged) << from << store.error().text();
    EXPECT_NE(store.error().remedy.find("/v1/database/recover"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(path_));
    std::filesystem::rename(saved, path_);
  }
}

TEST_F(StoreTest, B4_DamageWhileRunningIsNoticed) {
  Store store = open();
  for (uint64_t n = 0; n < 50; ++n) {
    ASSERT_TRUE(store.publish(revision(n, std::string(50'000, 'x')), n, 0, kWho, kNow));
  }
  ASSERT_TRUE(store.copy_to(folder_ + "/copy.db"));
  for (const char* behind : {"", "-wal"}) {
    std::fstream file(path_ + behind, std::ios::in | std::ios::out | std::ios::binary);
    for (int i = 0; i < 4'000'000; ++i) file.put(static_cast<char>(i * 7));
  }
  bool failed = false;
  for (uint64_t n = 0; n < 50 && !failed; ++n) {
    auto read = store.revision(n);
    failed = !read;
  }
  EXPECT_TRUE(failed);
  EXPECT_TRUE(store.damaged());
  bool damaged = false;
  auto copy = Store::open(folder_ + "/copy.db", damaged);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->running().value()->revision, 49u);
}

TEST_F(StoreTest, B2_ANewerSchemaIsRefusedWithoutTouchingIt) {
  {
    bool damaged = false;
    auto database = Database::open(path_, damaged);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("PRAGMA user_version=99"));
  }
  bool damaged = false;
  auto store = Store::open(path_, damaged);
  ASSERT_FALSE(store);
  EXPECT_FALSE(damaged);
  EXPECT_NE(store.error().what.find("newer"), std::string::npos);
}

TEST_F(StoreTest, OneOwnerAtATime) {
  Store store = open();
  ASSERT_TRUE(store.put_trust("a", "x", kWho, kNow));
  bool damaged = false;
  auto second = Store::open(path_, damaged);
  ASSERT_FALSE(second);
  EXPECT_FALSE(damaged);
  EXPECT_NE(second.error().remedy.find("another process"), std::string::npos);
}

}  // namespace
}  // namespace fedge::store
