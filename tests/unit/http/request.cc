#include "firmware/http/request.h"

#include <gtest/gtest.h>

#include "firmware/http/response.h"

namespace fedge::http {
namespace {

constexpr std::string_view kPut =
    "PUT /v1/topology/candidate?dry=1&x HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer abc\r\n"
    "If-Match: \"7\"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

TEST(P1, ReadsARequestWhateverTheCuts) {
  for (size_t cut = 1; cut <= kPut.size(); ++cut) {
    RequestParser parser{Limits{}};
    Progress progress = Progress::need_more;
    for (size_t at = 0; at < kPut.size(); at += cut) {
      EXPECT_EQ(progress, Progress::need_more);
      progress = parser.feed(as_bytes(kPut.substr(at, cut)));
    }
    ASSERT_EQ(progress, Progress::complete) << cut;
    const Request request = parser.take();
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.path, "/v1/topology/candidate");
    EXPECT_EQ(request.query, "dry=1&x");
    EXPECT_EQ(request.authorization, "Bearer abc");
    EXPECT_EQ(request.if_match, "\"7\"");
    EXPECT_EQ(request.content_type, "application/json");
    EXPECT_EQ(request.body, "{}");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_FALSE(parser.in_request());
  }
}

TEST(P1, KeepsPipelinedRequestsApart) {
  RequestParser parser{Limits{}};
  const std::string two = std::string(kPut) + "GET /second HTTP/1.1\r\nHost: b\r\n\r\n";
  ASSERT_EQ(parser.feed(as_bytes(two)), Progress::complete);
  EXPECT_EQ(parser.take().body, "{}");
  ASSERT_EQ(parser.feed({}), Progress::complete);
  EXPECT_EQ(parser.take().path, "/second");
  EXPECT_EQ(parser.feed({}), Progress::need_more);
}

// Whatever its last chunk is cut into; the second never ends.
TEST(P1, ReadsTheLastChunkOctetByOctet) {
  const std::string head = "POST /x HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string body : {"2\r\nab\r\n0\r\n\r\n", "0\r\n\n", "0\r\n\r\n"}) {
    RequestParser parser{Limits{}};
    auto progress = parser.feed(as_bytes(head));
    for (const char octet : body) progress = parser.feed(as_bytes(std::string_view(&octet, 1)));
    EXPECT_EQ(progress, body == "0\r\n\n" ? Progress::need_more : Progress::complete) << body;
  }
}

TEST(P1, ReadsChunkedBodies) {
  RequestParser parser{Limits{}};
  ASSERT_EQ(parser.feed(as_bytes("POST /x HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
            Progress::complete);
  EXPECT_EQ(parser.take().body, "abcde");
}

TEST(P1, TrailersChangeNothing) {
  RequestParser parser{Limits{}};
  ASSERT_EQ(parser.feed(as_bytes("POST /x HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "1\r\na\r\n0\r\nAuthorization: Bearer stolen\r\n"
                                 "Connection: close\r\n\r\n")),
            Progress::complete);
  const Request request = parser.take();
  EXPECT_EQ(request.body, "a");
  EXPECT_TRUE(request.authorization.empty());
  EXPECT_TRUE(request.keep_alive);
}

TEST(P1, KeepsAliveAsTheVersionSays) {
  const auto keeps = [](std::string_view bytes) {
    RequestParser parser{Limits{}};
    EXPECT_EQ(parser.feed(as_bytes(bytes)), Progress::complete);
    return parser.take().keep_alive;
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: b\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(P1, AsksForContinueOnce) {
  RequestParser parser{Limits{}};
  ASSERT_EQ(parser.feed(as_bytes("POST /x HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\n"
                                 "Content-Length: 3\r\n\r\n")),
            Progress::need_continue);
  ASSERT_EQ(parser.feed(as_bytes("ab")), Progress::need_more);
  ASSERT_EQ(parser.feed(as_bytes("c")), Progress::complete);
}

struct Refusal {
  std::string_view bytes;
  uint16_t status;
};

TEST(P1, RefusesWithTheStatusItDeserves) {
  const Limits limits{.header_bytes = 512, .fields = 8, .body_bytes = 16};
  const std::string long_target = "GET /" + std::string(600, 'a');
  const std::string long_field =
      "GET / HTTP/1.1\r\nHost: b\r\nX: " + std::string(600, 'a') + "\r\n\r\n";
  std::string many = "GET / HTTP/1.1\r\nHost: b\r\n";
  for (int i = 0; i < 10; ++i) many += "X: y\r\n";
  many += "\r\n";
  const Refusal refusals[] = {
      {"GET / HTTP/2.0\r\nHost: b\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x00\x01\x00", 400},
      {"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: -3\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 17\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n"
       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
       413},
      {"POST / HTTP/1.1\r\nHost: b\r\nExpect: tea\r\nContent-Length: 3\r\n\r\n", 417},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : b\r\n\r\n", 400},
      {"GET /\x01 HTTP/1.1\r\nHost: b\r\n\r\n", 400},
      {long_target, 414},
      {long_field, 431},
      {many, 431},
  };
  for (const auto& [bytes, status] : refusals) {
    RequestParser parser(limits);
    EXPECT_EQ(parser.feed(as_bytes(bytes)), Progress::bad) << bytes;
    EXPECT_EQ(parser.status(), status) << bytes;
    EXPECT_FALSE(parser.reason().empty());
    EXPECT_EQ(parser.feed(as_bytes("GET / HTTP/1.1\r\nHost: b\r\n\r\n")), Progress::bad);
    RequestParser slow(limits);
    Progress progress = Progress::need_more;
    for (size_t i = 0; i < bytes.size() && progress != Progress::bad; ++i) {
      progress = slow.feed(as_bytes(bytes.substr(i, 1)));
    }
    EXPECT_EQ(progress, Progress::bad) << bytes;
    EXPECT_EQ(slow.status(), status) << "octet by octet: " << bytes;
  }
}

TEST(P1, WritesResponses) {
  const std::string text = serialize({.status = 405, .allow = "GET, PUT", .body = "{}"});
  EXPECT_TRUE(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_NE(text.find("Allow: GET, PUT\r\n"), std::string::npos);
  EXPECT_TRUE(
      text.ends_with("Content-Length: 2\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\n\r\n{}"));
  EXPECT_TRUE(serialize({.head = true, .body = "{}"}).ends_with("\r\n\r\n"));
  EXPECT_EQ(serialize({.status = 204}).find("Content-Length"), std::string::npos);
}

}  // namespace
}  // namespace fedge::http
