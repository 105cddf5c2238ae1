#include "firmware/wire/sip/message.h"

#include <gtest/gtest.h>

#include "firmware/wire/sip/constants.h"
#include "tests/unit/wire_sip/messages.h"

namespace fedge::sip::test {
namespace {

TEST(R1, ReadsARequest) {
  Message m;
  ASSERT_EQ(parse(kMessage, m), Defect::none);
  EXPECT_TRUE(m.is_request);
  EXPECT_EQ(m.method, Method::message);
  EXPECT_EQ(m.request_uri, "sip:bob@example.com");
  EXPECT_EQ(m.target.user, "bob");
  EXPECT_EQ(m.target.host, "example.com");
  EXPECT_EQ(m.header_count, 10);
  EXPECT_EQ(m.via.host, "sip.partner.net");
  EXPECT_EQ(m.via.port, 5061);
  EXPECT_EQ(m.via.branch, "z9hG4bK77aa");
  EXPECT_TRUE(m.via.has_alias);
  EXPECT_EQ(m.from_tag, "a1");
  EXPECT_EQ(m.from.uri, "sip:alice@partner.net");
  EXPECT_EQ(m.to_tag, "");
  EXPECT_EQ(m.call_id, "7d1c@partner.net");
  EXPECT_EQ(m.cseq, 4711u);
  EXPECT_EQ(m.max_forwards, 69);
  EXPECT_EQ(m.max_breadth, -1);
  EXPECT_EQ(m.body, "hello");
  EXPECT_EQ(m.whole, kMessage);
  EXPECT_EQ(m.headers()[7].name, "X-Unknown");
  EXPECT_EQ(m.headers()[7].value, "kept,  as it is");
  EXPECT_EQ(m.headers()[7].line, "X-Unknown:   kept,  as it is  \r\n");
  EXPECT_EQ(m.find(HeaderId::contact), nullptr);
}

TEST(R1, ReadsAResponse) {
  Message m;
  const std::string text = with("MESSAGE sip:bob@example.com SIP/2.0", "SIP/2.0 603 No: thanks");
  ASSERT_EQ(parse(text, m), Defect::none);
  EXPECT_FALSE(m.is_request);
  EXPECT_EQ(m.status, 603);
  EXPECT_EQ(m.reason, "No: thanks");
  EXPECT_EQ(m.method, Method::message);
  EXPECT_EQ(m.method_text, "MESSAGE");
}

TEST(R1, NothingIsLeftFromTheMessageBefore) {
  Message m;
  const std::string tagged = with("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=x");
  ASSERT_EQ(parse(tagged, m), Defect::none);
  EXPECT_EQ(m.to_tag, "x");
  EXPECT_EQ(parse("SIP/2.0 200 OK\r\n\r\n", m), Defect::missing_header);
  EXPECT_EQ(m.to_tag, "");
  EXPECT_EQ(m.call_id, "");
  EXPECT_EQ(m.max_forwards, -1);
  EXPECT_EQ(m.via.branch, "");
  EXPECT_EQ(m.header_count, 0);
  EXPECT_EQ(m.method, Method::other);
}

TEST(R1, ReadsCompactFormsFoldsAndSpaceBeforeTheColon) {
  Message m;
  const std::string text = crlf(
      "OPTIONS sip:a@b SIP/2.0\n"
      "v  :  SIP / 2.0\n / TLS\n  host.example ;\n branch = z9hG4bKx  ,\n"
      " SIP/2.0/TCP other;branch=y\n"
      "f: sip:a@b;tag=1\n"
      "T\t: sip:b@b ; tag\t=\n  2\n"
      "i: x\n"
      "cseq: 0009\n  OPTIONS\n"
      "L:\n 0\n"
      "s:\n"
      "k: replaces\n"
      "\n");
  ASSERT_EQ(parse(text, m), Defect::none);
  EXPECT_EQ(m.via.transport, "TLS");
  EXPECT_EQ(m.via.host, "host.example");
  EXPECT_EQ(m.via.branch, "z9hG4bKx");
  EXPECT_EQ(m.from_tag, "1");
  EXPECT_EQ(m.to_tag, "2");
  EXPECT_EQ(m.to.uri, "sip:b@b");
  EXPECT_EQ(m.cseq, 9u);
  ASSERT_NE(m.find(HeaderId::supported), nullptr);
  EXPECT_EQ(m.find(HeaderId::supported)->value, "replaces");
  EXPECT_EQ(m.headers()[6].value, "");
}

struct BadCase {
  const char* from;
  const char* to;
  Defect defect;
};

TEST(R1, NamesEachDefect) {
  const BadCase cases[] = {
      {"MESSAGE sip:bob@example.com SIP/2.0", "MESSAGE", Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "MESSAGE  sip:bob@example.com SIP/2.0",
       Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "MESSAGE sip:bob@example.com SIP/2.0 ",
       Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "MESSAGE sip:bob@example.com HTTP/1.1",
       Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "MESS@GE sip:bob@example.com SIP/2.0",
       Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "SIP/2.0 99 Low", Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "SIP/2.0 700 High", Defect::start_line},
      {"MESSAGE sip:bob@example.com SIP/2.0", "SIP/2.0 2000 Long", Defect::start_line},
      {"SIP/2.0\r", "SIP/3.0\r", Defect::version},
      {"sip:bob@example.com SIP", "<sip:bob@example.com> SIP", Defect::uri},
      {"sip:bob@example.com SIP", "sip:bob@example.com?Route=x SIP", Defect::uri},
      {"sip:bob@example.com SIP", "sip:2001:db8::1 SIP", Defect::uri},
      {"sip:bob@example.com SIP", "mailto:bob@example.com SIP", Defect::uri_scheme},
      {"Call-ID: 7d1c@partner.net", "X: y", Defect::missing_header},
      {"X-Unknown: ", "CSeq: 4711 MESSAGE\nX:", Defect::duplicate_header},
      {"X-Unknown: ", "From: <sip:a@b>;tag=3\nX:", Defect::duplicate_header},
      {"X-Unknown: ", "l: 5\nX:", Defect::duplicate_header},
      {"X-Unknown: ", "no colon here", Defect::header},
      {"X-Unknown: ", ": no name", Defect::header},
      {"SIP/2.0/TLS sip", "SIP/1.0/TLS sip", Defect::via},
      {"branch=z9hG4bK77aa", "branch=z9hG4bK", Defect::via},
      {"alias,", "alias;;,", Defect::via},
      {"alias,", "branch=z9hG4bKother,", Defect::via},
      {"<sip:alice@partner.net>", "< sip:alice@partner.net >", Defect::from_or_to},
      {"\"Alice, \\\"A\\\"\"", "\"Alice", Defect::from_or_to},
      {"\"Alice, \\\"A\\\"\"", "Alice, A", Defect::from_or_to},
      {"To: <sip:bob@example.com>", "To: bob@example.com", Defect::from_or_to},
      {"7d1c@partner.net", "7d1c partner", Defect::call_id},
      {"7d1c@partner.net", "", Defect::call_id},
      {"CSeq: 4711 MESSAGE", "CSeq: 2147483648 MESSAGE", Defect::cseq},
      {"CSeq: 4711 MESSAGE", "CSeq: 4711MESSAGE", Defect::cseq},
      {"CSeq: 4711 MESSAGE", "CSeq: -1 MESSAGE", Defect::cseq},
      {"CSeq: 4711 MESSAGE", "CSeq: 4711 message", Defect::cseq_method_mismatch},
      {"Max-Forwards: 69", "Max-Forwards: 256", Defect::max_forwards},
      {"Max-Forwards: 69", "Max-Forwards: six", Defect::max_forwards},
      {"Max-Forwards: 69", "Max-Breadth: 0x1", Defect::max_breadth},
      {"Max-Forwards: 69", "Max-Breadth: -1", Defect::max_breadth},
      {"Content-Length: 5", "Content-Length: 6", Defect::content_length},
      {"Content-Length: 5", "Content-Length: -5", Defect::content_length},
      {"Content-Length: 5", "Content-Length: 99999999999999999999", Defect::content_length},
  };
  Message m;
  for (const BadCase& c : cases) {
    const std::string text = with(c.from, c.to);
    ASSERT_NE(text, kMessage) << c.from;
    EXPECT_EQ(text_of(parse(text, m)), text_of(c.defect)) << c.from << " -> " << c.to;
  }
}

TEST(R10, ReadsMaxBreadth) {
  Message m;
  ASSERT_EQ(parse(with("Max-Forwards: 69", "max-breadth: 4294"), m), Defect::none);
  EXPECT_EQ(m.max_breadth, 4294);
}

TEST(R1, ALoneCarriageReturnOrLineFeedIsRefused) {
  Message m;
  std::string text = kMessage;
  text.replace(text.find("\r\nMax-"), 2, "\n");
  EXPECT_EQ(parse(text, m), Defect::header);
  text = kMessage;
  text.replace(text.find("kept"), 1, "\r");
  EXPECT_EQ(parse(text, m), Defect::header);
  text = kMessage;
  text.replace(text.find("bob"), 1, "\r");
  EXPECT_EQ(parse(text, m), Defect::header);
}

TEST(R1, WhatARefusalNeedsIsReadBehindTheDefect) {
  Message m;
  const std::string future = with("SIP/2.0\r", "SIP/7.0\r");
  EXPECT_EQ(parse(future, m), Defect::version);
  EXPECT_EQ(m.via.branch, "z9hG4bK77aa");
  EXPECT_EQ(m.call_id, "7d1c@partner.net");
  EXPECT_EQ(m.cseq, 4711u);
  EXPECT_EQ(status_for(Defect::version), 505);
  EXPECT_EQ(status_for(Defect::uri_scheme), 416);
  EXPECT_EQ(status_for(Defect::cseq), 400);
  EXPECT_EQ(status_for(Defect::none), 0);
}

TEST(R1, TooManyHeadersAreRefused) {
  std::string many;
  for (size_t i = 0; i < kMostHeaders; ++i) many += "X: y\n";
  Message m;
  EXPECT_EQ(parse(with("X-Unknown:", many + "Z:"), m), Defect::too_many_headers);
  EXPECT_EQ(m.header_count, kMostHeaders);
}

TEST(R1, EveryPrefixIsSafe) {
  Message m;
  for (size_t n = 0; n < kMessage.size(); ++n) {
    const std::string cut = kMessage.substr(0, n);  // so that a sanitizer sees the end
    EXPECT_NE(parse(cut, m), Defect::none) << n;
  }
}

TEST(R1, NamesAndMethodsAreTakenBothWays) {
  for (unsigned i = 0; i < unsigned(HeaderId::other); ++i)
    EXPECT_EQ(header_id_of(name_of(HeaderId(i))), HeaderId(i));
  EXPECT_EQ(header_id_of("CONTENT-length"), HeaderId::content_length);
  EXPECT_EQ(header_id_of("MS-DIAGNOSTICS"), HeaderId::ms_diagnostics);
  EXPECT_EQ(header_id_of("x"), HeaderId::other);
  EXPECT_EQ(header_id_of(""), HeaderId::other);
  EXPECT_EQ(name_of(HeaderId::other), "");
  for (unsigned i = 0; i < unsigned(Method::other); ++i)
    EXPECT_EQ(method_of(name_of(Method(i))), Method(i));
  EXPECT_EQ(method_of("invite"), Method::other);
  EXPECT_EQ(reason_of(504), "Server Time-out");
  EXPECT_EQ(reason_of(499), "Unknown");
}

}  // namespace
}  // namespace fedge::sip::test
