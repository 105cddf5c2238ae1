#include "firmware/base/json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>

#include "firmware/base/fd.h"

namespace fedge::json {
namespace {

std::string error_of(std::string_view text, const Limits& limits = {}) {
  const auto document = Document::parse(text, limits);
  return document ? "accepted" : document.error().text();
}

TEST(Json, B4_ReadsValuesWithTheirPaths) {
  const auto document = Document::parse(
      R"({"realms":[{"name":"outside","mtu":1500},{"addresses":[{},{"address":"10.1.0.1/24"}]}],)"
      R"("a/b~c":{"on":true,"ratio":0.5,"none":null}})");
  ASSERT_TRUE(document) << document.error().text();
  const Value root = document->root();
  EXPECT_EQ(root.path(), "");
  const Value realm = root.find("realms").items()[0];
  EXPECT_EQ(*realm.find("name").text(), "outside");
  EXPECT_EQ(*realm.find("mtu").integer(576, 9000), 1500);
  const Value address = root.find("realms").items()[1].find("addresses").items()[1].find("address");
  EXPECT_EQ(address.path(), "/realms/1/addresses/1/address");
  const Value odd = root.find("a/b~c");
  EXPECT_EQ(odd.path(), "/a~1b~0c");
  EXPECT_TRUE(*odd.find("on").boolean());
  EXPECT_EQ(*odd.find("ratio").number(), 0.5);
  EXPECT_TRUE(odd.find("none").is(Kind::null));
  EXPECT_FALSE(root.find("absent"));
  EXPECT_EQ(root.size(), 2u);
  EXPECT_EQ(root.members()[1].name, "a/b~c");
}

TEST(Json, B4_TypedGettersSayWhereWhatAndWhatIsAllowed) {
  const auto document = Document::parse(R"({"mtu":"big","port":70000,"half":1.5,"long":")" +
                                        std::string(500, 'x') + R"("})");
  ASSERT_TRUE(document);
  const Value root = document->root();
  EXPECT_EQ(root.find("mtu").integer(1, 9).error().text(),
            "/mtu: found the text \"big\" (allowed: a whole number from 1 to 9)");
  EXPECT_EQ(root.find("port").integer(1, 65535).error().text(),
            "/port: found the number 70000 (allowed: a whole number from 1 to 65535)");
  EXPECT_FALSE(root.find("half").integer(0, 10));
  EXPECT_EQ(root.find("port").text().error().what, "found the number 70000");
  EXPECT_FALSE(root.find("port").boolean());
  EXPECT_LT(root.find("long").found().size(), 120u);
}

TEST(Json, B4_WholeNumbersAreExactOrRefused) {
  const auto document =
      Document::parse("[9007199254740992, 9007199254740993e1, 1e3, -5, 1.0, 1e300]");
  ASSERT_TRUE(document);
  const auto items = document->root().items();
  constexpr auto kLeast = std::numeric_limits<int64_t>::min();
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*items[0].integer(kLeast, kMost), int64_t{1} << 53);
  EXPECT_FALSE(items[1].integer(kLeast, kMost));
  EXPECT_EQ(*items[2].integer(kLeast, kMost), 1000);
  EXPECT_EQ(*items[3].integer(kLeast, kMost), -5);
  EXPECT_EQ(*items[4].integer(kLeast, kMost), 1);
  EXPECT_FALSE(items[5].integer(kLeast, kMost));
}

TEST(Json, B4_KeepsEveryCharacterOfText) {
  const auto document =
      Document::parse(R"({"k\u0000ey":"a\u0000b\\u0000 \u00e9\ud83d\ude00\/\b\f\n\r\t"})");
  ASSERT_TRUE(document);
  const Member member = document->root().members()[0];
  EXPECT_EQ(member.name, std::string("k\0ey", 4));
  EXPECT_EQ(*member.value.text(),
            std::string("a\0b\\u0000 \xc3\xa9\xf0\x9f\x98\x80/\b\f\n\r\t", 22));
}

TEST(Json, B4_RefusesWithLineAndColumn) {
  EXPECT_EQ(error_of("{\n  \"a\": 1,\n  \"b\" 2}"),
            "line 3, column 7 (offset 18): '2' stands after a name (allowed here: ':')");
  EXPECT_EQ(error_of("[1] x"),
            "line 1, column 5 (offset 4): 'x' follows the end of the value "
            "(remove what follows)");
  EXPECT_EQ(error_of(""),
            "line 1, column 1 (offset 0): the end of the text is no value (allowed: an object, an "
            "array, text in double quotes, a number, true, false, null)");
}

