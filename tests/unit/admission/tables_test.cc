#include "dataplane/admission/tables.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "dataplane/admission/shared_table.h"
#include "dataplane/admission/verdict.h"
#include "tests/unit/admission/sample.h"

namespace fedge::admission {
namespace {

std::string refusal_of(const SampleSections& sections) {
  const auto tables = build_sample(sections);
  return tables ? "" : tables.error().text();
}

TEST(Tables, R11_FindRealmsAddressesAndListeners) {
  const auto tables = *build_sample(sample_sections());
  ASSERT_EQ(tables->realms().size(), 3u);
  EXPECT_EQ(tables->find_realm(0, 0), 0);
  EXPECT_EQ(tables->find_realm(0, 7), 1);
  EXPECT_EQ(tables->find_realm(1, 0), 2);
  EXPECT_EQ(tables->find_realm(1, 7), kNoRealm);
  EXPECT_EQ(tables->find_realm(9, 0), kNoRealm);
  const Local* const local = tables->find_local(0, *IpAddress::parse("fd00::1"));
  ASSERT_NE(local, nullptr);
  EXPECT_TRUE(local->listens(5061));
  EXPECT_FALSE(local->listens(5060));
  EXPECT_EQ(tables->find_local(2, *IpAddress::parse("fd00::1")), nullptr);
  EXPECT_TRUE(tables->in_subnet(0, *IpAddress::parse("10.0.0.77")));
  EXPECT_FALSE(tables->in_subnet(0, *IpAddress::parse("10.0.1.77")));
  for (const char* named : {"10.0.0.9", "10.0.0.53", "fd00::53", kRouter}) {
    EXPECT_TRUE(tables->is_named(0, *IpAddress::parse(named))) << named;
    EXPECT_FALSE(tables->is_named(1, *IpAddress::parse(named))) << named;
  }
}

TEST(Tables, B6_OverlappingSubnetsStayApart) {
  auto sample = kSample;
  sample[1].addresses = {"10.0.0.1/24"};
  sample[1].listeners = {"10.0.0.1:443"};
  const auto tables = build_sample(sample_sections(sample));
  ASSERT_TRUE(tables) << tables.error().text();
  const auto address = *IpAddress::parse("10.0.0.1");
  EXPECT_TRUE((*tables)->find_local(0, address)->listens(5061));
  EXPECT_FALSE((*tables)->find_local(0, address)->listens(443));
  EXPECT_TRUE((*tables)->find_local(1, address)->listens(443));
}

TEST(Tables, P1_RefuseInWordsWhatThisBoxCannotRun) {
  auto sample = kSample;
  sample[2].device = "port7";
  EXPECT_EQ(refusal_of(sample_sections(sample)),
            "realm inside: this box has no port port7 (name one of the ports in the board's "
            "description)");
  sample = kSample;
  sample[1].vlan = 0;
  EXPECT_EQ(refusal_of(sample_sections(sample)),
            "realm dmz: realm outside has the same port and VLAN (give one of them another VLAN)");
  sample = kSample;
  sample[0].listeners = {"10.0.0.7:5061"};
  EXPECT_EQ(refusal_of(sample_sections(sample)),
            "listener l10.0.0.7:5061: realm outside has no address 10.0.0.7");
  EXPECT_EQ(refusal_of(sample_sections(kSample, 3)),
            "next hop sip.partner.example: its realm is not in the snapshot");
  EXPECT_EQ(refusal_of(sample_sections(kSample, 0, 3)),
            "name server 10.0.0.53:53: its realm is not in the snapshot");
}

TEST(Tables, R1_WithoutASnapshotThereIsNoRealm) {
  const auto tables = Tables::none();
  EXPECT_EQ(tables->find_realm(0, 0), kNoRealm);
  EXPECT_TRUE(tables->realms().empty());
}

TEST(Verdict, R11_ReasonsHaveDistinctTexts) {
  std::set<std::string_view> texts;
  for (int i = 0; i < kReasonCount; ++i) texts.insert(Reason::at(static_cast<uint8_t>(i)).text());
  EXPECT_EQ(texts.size(), static_cast<size_t>(kReasonCount));
}

using Table = SharedTable<1, 2>;

TEST(SharedTable, R11_KeepsWhatIsPutAndForgetsWhatIsErased) {
  Table table(1000, 42);
  for (uint64_t i = 1; i <= 1000; ++i) ASSERT_TRUE(table.put({i}, {i, ~i})) << i;
  EXPECT_EQ(table.size(), 1000u);
  EXPECT_TRUE(table.put({7}, {70, 71}));
  EXPECT_EQ(table.size(), 1000u);
  EXPECT_EQ((*table.find({7}))[1], 71u);
  EXPECT_TRUE(table.erase({7}));
  EXPECT_FALSE(table.erase({7}));
  EXPECT_FALSE(table.find({7}));
  table.erase_if([](const auto& key, const auto&) { return key[0] % 2 == 0; });
  EXPECT_EQ(table.size(), 499u);
  EXPECT_FALSE(table.find({8}));
  EXPECT_TRUE(table.find({9}));
}

TEST(SharedTable, R11_RefusesWhenEightSlotsAreTaken) {
  Table table(1, 0);
  uint64_t kept = 0;
  for (uint64_t i = 1; i <= 100; ++i) kept += table.put({i}, {i, i}) ? 1 : 0;
  EXPECT_EQ(kept, table.size());
  EXPECT_LT(kept, 100u);
  EXPECT_GE(kept, 4u);
}

TEST(SharedTable, R11_ReadersNeverSeeHalfAnEntry) {
  Table table(8, 3);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) {
      for (uint64_t key = 1; key <= 4; ++key) {
        const auto value = table.find({key});
        ASSERT_TRUE(!value || (*value)[0] == ~(*value)[1]);
      }
    }
  });
  for (uint64_t i = 0; i < 200'000; ++i) {
    const uint64_t key = 1 + i % 4;
    if (i % 7 == 0) {
      table.erase({key});
    } else {
      table.put({key}, {i, ~i});
    }
  }
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace fedge::admission
