#include "firmware/wire/sdp/editor.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/wire_sdp/descriptions.h"

namespace fedge::sdp::test {
namespace {

class M4_Editing : public testing::Test {
 protected:
  void take(const std::string& text) {
    text_ = text;
    ASSERT_EQ(parse(text_, description_), Malformed::none);
  }
  std::string written(const Editor& editor) {
    std::vector<char> out(editor.size());
    const auto size = editor.write(out);
    if (!size) return "(does not fit)";
    EXPECT_EQ(*size, out.size());
    if (!out.empty()) {
      EXPECT_FALSE(editor.write(std::span(out).first(out.size() - 1)));
    }
    return {out.data(), *size};
  }
  // The offer with texts replaced in turn.
  static std::string replaced(std::string text,
                              std::vector<std::pair<std::string, std::string>> pairs) {
    for (const auto& [old, other] : pairs) {
      const size_t at = text.find(old);
      EXPECT_NE(at, std::string::npos) << old;
      text.replace(at, old.size(), other);
    }
    return text;
  }
  const Media& media(size_t i) const { return description_.media()[i]; }

  std::string text_;
  Description description_;
  const IpAddress v4_ = *IpAddress::parse("198.51.100.7");
  const IpAddress v6_ = *IpAddress::parse("2001:db8::7");
};

TEST_F(M4_Editing, UntouchedItComesOutByteForByte) {
  for (const std::string& text : {kOffer, kOffer.substr(0, kOffer.size() - 2), kOffer + "\r\n"}) {
    take(text);
    EXPECT_EQ(written(Editor(description_)), text);
  }
}

TEST_F(M4_Editing, AnchorsTheOffer) {
  take(kOffer);
  Editor editor(description_);
  editor.set_rtcp(media(0), 40001, v6_);
  editor.set_origin_address(v6_);
  editor.set_session_connection(v6_);
  editor.set_port(media(1), 40002);
  editor.set_port(media(0), 40000);
  for (const std::string_view name : kIceAttributes)
    editor.remove_attributes(media(0).section, name);
  const size_t ice = kOffer.find("a=candidate");
  const std::string stripped = kOffer.substr(0, ice) + kOffer.substr(kOffer.find("a=rtcp:50021"));
  EXPECT_EQ(written(editor),
            replaced(stripped, {{"IN IP4 10.1.2.3", "IN IP6 2001:db8::7"},
                                {"IN IP4 10.1.2.3", "IN IP6 2001:db8::7"},
                                {"m=audio 50020", "m=audio 40000"},
                                {"50021 IN IP4 10.1.2.3", "40001 IN IP6 2001:db8::7"},
                                {"m=video 50030/2", "m=video 40002"}}));
}

TEST_F(M4_Editing, ConnectionsAreAddedWhereTheyBelong) {
  take(kOffer);
  Editor editor(description_);
  editor.append_attribute(media(1).section, "sendrecv");
  editor.set_connection(media(1), v4_);
  editor.set_connection(media(0), v6_);
  EXPECT_EQ(written(editor),
            replaced(kOffer, {{"8 97 101\r\n", "8 97 101\r\nc=IN IP6 2001:db8::7\r\n"},
                              {"i=a camera\r\n", "i=a camera\r\nc=IN IP4 198.51.100.7\r\n"},
                              {"a=rtcp-mux\r\n", "a=rtcp-mux\r\na=sendrecv\r\n"}}));
}

TEST_F(M4_Editing, ConnectionsStandBeforeAttributesWhateverTheCallsOrder) {
  const std::string bare = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 1 RTP/AVP 0";
  take(bare);
  Editor editor(description_);
  editor.append_attribute(media(0).section, "inactive");
  editor.set_rtcp(media(0), 7, {});
  editor.set_connection(media(0), v4_);
  editor.set_session_connection(v4_);  // there is none: nothing
  EXPECT_EQ(written(editor), bare + "\r\nc=IN IP4 198.51.100.7\r\na=inactive\r\na=rtcp:7\r\n");
}

TEST_F(M4_Editing, TheLastLineMayLackItsEndAndGo) {
  take(kOffer.substr(0, kOffer.size() - 2));
  Editor editor(description_);
  editor.append_attribute(media(1).section, "x");
  editor.remove_attributes(media(1).section, kRtcpMux);
  EXPECT_EQ(written(editor), replaced(kOffer, {{"a=rtcp-mux\r\n", "a=x\r\n"}}));
}

TEST_F(M4_Editing, OwnConnectionsAreReplacedScopeAndAll) {
  const std::string text = replaced(kOffer, {{"i=a camera\r\n", "c=IN IP4 224.2.1.1/127\r\n"}});
  take(text);
  Editor editor(description_);
  editor.set_connection(media(1), v4_);
  EXPECT_EQ(written(editor), replaced(text, {{"224.2.1.1/127", "198.51.100.7"}}));
}

TEST_F(M4_Editing, OneRtcpIsLeft) {
  take(replaced(kOffer, {{"a=sendonly\r\n", "a=sendonly\r\na=rtcp:9\r\na=rtcp:10\r\n"}}));
  Editor editor(description_);
  editor.set_rtcp(media(0), 40001, {});
  EXPECT_EQ(written(editor), replaced(kOffer, {{"rtcp:50021 IN IP4 10.1.2.3", "rtcp:40001"}}));
}

TEST_F(M4_Editing, CandidatesAreRewrittenOneByOne) {
  take(kOffer);
  Editor editor(description_);
  std::string expected = kOffer;
  for (size_t i = media(0).section.begin; i < media(0).section.end; ++i) {
    const Line& line = description_.lines()[i];
    const auto attribute = description_.attribute(line);
    if (attribute.name != kCandidate) continue;
    const auto candidate = read_candidate(attribute.value);
    ASSERT_TRUE(candidate);
    if (candidate->type == "srflx") {
      editor.replace_value(line, "candidate:9 1 UDP 5 198.51.100.7 40000 typ relay");
    } else {
      editor.remove(line);
    }
  }
  const size_t from = kOffer.find("a=candidate");
  const size_t to = kOffer.find("a=ice-ufrag");
  expected.replace(from, to - from, "a=candidate:9 1 UDP 5 198.51.100.7 40000 typ relay\r\n");
  EXPECT_EQ(written(editor), expected);
}

TEST_F(M4_Editing, AnEditInsideARemovedLineGoesWithIt) {
  take(kOffer);
  Editor editor(description_);
  editor.set_rtcp(media(0), 1, {});
  editor.remove_attributes(media(0).section, kRtcp);
  EXPECT_EQ(written(editor), replaced(kOffer, {{"a=rtcp:50021 IN IP4 10.1.2.3\r\n", ""}}));
}

TEST_F(M4_Editing, TooMuchIsNotSent) {
  take(kOffer);
  Editor many(description_);
  for (size_t i = 0; i < 300; ++i) many.append_attribute(media(0).section, "x");
  EXPECT_EQ(written(many), "(does not fit)");
  Editor large(description_);
  large.append_attribute(media(0).section, std::string(9000, 'x'));
  EXPECT_EQ(written(large), "(does not fit)");
}

}  // namespace
}  // namespace fedge::sdp::test
