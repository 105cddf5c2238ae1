#include "firmware/wire/xml/reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace fedge::xml {
namespace {

using namespace std::string_view_literals;

class M3_Xml : public testing::Test {
 protected:
  Malformed read(std::string_view text) { return reader_->read(text); }
  const Document& document() const { return reader_->document(); }
  const Element& root() const { return document().root(); }

  std::unique_ptr<Reader> reader_ = std::make_unique<Reader>(0x5eed);
};

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST_F(M3_Xml, ReadsATreeWithNamespaces) {
  ASSERT_EQ(read("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                 "<!-- a comment --><r xmlns='urn:a' xmlns:b='urn:b' id='1' b:id='2'>\n"
                 "<x>one</x><b:x b:y='&lt;&#x41;&apos;'>two<y xmlns=''/></b:x><x/></r>\n"),
            Malformed::none);
  EXPECT_EQ(document().elements().size(), 5u);
  EXPECT_TRUE(root().is("urn:a", "r"));
  EXPECT_EQ(root().text, "\n");
  EXPECT_EQ(document().find_attribute(root(), "id")->value, "1");
  ASSERT_EQ(document().attributes(root()).size(), 2u);
  EXPECT_EQ(document().attributes(root())[1].space, "urn:b");
  std::vector<std::string> children;
  for (const Element& child : document().children(root()))
    children.push_back(std::string(child.space) + " " + std::string(child.name));
  EXPECT_EQ(children, (std::vector<std::string>{"urn:a x", "urn:b x", "urn:a x"}));
  const Element* b = document().find_child(root(), "urn:b", "x");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->text, "two");
  EXPECT_TRUE(b->has_children());
  EXPECT_EQ(document().attributes(*b)[0].value, "<A'");
  EXPECT_FALSE(document().find_attribute(*b, "y"));  // it has a prefix
  EXPECT_TRUE(document().elements()[b->at + 1].is("", "y"));
  EXPECT_EQ(document().find_child(root(), "urn:a", "x")->text, "one");
  EXPECT_FALSE(document().find_child(root(), "urn:c", "x"));
}

TEST_F(M3_Xml, TextIsOnePieceHoweverItIsWritten) {
  ASSERT_EQ(read("<r>a&amp;<!-- - -->b<c>in</c><![CDATA[<d>]]>&#233;<?pi x?>\r\n</r>"),
            Malformed::none);
  EXPECT_EQ(root().text, "a&b<d>\xc3\xa9\n");
  EXPECT_EQ(document().find_child(root(), "", "c")->text, "in");
}

TEST_F(M3_Xml, SaysWhatIsWrong) {
  EXPECT_EQ(read("<r/>"), Malformed::none);
  for (const auto text : {"", " ", "<", "<r>", "<r></s>", "<r/><s/>", "text", "<r a='1' a='2'/>",
                          "<r a=1/>", "<r>\x01</r>", "<r>\xff</r>", "<r>\xc0\x80</r>",
                          "<r>&nbsp;</r>", "<r>&#0;</r>", "<r>&</r>", "<r a='<'/>"})
    EXPECT_EQ(read(text), Malformed::syntax) << text;
  EXPECT_EQ(read("<r>\0</r>"sv), Malformed::encoding);
  EXPECT_EQ(read("\xff\xfe<\0r\0/\0>\0"sv), Malformed::encoding);
  for (const auto text : {"<a:r/>", "<r a:b='c'/>", "<r xmlns:xml='urn:a'/>", "<r xmlns:a=''/>",
                          "<r xmlns:xmlns='urn:a'/>"})
    EXPECT_EQ(read(text), Malformed::name_space) << text;
  // The same attribute under two prefixes.
  EXPECT_EQ(read("<r xmlns:a='urn:a' xmlns:b='urn:a' a:c='1' b:c='2'/>"), Malformed::syntax);
}

TEST_F(M3_Xml, RefusesEveryDocumentType) {
  const std::string laughs = "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><r>&b;</r>";
  for (const std::string& text :
       {laughs, std::string("<!DOCTYPE r><r/>"),
        std::string("<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r/>"),
        std::string("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&x;</r>"),
        std::string("<!DOCTYPE r [<!ATTLIST r a CDATA 'default'>]><r/>")})
    EXPECT_EQ(read(text), Malformed::document_type) << text;
}

