#include "firmware/wire/sip/writer.h"

#include <gtest/gtest.h>

#include "tests/unit/wire_sip/messages.h"

namespace fedge::sip::test {
namespace {

class Writing : public testing::Test {
 protected:
  void take(const std::string& text) {
    text_ = text;
    ASSERT_EQ(parse(text_, message_), Defect::none);
  }
  std::string written(const Editor& editor) {
    const auto size = editor.write(out_);
    if (!size) return "(does not fit)";
    EXPECT_EQ(*size, editor.size());
    return {out_.data(), *size};
  }
  size_t index_of(HeaderId id) const {
    return static_cast<size_t>(message_.find(id) - message_.header_store.data());
  }

  std::string text_;
  Message message_;
  std::array<char, 4096> out_;
};
using R1_Writing = Writing;

TEST_F(R1_Writing, UntouchedMessagesComeOutByteForByte) {
  take(kMessage);
  EXPECT_EQ(written(Editor(message_)), kMessage);
}

TEST_F(R1_Writing, ForwardsWithEdits) {
  take(kMessage);
  Editor editor(message_);
  editor.drop_values(index_of(HeaderId::route));
  editor.remove(index_of(HeaderId::content_type));
  editor.replace(index_of(HeaderId::max_forwards), "68");
  editor.extend_first_value(index_of(HeaderId::via), ";received=192.0.2.1");
  editor.prepend(HeaderId::via, "SIP/2.0/TLS edge;branch=z9hG4bKnew");
  editor.prepend(HeaderId::record_route, "<sip:edge;lr>");
  editor.append("ms-edge", "yes");
  editor.set_request_uri("sip:bob@inside.example.com");
  EXPECT_EQ(written(editor),
            crlf("MESSAGE sip:bob@inside.example.com SIP/2.0\n"
                 "Via: SIP/2.0/TLS edge;branch=z9hG4bKnew\n"
                 "Record-Route: <sip:edge;lr>\n"
                 "Via: SIP/2.0/TLS sip.partner.net:5061;branch=z9hG4bK77aa;alias;received=192.0.2.1"
                 ", SIP/2.0/TLS 10.1.2.3;branch=z9hG4bK1;received=192.0.2.9\n"
                 "Max-Forwards: 68\n"
                 "Route: <sip:fe.example.com;lr>\n"
                 "From: \"Alice, \\\"A\\\"\" <sip:alice@partner.net>;tag=a1;epid=99\n"
                 "To: <sip:bob@example.com>\n"
                 "Call-ID: 7d1c@partner.net\n"
                 "CSeq: 4711 MESSAGE\n"
                 "X-Unknown:   kept,  as it is  \n"
                 "Content-Length: 5\n"
                 "ms-edge: yes\n"
                 "\n"
                 "hello"));
}

TEST_F(R1_Writing, DroppingEveryValueDropsTheLine) {
  take(kMessage);
  Editor editor(message_);
  editor.drop_values(index_of(HeaderId::route), 2);
  editor.drop_values(index_of(HeaderId::via));
  const std::string out = written(editor);
  EXPECT_EQ(out.find("Route"), std::string::npos);
  EXPECT_NE(out.find("\r\nVia: SIP/2.0/TLS 10.1.2.3;"), std::string::npos);
}

TEST_F(R1_Writing, RemovingTheFirstHeaderKeepsWhatIsPrepended) {
  take(kMessage);
  Editor editor(message_);
  editor.remove_all(HeaderId::via);
  editor.prepend(HeaderId::via, "a");
  editor.prepend(HeaderId::via, "b");
  const std::string out = written(editor);
  EXPECT_NE(out.find("SIP/2.0\r\nVia: a\r\nVia: b\r\nMax-"), std::string::npos) << out;
}

TEST_F(R1_Writing, AnEditInsideARemovedHeaderGoesWithIt) {
  take(kMessage);
  Editor editor(message_);
  editor.extend_first_value(0, ";x");
  editor.remove(0);
  const std::string out = written(editor);
  EXPECT_EQ(out.find("Via"), std::string::npos);
  EXPECT_EQ(out.find(";x"), std::string::npos);
}

TEST_F(R1_Writing, FoldedHeadersAreEditedAsOne) {
  take(with("Route: <sip:edge.example.com;lr>, ", "Route:\n <sip:edge.example.com;lr>\n ,\n "));
  Editor editor(message_);
  editor.drop_values(index_of(HeaderId::route));
  EXPECT_NE(written(editor).find("Route:\r\n <sip:fe.example.com;lr>\r\n"), std::string::npos);
}

TEST_F(R1_Writing, SaysWhenItDoesNotFit) {
  take(kMessage);
  Editor editor(message_);
  editor.prepend(HeaderId::via, "a");
  std::string exact(editor.size(), ' ');
  EXPECT_TRUE(editor.write(exact));
  for (size_t n = 0; n < editor.size(); ++n) {
    std::string small(n, ' ');
    EXPECT_FALSE(editor.write(small)) << n;
  }
  for (int i = 0; i < 100; ++i) editor.append("X", "y");
  EXPECT_FALSE(editor.write(out_));
}

TEST_F(R1_Writing, AnswersARequest) {
  take(with("X-Unknown:", "Timestamp: 54\nX-Unknown:"));
  const HeaderText more[] = {{"Retry-After", "5"}};
  Response response{503, {}, "z7", ";received=192.0.2.1;rport=4000", more};
  const auto size = write_response(message_, response, out_);
  ASSERT_TRUE(size);
  EXPECT_EQ(std::string_view(out_.data(), *size),
            crlf("SIP/2.0 503 Service Unavailable\n"
                 "Via: SIP/2.0/TLS "
                 "sip.partner.net:5061;branch=z9hG4bK77aa;alias;received=192.0.2.1;rport=4000, "
                 "SIP/2.0/TLS 10.1.2.3;branch=z9hG4bK1;received=192.0.2.9\n"
                 "From: \"Alice, \\\"A\\\"\" <sip:alice@partner.net>;tag=a1;epid=99\n"
                 "To: <sip:bob@example.com>;tag=z7\n"
                 "Call-ID: 7d1c@partner.net\n"
                 "CSeq: 4711 MESSAGE\n"
                 "Retry-After: 5\n"
                 "Content-Length: 0\n"
                 "\n"));
  response = {100, {}, "z7", {}, {}};
  const auto trying = write_response(message_, response, out_);
  ASSERT_TRUE(trying);
  const std::string_view text(out_.data(), *trying);
  EXPECT_NE(text.find("Timestamp: 54\r\n"), text.npos);
  EXPECT_EQ(text.find("z7"), text.npos);
  EXPECT_FALSE(write_response(message_, response, std::span(out_.data(), *trying - 1)));
}

TEST_F(R1_Writing, AnAnswerKeepsTheTagOfTo) {
  take(with("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=theirs"));
  const auto size = write_response(message_, {481, "Gone away", "z7", {}, {}}, out_);
  ASSERT_TRUE(size);
  const std::string_view text(out_.data(), *size);
  EXPECT_TRUE(text.starts_with("SIP/2.0 481 Gone away\r\n"));
  EXPECT_EQ(text.find("z7"), text.npos);
}

TEST_F(R1_Writing, DerivesAckAndCancel) {
  std::string invite = kMessage;
  for (size_t at; (at = invite.find("MESSAGE")) != std::string::npos;)
    invite.replace(at, 7, "INVITE");
  take(invite);
  const auto cancel = write_cancel(message_, out_);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(std::string_view(out_.data(), *cancel),
            crlf("CANCEL sip:bob@example.com SIP/2.0\n"
                 "Via: SIP/2.0/TLS sip.partner.net:5061;branch=z9hG4bK77aa;alias\n"
                 "Max-Forwards: 70\n"
                 "Route: <sip:edge.example.com;lr>, <sip:fe.example.com;lr>\n"
                 "From: \"Alice, \\\"A\\\"\" <sip:alice@partner.net>;tag=a1;epid=99\n"
                 "Call-ID: 7d1c@partner.net\n"
                 "To: <sip:bob@example.com>\n"
                 "CSeq: 4711 CANCEL\n"
                 "Content-Length: 0\n"
                 "\n"));
  std::array<char, 1024> buffer;
  const auto size = write_response(message_, {486, {}, "busy1", {}, {}}, buffer);
  ASSERT_TRUE(size);
  Message response;
  ASSERT_EQ(parse({buffer.data(), *size}, response), Defect::none);
  const auto ack = write_ack(message_, response, out_);
  ASSERT_TRUE(ack);
  const std::string_view text(out_.data(), *ack);
  EXPECT_TRUE(text.starts_with("ACK sip:bob@example.com SIP/2.0\r\n"));
  EXPECT_NE(text.find("To: <sip:bob@example.com>;tag=busy1\r\nCSeq: 4711 ACK\r\n"), text.npos);
}

}  // namespace
}  // namespace fedge::sip::test