TEST(Json, B4_RefusesWhatCJsonWouldLetPass) {
  for (const std::string_view text : {R"({"a":1,"b":2,"a":3})",
                                      R"({"a":1,"\u0061":2})",
                                      "[01]",
                                      "[-]",
                                      "[1.]",
                                      "[+1]",
                                      "[.5]",
                                      "[1e]",
                                      "\"\t\"",
                                      R"("\x")",
                                      R"("\u12")",
                                      R"("\ud800")",
                                      R"("\udc00")",
                                      R"("\ud800\u0041")",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\xef\xbb\xbf{}",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "[1 2]",
                                      "nul",
                                      "[1e999]",
                                      "\"abc",
                                      "{",
                                      "[\"a\0\"]"}) {
    EXPECT_NE(error_of(text), "accepted") << text;
  }
  EXPECT_NE(error_of(std::string_view("[1]\0", 4)), "accepted");
  EXPECT_NE(error_of(std::string_view("\0", 1)), "accepted");
  EXPECT_EQ(error_of(R"({"a":{"a":1},"b":[{"a":1},{"a":1}]})"), "accepted");
}

TEST(Json, B4_BoundsDepthAndSize) {
  const auto nested = [](size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(error_of(nested(65)), "accepted");
  EXPECT_EQ(error_of(nested(66)),
            "line 1, column 66 (offset 65): the value is nested too deep (at most 64 levels are "
            "allowed)");
  EXPECT_NE(error_of(nested(100000)), "accepted");
  EXPECT_EQ(error_of("[1,2,3]", {.bytes = 6}),
            "the JSON text: has 7 octets (at most 6 are allowed)");
}

TEST(Json, B4_WriterEscapesAndKeepsOrder) {
  Writer w;
  w.begin_object().member("z", 1).member("a", "q\"\\\n\x01\xff\xc3\xa9");
  w.key("list").begin_array().value(true).null().value(0.5).value(-3).raw("{}").end_array();
  w.key("empty").begin_object().end_object().end_object();
  EXPECT_EQ(w.take(),
            "{\"z\":1,\"a\":\"q\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\","
            "\"list\":[true,null,0.5,-3,{}],\"empty\":{}}");
}

TEST(Json, B4_WriterIsExactTo64Bits) {
  Writer w;
  w.begin_array();
  w.value(std::numeric_limits<uint64_t>::max()).value(std::numeric_limits<int64_t>::min());
  w.value(std::numeric_limits<int64_t>::max()).value(uint8_t{7}).end_array();
  EXPECT_EQ(w.take(), "[18446744073709551615,-9223372036854775808,9223372036854775807,7]");
}

TEST(Json, B4_WriterIndentsWhenAsked) {
  Writer w(Writer::Style::pretty);
  w.begin_object().member("a", 1).key("b").begin_array().end_array();
  w.key("c").begin_array().value(1).value(2).end_array().end_object();
  EXPECT_EQ(w.take(), "{\n  \"a\": 1,\n  \"b\": [],\n  \"c\": [\n    1,\n    2\n  ]\n}\n");
}

// https://github.com/nst/JSONTestSuite: y_ must be accepted, n_ refused, i_ either.
TEST(Json, B4_JsonTestSuite) {
  const std::filesystem::path folder = "../shared/conformance/json/JSONTestSuite";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not here";
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    const auto text = read_file(entry.path().string());
    ASSERT_TRUE(text) << text.error().text();
    if (name.starts_with("test_parsing_")) name.erase(0, 13);
    ++files;
    const bool accepted = Document::parse(*text).has_value();
    // RFC 8259 section 4 leaves repeated names to the receiver: here they are refused.
    if (name.starts_with("y_object_duplicated_key")) {
      EXPECT_FALSE(accepted) << name;
    } else if (name.starts_with("y_")) {
      EXPECT_TRUE(accepted) << name << ": " << error_of(*text);
    } else if (name.starts_with("n_")) {
      EXPECT_FALSE(accepted) << name;
    }
  }
  EXPECT_GT(files, 300u);
}

}  // namespace
}  // namespace fedge::json
