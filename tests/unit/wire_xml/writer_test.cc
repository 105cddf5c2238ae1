#include "firmware/wire/xml/writer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "firmware/wire/xml/reader.h"

namespace fedge::xml {
namespace {

using namespace std::string_view_literals;

std::string escaped(std::string_view text, bool in_attribute) {
  std::array<char, 512> buffer;
  Output out(buffer);
  write_escaped(out, text, in_attribute);
  return std::string(out.text());
}

TEST(M3_XmlWriter, WritesElementsAttributesAndText) {
  std::array<char, 512> buffer;
  Writer writer(buffer);
  writer.declare().open("r").attribute("xmlns", "urn:a").attribute("q", "\"<&>'");
  writer.element("a", "1 < 2").element("b", "").element("n", 4294967295u).open("c").close();
  EXPECT_FALSE(writer.size());  // <r> is open
  writer.text("tail").close();
  ASSERT_TRUE(writer.size());
  EXPECT_EQ(std::string_view(buffer.data(), *writer.size()),
            "<?xml version=\"1.0\"?><r xmlns=\"urn:a\" q=\"&quot;&lt;&amp;&gt;'\">"
            "<a>1 &lt; 2</a><b></b><n>4294967295</n><c/>tail</r>");
}

TEST(M3_XmlWriter, EscapesWhatAReaderWouldChange) {
  EXPECT_EQ(escaped("\r\n\t", false), "&#13;\n\t");
  EXPECT_EQ(escaped("\r\n\t", true), "&#13;&#10;&#9;");
  EXPECT_EQ(escaped("]]>", false), "]]&gt;");
}

TEST(M3_XmlWriter, ReplacesWhatNoXmlMayHave) {
  constexpr std::string_view kGood =
      "\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 "
      "\xef\xbf\xbd \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf \x7f";
  EXPECT_EQ(escaped(kGood, false), kGood);
  for (const auto one : {"\x01"sv, "\0"sv, "\x1f"sv, "\x80"sv, "\xc2"sv, "\xff"sv})
    EXPECT_EQ(escaped("a" + std::string(one) + "b", true),
              "a\xef\xbf\xbd"
              "b");
  // Overlong, surrogate, beyond Unicode, no character: each octet is replaced.
  for (const auto broken : {"\xc0\x80"sv, "\xe0\x80\x80"sv, "\xed\xa0\x80"sv, "\xf0\x80\x80\x80"sv,
                            "\xf4\x90\x80\x80"sv, "\xef\xbf\xbe"sv, "\xef\xbf\xbf"sv}) {
    const std::string text = escaped(broken, false);
    EXPECT_EQ(text.size(), 3 * broken.size());
  }
}

TEST(M3_XmlWriter, WhatIsWrittenReadsTheSame) {
  const auto reader = std::make_unique<Reader>(1);
  std::string every;
  for (char c = 1; c < 127; ++c)
    if (c >= ' ' || c == '\t' || c == '\n' || c == '\r') every += c;
  std::array<char, 2048> buffer;
  Writer writer(buffer);
  writer.open("r").attribute("a", every).text(every).close();
  ASSERT_EQ(reader->read({buffer.data(), writer.size().value()}), Malformed::none);
  const Element& root = reader->document().root();
  EXPECT_EQ(root.text, every);
  EXPECT_EQ(reader->document().find_attribute(root, "a")->value, every);
}

TEST(M3_XmlWriter, SaysWhenItDidNotFit) {
  const auto fill = [](std::span<char> room) {
    Writer writer(room);
    writer.open("r").attribute("a", "<").element("b", 7).text("&").close();
    return writer.size();
  };
  std::string room(100, '\0');
  const auto whole = fill(room);
  ASSERT_TRUE(whole);
  for (size_t size = 0; size < *whole; ++size)
    EXPECT_FALSE(fill(std::span(room).first(size))) << size;
  EXPECT_EQ(fill(std::span(room).first(*whole)), whole);
}

TEST(M3_XmlWriter, SaysWhenItIsTooDeep) {
  std::string room(1000, '\0');
  for (const size_t depth : {Writer::kDeepestWritten, Writer::kDeepestWritten + 1}) {
    Writer writer(room);
    for (size_t i = 0; i < depth; ++i) writer.open("r");
    for (size_t i = 0; i < depth; ++i) writer.close();
    EXPECT_EQ(writer.size().has_value(), depth == Writer::kDeepestWritten);
  }
}

}  // namespace
}  // namespace fedge::xml
