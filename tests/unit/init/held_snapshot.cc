#include "firmware/init/held_snapshot.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "firmware/snapshot/writer.h"

namespace fedge::init {
namespace {

using snapshot::Kind;

std::string appliance_section(const std::string& name) {
  snapshot::Writer w(Kind::appliance);
  snapshot::Appliance root{};
  root.name = w.text(name);
  root.fqdn = w.text("sip.example.com");
  root.site = w.text("hq");
  return w.finish(root);
}

std::string realms_section() {
  snapshot::Writer w(Kind::realms);
  return w.finish(snapshot::Realms{});
}

const snapshot::SectionHeader& header_of(const std::string& section) {
  return *reinterpret_cast<const snapshot::SectionHeader*>(section.data());
}

struct Sealed {
  link::SnapshotOffer offer;
  std::vector<Fd> fds;
};

Sealed seal(const std::map<Kind, std::string>& sections) {
  Sealed out;
  out.offer.generation = 5;
  out.offer.revision = 2;
  for (const auto& [kind, bytes] : sections) {
    const auto& h = header_of(bytes);
    out.offer.sections.push_back({kind, {h.checksum[0], h.checksum[1]}});
    out.fds.push_back(std::move(*make_sealed_memfd("t", as_bytes(bytes))));
  }
  return out;
}

TEST(HeldSnapshot, TakesAWholeOfferAndGivesEachProcessItsPart) {
  auto sealed =
      seal({{Kind::appliance, appliance_section("edge1")}, {Kind::realms, realms_section()}});
  auto held = take_offer(sealed.offer, sealed.fds);
  ASSERT_TRUE(held) << held.error().text();
  EXPECT_EQ(held->generation, 5u);
  EXPECT_GE(held->find(Kind::realms), 0);
  EXPECT_EQ(held->find(Kind::tls), -1);
  const Kind kinds[] = {Kind::realms, Kind::tls};
  const Offer offer = make_offer(*held, kinds);
  ASSERT_EQ(offer.message.sections.size(), 1u);
  EXPECT_EQ(offer.message.sections[0].kind, Kind::realms);
  EXPECT_EQ(offer.fds[0], held->find(Kind::realms));
}

TEST(HeldSnapshot, RefusesAnOfferWithAnyByteChanged) {
  const std::string whole = appliance_section("edge1");
  for (size_t i = 0; i < whole.size(); ++i) {
    auto sealed = seal({{Kind::appliance, whole}});
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    sealed.fds[0] = std::move(*make_sealed_memfd("t", as_bytes(damaged)));
    EXPECT_FALSE(take_offer(sealed.offer, sealed.fds)) << "octet " << i;
  }
}

TEST(HeldSnapshot, RefusesMemoryThatCanStillChange) {
  auto sealed = seal({{Kind::appliance, appliance_section("edge1")}});
  const std::string bytes = appliance_section("edge1");
  sealed.fds[0] = std::move(*make_shared_memfd("t", bytes.size()));
  ASSERT_EQ(::pwrite(sealed.fds[0].get(), bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
  const auto held = take_offer(sealed.offer, sealed.fds);
  ASSERT_FALSE(held);
  EXPECT_NE(held.error().text().find("not sealed"), std::string::npos);
}

TEST(HeldSnapshot, RefusesOffersThatDoNotAddUp) {
  auto missing = seal({{Kind::appliance, appliance_section("edge1")}});
  missing.fds.clear();
  EXPECT_FALSE(take_offer(missing.offer, missing.fds));
  auto other = seal({{Kind::appliance, appliance_section("edge1")}});
  other.offer.sections[0].checksum[0] ^= 1;
  EXPECT_FALSE(take_offer(other.offer, other.fds));
  auto zero = seal({{Kind::appliance, appliance_section("edge1")}});
  zero.offer.generation = 0;
  EXPECT_FALSE(take_offer(zero.offer, zero.fds));
  auto twice = seal({{Kind::appliance, appliance_section("edge1")}});
  twice.offer.sections.push_back(twice.offer.sections[0]);
  twice.fds.push_back(twice.fds[0].duplicate());
  EXPECT_FALSE(take_offer(twice.offer, twice.fds));
}

// Control's folder as control writes it.
struct Stored : testing::Test {
  Stored() {
    char name[] = "/tmp/fedge-held-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~Stored() override { std::filesystem::remove_all(folder); }
  std::string path(uint64_t generation, const std::string& file) const {
    return fmt::format("{}/generations/{}/{}", folder, generation, file);
  }
  void put(const std::string& file, const std::string& text) {
    ASSERT_TRUE(write_file_durably(file, as_bytes(text)));
  }
  void store(uint64_t generation) {
    const std::string section = appliance_section("edge" + std::to_string(generation));
    ASSERT_TRUE(make_directories(fmt::format("{}/generations/{}", folder, generation)));
    put(path(generation, "1.section"), section);
    const auto& h = header_of(section);
    put(path(generation, "manifest"),
        fmt::format("fedge-generation 1\ngeneration {} revision {}\n1 {:016x}{:016x} {}\nend\n",
                    generation, generation + 10, h.checksum[0], h.checksum[1], section.size()));
  }
  void set_current(const std::string& text) { put(folder + "/generations/current", text); }
  uint64_t loaded() {
    const auto held = load_last_good(folder);
    return held ? held->generation : 999;
  }
  std::string folder;
};

TEST_F(Stored, NothingStoredIsNoError) { EXPECT_EQ(loaded(), 0u); }

TEST_F(Stored, LoadsTheCurrentGeneration) {
  store(3);
  store(4);
  set_current("3\n");
  const auto held = load_last_good(folder);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->generation, 3u);
  EXPECT_EQ(held->revision, 13u);
  EXPECT_TRUE(is_sealed(held->find(Kind::appliance)));
}

TEST_F(Stored, FallsBackToTheOtherWhenTheCurrentIsDamaged) {
  store(3);
  store(4);
  set_current("4\n");
  for (const char* file : {"1.section", "manifest"}) {
    const std::string good = *read_file(path(4, file));
    for (size_t i = 0; i < good.size(); i += 7) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 0x11);
      put(path(4, file), bad);
      EXPECT_EQ(loaded(), 3u) << file << ", octet " << i;
    }
    put(path(4, file), good.substr(0, good.size() / 2));
    EXPECT_EQ(loaded(), 3u) << file << " cut";
    put(path(4, file), good);
    EXPECT_EQ(loaded(), 4u);
  }
}

TEST_F(Stored, SaysSoWhenNothingIsWhole) {
  store(3);
  put(path(3, "manifest"), "noise");
  set_current("3\n");
  const auto held = load_last_good(folder);
  ASSERT_FALSE(held);
  EXPECT_FALSE(held.error().remedy.empty());
}

TEST_F(Stored, ADamagedPointerTakesTheNewestWhole) {
  store(3);
  store(4);
  set_current("noise");
  EXPECT_EQ(loaded(), 4u);
  std::filesystem::remove(folder + "/generations/current");
  EXPECT_EQ(loaded(), 4u);
}

TEST_F(Stored, FollowsNoLinkAndWaitsOnNoPipe) {
  store(3);
  store(4);
  set_current("4\n");
  std::filesystem::rename(path(4, "1.section"), path(4, "real"));
  std::filesystem::create_symlink("real", path(4, "1.section"));
  EXPECT_EQ(loaded(), 3u);
  std::filesystem::remove(folder + "/generations/current");
  ASSERT_EQ(::mkfifo((folder + "/generations/current").c_str(), 0600), 0);
  EXPECT_EQ(loaded(), 3u);
}

}  // namespace
}  // namespace fedge::init
