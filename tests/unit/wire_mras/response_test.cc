#include "firmware/wire/mras/response.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/wire_mras/requests.h"

namespace fedge::mras::test {
namespace {

class M3_MrasResponse : public testing::Test {
 protected:
  // The answer to a request that is refused, or to one without credentials for it.
  std::string answer_to(const std::string& body) {
    const Reason reason = reason_of(read_request(body, *reader_, request_));
    return answer(reason);
  }
  std::string answer(Reason reason) {
    ResponseWriter writer(out_, request_, reason);
    const auto size = writer.finish();
    return size ? std::string(out_.data(), *size) : "";
  }
  std::string with_version(std::string_view version) {
    return answer_to(replaced(kRequest, "\"1.0\"", "\"" + std::string(version) + "\""));
  }

  std::unique_ptr<xml::Reader> reader_ = std::make_unique<xml::Reader>(0x5eed);
  Request request_;
  std::array<char, 64 * 1024> out_;
};

const std::string kTo =
    "to=\"sip:edge.example.com@example.com;gruu;opaque=srvr:MRAS:0WH6nNjeGkqzKxQJ1MuMUQAA\"";
const std::string kStart =
    "<?xml version=\"1.0\"?>"
    "<response xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\" ";

TEST_F(M3_MrasResponse, GivesCredentialsAndRelays) {
  ASSERT_EQ(read_request(kRequest, *reader_, request_), Malformed::none);
  const std::array<MediaRelay, 2> relays{
      {{Location::intranet, "edge.example.com", false, 3478, 443},
       {Location::internet, "2001:db8::1", true, 3478, std::nullopt}}};
  ResponseWriter writer(out_, request_, Reason::ok);
  writer.add({request_.credentials()[0].id, "AgAA+/==", "p&w", 480, "example.com", relays});
  const auto size = writer.finish();
  ASSERT_TRUE(size);
  EXPECT_EQ(std::string_view(out_.data(), *size),
            kStart + "requestID=\"1804289383\" version=\"1.0\" " + kTo +
                " from=\"sip:alice@example.com\" reasonPhrase=\"OK\">"
                "<credentialsResponse credentialsRequestID=\"846930886\">"
                "<credentials><username>AgAA+/==</username><password>p&amp;w</password>"
                "<duration>480</duration><realm>example.com</realm></credentials>"
                "<mediaRelayList>"
                "<mediaRelay><location>intranet</location><hostName>edge.example.com</hostName>"
                "<udpPort>3478</udpPort><tcpPort>443</tcpPort></mediaRelay>"
                "<mediaRelay><location>internet</location>"
                "<directIPAddress>2001:db8::1</directIPAddress><udpPort>3478</udpPort>"
                "</mediaRelay></mediaRelayList></credentialsResponse></response>");
}

TEST_F(M3_MrasResponse, AnswersAHundredInTheirOrder) {
  ASSERT_EQ(read_request(request_of(100), *reader_, request_), Malformed::none);
  const std::array<MediaRelay, 1> relays{{{Location::internet, "edge", false, 3478, 443}}};
  ResponseWriter writer(out_, request_, Reason::ok);
  for (const CredentialsRequest& one : request_.credentials())
    writer.add({one.id, "user", "password", 1, "", relays});
  const auto size = writer.finish();
  ASSERT_TRUE(size);
  const auto reader = std::make_unique<xml::Reader>(1);
  // More elements than a reader takes at once: ten to each.
  EXPECT_EQ(reader->read({out_.data(), *size}), xml::Malformed::elements_many);
  const std::string_view text(out_.data(), *size);
  size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = text.find("credentialsRequestID=\"" + std::to_string(i) + "\"", at);
    ASSERT_NE(at, std::string_view::npos) << i;
  }
  EXPECT_EQ(text.find("<realm>"), std::string_view::npos);
}

TEST_F(M3_MrasResponse, RepeatsNothingOfAMalformedRequest) {
  const std::string expected = kStart +
                               "version=\"3.0\" serverVersion=\"3.0\" "
                               "reasonPhrase=\"Request Malformed\"/>";
  EXPECT_EQ(answer_to(""), expected);
  EXPECT_EQ(answer_to(replaced(kRequest, "480", "soon")), expected);
  EXPECT_EQ(answer_to(replaced(kRequest, "from=\"sip:", "from=\"")), expected);
}

TEST_F(M3_MrasResponse, RepeatsWhatIsTooLargeWhenItWasRead) {
  EXPECT_EQ(answer_to(request_of(101)),
            kStart + "requestID=\"1804289383\" version=\"1.0\" " + kTo +
                " from=\"sip:alice@example.com\" reasonPhrase=\"Request Too Large\"/>");
  EXPECT_EQ(answer_to(request_of(2000)),
            kStart + "version=\"3.0\" serverVersion=\"3.0\" reasonPhrase=\"Request Too Large\"/>");
}

TEST_F(M3_MrasResponse, SaysTheVersionThatTheClientCanHave) {
  const auto versions_of = [](const std::string& answer) {
    const size_t at = answer.find(" version=", answer.find("<response"));
    return answer.substr(at + 1, answer.find(" to=") - at - 1);
  };
  EXPECT_EQ(versions_of(with_version("1.0")), "version=\"1.0\"");
  EXPECT_EQ(versions_of(with_version("2.0")), "version=\"2.0\" serverVersion=\"3.0\"");
  EXPECT_EQ(versions_of(with_version("3.0")), "version=\"3.0\" serverVersion=\"3.0\"");
  EXPECT_EQ(versions_of(with_version("4.0")), "version=\"3.0\" serverVersion=\"3.0\"");
  EXPECT_EQ(versions_of(with_version("2.5")), "version=\"2.0\" serverVersion=\"3.0\"");
  EXPECT_EQ(versions_of(with_version("0.9")), "version=\"1.0\" serverVersion=\"3.0\"");
  EXPECT_NE(with_version("4.0").find("reasonPhrase=\"Version Mismatch\""), std::string::npos);
}

TEST_F(M3_MrasResponse, EveryReasonHasTheDocumentedPhrase) {
  ASSERT_EQ(read_request(kRequest, *reader_, request_), Malformed::none);
  const std::vector<std::string> phrases{"OK",
                                         "Request Malformed",
                                         "Request Too Large",
                                         "Not Supported",
                                         "Server Busy",
                                         "Time Out",
                                         "Forbidden",
                                         "Internal Server Error",
                                         "Other Failure",
                                         "Version Mismatch"};
  for (size_t i = 0; i < phrases.size(); ++i)
    EXPECT_NE(answer(static_cast<Reason>(i)).find("reasonPhrase=\"" + phrases[i] + "\""),
              std::string::npos)
        << phrases[i];
}

TEST_F(M3_MrasResponse, WhatItRepeatsIsEscaped) {
  const std::string answer = answer_to(replaced(kRequest, "1804289383", "&lt;&quot;&#9;&gt;"));
  EXPECT_NE(answer.find("requestID=\"&lt;&quot;&#9;&gt;\""), std::string::npos) << answer;
}

TEST_F(M3_MrasResponse, SaysWhenItDidNotFit) {
  ASSERT_EQ(read_request(kRequest, *reader_, request_), Malformed::none);
  const auto fill = [&](std::span<char> room) {
    const std::array<MediaRelay, 1> relays{{{Location::internet, "edge", false, 3478, 443}}};
    ResponseWriter writer(room, request_, Reason::ok);
    writer.add({"1", "user", "password", 1, "realm", relays});
    return writer.finish();
  };
  const auto whole = fill(out_);
  ASSERT_TRUE(whole);
  for (size_t size = 0; size < *whole; ++size)
    EXPECT_FALSE(fill(std::span(out_).first(size))) << size;
  EXPECT_EQ(fill(std::span(out_).first(*whole)), whole);
  // Without credentials the head's size is enough.
  const size_t repeated = request_.id.size() + request_.to.size() + request_.from.size();
  const std::span<char> room(out_.data(), kHeadSize + repeated);
  ResponseWriter head(room, request_, Reason::forbidden);
  EXPECT_TRUE(head.finish());
}

}  // namespace
}  // namespace fedge::mras::test