TEST_F(M3_Xml, EveryBoundIsExact) {
  EXPECT_EQ(read("<r>" + std::string(kLargest - 7, 'x') + "</r>"), Malformed::none);
  EXPECT_EQ(root().text.size(), kLargest - 7);
  EXPECT_EQ(read("<r>" + std::string(kLargest - 6, 'x') + "</r>"), Malformed::too_large);
  EXPECT_EQ(read(repeat("<r>", kDeepest) + repeat("</r>", kDeepest)), Malformed::none);
  EXPECT_EQ(read(repeat("<r>", kDeepest + 1) + repeat("</r>", kDeepest + 1)), Malformed::depth);
  EXPECT_EQ(read("<r>" + repeat("<s/>", kMostElements - 1) + "</r>"), Malformed::none);
  EXPECT_EQ(read("<r>" + repeat("<s/>", kMostElements) + "</r>"), Malformed::elements_many);
  const auto with_attributes = [&](size_t count) {
    return "<r>" + repeat("<s a='' b='' c='' d=''/>", count / 4) +
           (count % 4 != 0 ? "<s a=''/></r>" : "</r>");
  };
  EXPECT_EQ(read(with_attributes(kMostAttributes)), Malformed::none);
  EXPECT_EQ(read(with_attributes(kMostAttributes + 1)), Malformed::attributes_many);
  EXPECT_EQ(read("<" + std::string(kLongestName, 'n') + "/>"), Malformed::none);
  EXPECT_EQ(read("<" + std::string(kLongestName + 1, 'n') + "/>"), Malformed::name_long);
  EXPECT_EQ(read("<r xmlns='" + std::string(kLongestName, 'u') + "'/>"), Malformed::none);
  EXPECT_EQ(read("<r xmlns='" + std::string(kLongestName + 1, 'u') + "'/>"), Malformed::name_long);
  EXPECT_EQ(read("<r " + std::string(kLongestName + 1, 'n') + "=''/>"), Malformed::name_long);
}

// What would make a parser of unbounded memory large ends in a refusal.
TEST_F(M3_Xml, MemoryIsBounded) {
  const std::string space(kLongestName, 'u');
  // One element, many attributes, each with the long namespace in front.
  std::string text = "<r xmlns:p='" + space + "'";
  for (int i = 0; text.size() + 20 < kLargest; ++i) text += " p:a" + std::to_string(i) + "=''";
  EXPECT_NE(read(text + "/>"), Malformed::none);
  // Names that are all different, as many as there may be.
  text = "<r>";
  for (size_t i = 1; i < kMostElements; ++i) text += "<e" + std::to_string(i) + " a='b'/>";
  EXPECT_EQ(read(text + "</r>"), Malformed::none);
  // A namespace declared anew by each element.
  text = "<r>";
  for (size_t i = 1; i < kMostElements && text.size() + 40 < kLargest; ++i)
    text += "<e xmlns='urn:" + std::to_string(i) + "'/>";
  EXPECT_EQ(read(text + "</r>"), Malformed::none);
  EXPECT_EQ(document().elements().back().space, "urn:1023");
  // And the reader is as good as new.
  EXPECT_EQ(read("<r>x</r>"), Malformed::none);
  EXPECT_EQ(root().text, "x");
}

TEST_F(M3_Xml, CutAnywhereItIsMalformed) {
  const std::string good = "<?xml version='1.0'?><r a='&amp;'><b>text</b><!-- c --></r>";
  EXPECT_EQ(read(good), Malformed::none);
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(read(std::string_view(good).substr(0, size)), Malformed::syntax) << size;
}

TEST_F(M3_Xml, TheSameTextGivesTheSameTreeAndTheSameMemory) {
  const std::string text = "<r xmlns='urn:a'>" + repeat("<s t='u'>v</s>", 200) + "</r>";
  ASSERT_EQ(read(text), Malformed::none);
  const size_t used = reader_->used();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(read(text), Malformed::none);
  EXPECT_EQ(reader_->used(), used);
  EXPECT_EQ(document().elements().size(), 201u);
}

TEST_F(M3_Xml, EveryReasonHasItsOwnText) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < kMalformedCount; ++i) {
    const auto label = text(static_cast<Malformed>(i));
    EXPECT_FALSE(label.empty());
    EXPECT_EQ(std::ranges::find(seen, label), seen.end()) << label;
    seen.push_back(label);
  }
}

TEST_F(M3_Xml, TrimsWhatXmlCallsWhite) {
  EXPECT_EQ(trim(" \t\r\n a b \n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace fedge::xml
