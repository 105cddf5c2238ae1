#include "board/linux/host.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace fedge::board {
namespace {

struct HostTest : testing::Test {
  HostTest() {
    char name[] = "/tmp/fedge-host-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~HostTest() override { std::filesystem::remove_all(folder); }
  void put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file_durably(folder + "/" + name, as_bytes(text), 0600));
  }
  std::unique_ptr<Hal> host() {
    HostOptions options;
    options.ports = {{"port0", "eth1"}};
    options.seal_folder = folder + "/seal";
    options.dmi_folder = folder;
    options.watchdog = folder + "/watchdog";
    options.use_watchdog = true;
    return make_host(options);
  }
  std::string key_of(std::string_view process) {
    auto fd = host()->sealing_key(process);
    if (!fd || !is_sealed(fd->get())) return {};
    auto mapping = Mapping::read_only(fd->get());
    return mapping ? std::string(as_text(mapping->bytes())) : std::string();
  }
  std::string folder;
};

TEST_F(HostTest, TellsWhoItIs) {
  put("product_name", "A box\n");
  EXPECT_EQ(host()->identity().board, "host");
  EXPECT_EQ(host()->identity().model, "A box");
  EXPECT_EQ(host()->identity().serial, "");
  ASSERT_EQ(host()->ports().size(), 1u);
}

TEST_F(HostTest, SealingKeysAreMadeOnceOneForEachProcess) {
  const std::string key = key_of("signal");
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(key_of("signal"), key);
  EXPECT_NE(key_of("agent"), key);
  struct stat st{};
  ASSERT_EQ(::stat((folder + "/seal/signal.key").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(HostTest, ADamagedSealingKeyIsNeverReplaced) {
  ASSERT_FALSE(key_of("signal").empty());
  put("seal/signal.key", "short");
  auto key = host()->sealing_key("signal");
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().text().find("5 octets instead of 32"), std::string::npos);
}

TEST_F(HostTest, PetsTheWatchdogOnlyWhereThereIsOne) {
  EXPECT_FALSE(host()->has_watchdog());
  put("watchdog", "");
  auto box = host();
  EXPECT_TRUE(box->has_watchdog());
  box->pet_watchdog();
  box.reset();
  EXPECT_EQ(*read_file(folder + "/watchdog"), "\nV");
}

}  // namespace
}  // namespace fedge::board
