#include "firmware/init/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace fedge::init {
namespace {

constexpr const char* kGood = R"({"instance": "edge1", "board": "host", "state": "/var/lib/x",
  "programs": "/usr/lib/fedge", "management": "[::1]:8443",
  "ports": [{"name": "port0", "interface": "eth1"}, {"name": "port1", "interface": "eth2"}]})";

std::string errors_of(std::string_view text) {
  const auto config = parse_config(text);
  std::string out;
  if (!config) {
    for (const Error& e : config.error()) out += e.text() + "\n";
  }
  return out;
}

TEST(Config, ReadsAnInstance) {
  const auto config = parse_config(kGood);
  ASSERT_TRUE(config) << errors_of(kGood);
  EXPECT_EQ(config->instance, "edge1");
  EXPECT_EQ(config->state, "/var/lib/x");
  EXPECT_EQ(config->management.text(), "[::1]:8443");
  ASSERT_EQ(config->ports.size(), 2u);
  EXPECT_EQ(config->ports[1].interface, "eth2");
}

TEST(Config, HasDefaults) {
  const auto config =
      parse_config(R"({"instance": "edge1", "ports": [{"name": "port0", "interface": "eth1"}]})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->state, "/var/lib/fedge/edge1");
  EXPECT_EQ(config->management.text(), "127.0.0.1:8443");
  EXPECT_EQ(config->board, "host");
  EXPECT_FALSE(config->watchdog);
  EXPECT_EQ(config->signal_workers, 1u);
  EXPECT_EQ(config->fastpath_workers, 1u);
}

struct WorkersField {
  const char* name;
  unsigned most;
  std::vector<unsigned> wrong;
  unsigned (*value)(const Config&);
};
class ConfigWorkers : public testing::TestWithParam<WorkersField> {};

TEST_P(ConfigWorkers, B1_R10_TakesAsManyAsThereCanBe) {
  const WorkersField& field = GetParam();
  const auto text = [&](const std::string& workers) {
    return R"({"instance": "a", "ports": [{"name": "p", "interface": "e"}], ")" +
           std::string(field.name) + "\": " + workers + "}";
  };
  for (const unsigned number : {1u, 2u, field.most}) {
    const auto config = parse_config(text(std::to_string(number)));
    ASSERT_TRUE(config);
    EXPECT_EQ(field.value(*config), number);
  }
  std::vector<std::string> wrongs{"0", "-1", "1.5", "\"2\""};
  for (const unsigned number : field.wrong) wrongs.push_back(std::to_string(number));
  for (const std::string& wrong : wrongs) {
    const auto config = parse_config(text(wrong));
    ASSERT_FALSE(config) << wrong;
    EXPECT_EQ(config.error()[0].where, "/" + std::string(field.name));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Fields, ConfigWorkers,
    testing::Values(WorkersField{"signal_workers",
                                 16,
                                 {17},
                                 [](const Config& c) { return unsigned{c.signal_workers}; }},
                    WorkersField{"fastpath_workers",
                                 8,
                                 {3, 5, 6, 7, 9, 16},
                                 [](const Config& c) { return unsigned{c.fastpath_workers}; }}),
    [](const auto& field) { return std::string(field.param.name); });

TEST(Config, MakesPathsAbsolute) {
  const auto config = parse_config(
      R"({"instance": "a", "state": "x/../y", "ports": [{"name": "p", "interface": "e"}]})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->state.front(), '/');
  EXPECT_TRUE(config->state.ends_with("/y"));
  EXPECT_EQ(config->state.find(".."), std::string::npos);
}

TEST(Config, TellsEverythingThatIsWrongWithItsPath) {
  const std::string errors = errors_of(R"({"instance": "Edge 1", "state": 7, "colour": "red",
    "management": "8443", "board": "x86", "watchdog": "yes",
    "ports": [{"name": "port0", "interface": "a/b"}, {"name": "port0"},
              {"name": "p", "interface": "lo", "speed": 1}]})");
  for (const char* path :
       {"/instance: the text \"Edge 1\"", "/state: the number 7",
        "/colour: ", "/management: ", "/board: ", "/watchdog: ", "/ports/0/interface: ",
        "/ports/1/name: \"port0\" is there twice", "/ports/1/interface: is missing",
        "/ports/2/interface: ", "/ports/2/speed: is no member known here"}) {
    EXPECT_NE(errors.find(path), std::string::npos) << path << " is not in:\n" << errors;
  }
}

TEST(Config, RefusesWhatIsNoObject) {
  for (const char* text :
       {"", "[]", "7", "{", R"({"instance": "a"})", R"({"ports": []})",
        R"({"instance": "a", "ports": {}})", R"({"instance": "a", "ports": [1]})"}) {
    EXPECT_FALSE(parse_config(text)) << text;
  }
}

TEST(Config, SaysWhichFileIsMissing) {
  const auto config = read_config("/nonexistent/board.json");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error()[0].text().find("/nonexistent/board.json"), std::string::npos);
}

TEST(Config, B1_APciPortComesWithItsMac) {
  const auto config = parse_config(
      R"({"instance": "a", "ports": [{"name": "p", "interface": "0000:03:00.1",
          "mac": "02:00:5e:10:00:0a"}]})");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->ports[0].is_pci());
  EXPECT_EQ(config->ports[0].mac, (std::array<uint8_t, 6>{2, 0, 0x5e, 0x10, 0, 10}));

  for (const char* mac : {"", "02:00:5e:10:00", "01:00:5e:10:00:0a", "00:00:00:00:00:00",
                          "02-00-5e-10-00-0a", "02:00:5e:10:00:zz", "02:00:5e:10:00:0a1"}) {
    const auto wrong = parse_config(
        R"({"instance": "a", "ports": [{"name": "p", "interface": "0000:03:00.1", "mac": ")" +
        std::string(mac) + R"("}]})");
    ASSERT_FALSE(wrong) << mac;
    EXPECT_EQ(wrong.error()[0].where, "/ports/0/mac");
  }
  const auto missing = parse_config(
      R"({"instance": "a", "ports": [{"name": "p", "interface": "0000:03:00.1"},
          {"name": "q", "interface": "eth0", "mac": "02:00:5e:10:00:0a"}]})");
  ASSERT_FALSE(missing);
  ASSERT_EQ(missing.error().size(), 2u);
  EXPECT_EQ(missing.error()[0].where, "/ports/0/mac");
  EXPECT_EQ(missing.error()[1].where, "/ports/1/mac");
}

}  // namespace
}  // namespace fedge::init
