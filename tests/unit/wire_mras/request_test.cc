#include "firmware/wire/mras/request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/wire_mras/requests.h"

namespace fedge::mras::test {
namespace {

class M3_MrasRequest : public testing::Test {
 protected:
  Malformed read(const std::string& body) { return read_request(body, *reader_, request_); }
  // The usual request with the first occurrence of one text replaced by another.
  Malformed with(std::string_view old, std::string_view other) {
    return read(replaced(kRequest, old, other));
  }

  std::unique_ptr<xml::Reader> reader_ = std::make_unique<xml::Reader>(0x5eed);
  Request request_;
};

TEST_F(M3_MrasRequest, ReadsWhatAClientSends) {
  ASSERT_EQ(read(kRequest), Malformed::none);
  EXPECT_EQ(request_.id, "1804289383");
  EXPECT_EQ(request_.from, "sip:alice@example.com");
  EXPECT_EQ(request_.to,
            "sip:edge.example.com@example.com;gruu;opaque=srvr:MRAS:0WH6nNjeGkqzKxQJ1MuMUQAA");
  EXPECT_EQ(request_.version, (Version{1, 0}));
  EXPECT_EQ(request_.version_text, "1.0");
  EXPECT_EQ(request_.route, Route::load_balanced);
  ASSERT_EQ(request_.credentials().size(), 1u);
  const CredentialsRequest& one = request_.credentials()[0];
  EXPECT_EQ(one.id, "846930886");
  EXPECT_EQ(one.identity, "sip:alice@example.com");
  EXPECT_EQ(one.location, Location::internet);
  EXPECT_EQ(one.minutes, 480u);
}

TEST_F(M3_MrasRequest, LocationDurationAndRouteMayBeLeftOut) {
  ASSERT_EQ(read(replaced(replaced(kRequest, "<location>internet</location>", ""),
                          "<duration>480</duration>", "")),
            Malformed::none);
  EXPECT_FALSE(request_.credentials()[0].location);
  EXPECT_FALSE(request_.credentials()[0].minutes);
  ASSERT_EQ(with("version=", "route=\"directip\" version="), Malformed::none);
  EXPECT_EQ(request_.route, Route::direct_ip);
  ASSERT_EQ(with("version=", "route=\"loadbalanced\" version="), Malformed::none);
  EXPECT_EQ(request_.route, Route::load_balanced);
  ASSERT_EQ(with("<location>internet", "<location>\n intranet "), Malformed::none);
  EXPECT_EQ(request_.credentials()[0].location, Location::intranet);
}

TEST_F(M3_MrasRequest, APrefixIsAsGood) {
  ASSERT_EQ(read("<m:request xmlns:m='http://schemas.microsoft.com/2006/09/sip/mrasp' "
                 "requestID='1' version='2.0' to='sip:m@b' from='sips:a@b'>"
                 "<m:credentialsRequest credentialsRequestID='2'><m:identity>sip:a@b</m:identity>"
                 "</m:credentialsRequest></m:request>"),
            Malformed::none);
  EXPECT_EQ(request_.credentials()[0].identity, "sip:a@b");
}

TEST_F(M3_MrasRequest, SaysWhatIsWrong) {
  EXPECT_EQ(read(""), Malformed::xml);
  EXPECT_EQ(with("</request>", ""), Malformed::xml);
  EXPECT_EQ(read("<!DOCTYPE request>" + kRequest), Malformed::xml);
  EXPECT_EQ(with("2006/09", "2005/09"), Malformed::root);
  EXPECT_EQ(read("<request/>"), Malformed::root);
  EXPECT_EQ(read("<response xmlns='http://schemas.microsoft.com/2006/09/sip/mrasp'/>"),
            Malformed::root);
  EXPECT_EQ(with("version=", "colour=\"red\" version="), Malformed::attribute);
  EXPECT_EQ(with("credentialsRequestID=", "colour=\"red\" credentialsRequestID="),
            Malformed::attribute);
  EXPECT_EQ(with("version=", "xsi:schemaLocation=\"a\" version="), Malformed::none);
  EXPECT_EQ(with("requestID=\"1804289383\"", ""), Malformed::request_id);
  EXPECT_EQ(with("1804289383", ""), Malformed::request_id);
  EXPECT_EQ(with("1804289383", std::string(64, 'i')), Malformed::none);
  EXPECT_EQ(with("1804289383", std::string(65, 'i')), Malformed::request_id);
  EXPECT_EQ(with("credentialsRequestID=\"846930886\"", ""), Malformed::credentials_id);
  EXPECT_EQ(with("846930886", std::string(65, 'i')), Malformed::credentials_id);
  for (const auto other : {"", "1", "1.", ".0", "1.0.0", "a.b", "-1.0", "1.00000", " 1.0"})
    EXPECT_EQ(with("\"1.0\"", "\"" + std::string(other) + "\""), Malformed::version) << other;
  EXPECT_EQ(with("from=\"sip:alice@example.com\"", ""), Malformed::address);
  EXPECT_EQ(with("from=\"sip:", "from=\"tel:"), Malformed::address);
  EXPECT_EQ(with("to=\"sip:", "to=\""), Malformed::address);
  EXPECT_EQ(with("version=", "route=\"direct\" version="), Malformed::route);
  EXPECT_EQ(with("<location>internet", "<location>moon"), Malformed::location);
  EXPECT_EQ(with("<location>internet", "<location>"), Malformed::location);
  for (const auto other : {"", "0", "000", "-1", "1.5", "8h", "4 8", "+"})
    EXPECT_EQ(with("480", other), Malformed::duration) << other;
}

TEST_F(M3_MrasRequest, ElementsAreThoseOfTheSchemaInItsOrder) {
  EXPECT_EQ(with("<identity>sip:alice@example.com</identity>", ""), Malformed::identity);
  EXPECT_EQ(with("<identity>sip:alice@example.com", "<identity> "), Malformed::identity);
  EXPECT_EQ(with("<identity>", "<identity>sip:bob@example.com</identity><identity>"),
            Malformed::element);
  EXPECT_EQ(with("<location>internet</location><duration>480</duration>",
                 "<duration>480</duration><location>internet</location>"),
            Malformed::element);
  EXPECT_EQ(with("<identity>", "<colour/><identity>"), Malformed::element);
  EXPECT_EQ(with("<identity>", "<identity xmlns=''>"), Malformed::element);
  EXPECT_EQ(with("</request>", "<credentialsResponse/></request>"), Malformed::element);
  EXPECT_EQ(with("<identity>", "<identity><b/>"), Malformed::text);
  EXPECT_EQ(with("</request>", "text</request>"), Malformed::text);
  EXPECT_EQ(with("<identity>", "text<identity>"), Malformed::text);
}

TEST_F(M3_MrasRequest, DurationsOfAnyLengthAreNumbers) {
  ASSERT_EQ(with("480", "+0001"), Malformed::none);
  EXPECT_EQ(request_.credentials()[0].minutes, 1u);
  ASSERT_EQ(with("480", std::string(1000, '9')), Malformed::none);
  EXPECT_EQ(request_.credentials()[0].minutes, UINT32_MAX);
}

TEST_F(M3_MrasRequest, IdsAreCountedInCharacters) {
  std::string id;
  for (int i = 0; i < 64; ++i) id += "\xc3\xa9";
  EXPECT_EQ(with("1804289383", id), Malformed::none);
  EXPECT_EQ(request_.id, id);
  EXPECT_EQ(with("1804289383", id + "x"), Malformed::request_id);
}

TEST_F(M3_MrasRequest, FromOneToAHundred) {
  EXPECT_EQ(read(request_of(0)), Malformed::credentials_none);
  ASSERT_EQ(read(request_of(1)), Malformed::none);
  ASSERT_EQ(read(request_of(100)), Malformed::none);
  ASSERT_EQ(request_.credentials().size(), 100u);
  EXPECT_EQ(request_.credentials()[99].id, "99");
  EXPECT_EQ(read(request_of(101)), Malformed::credentials_many);
  EXPECT_EQ(request_.id, "1804289383");  // the answer repeats it
  // One that is wrong as well is malformed.
  EXPECT_EQ(read(replaced(request_of(101), "credentialsRequestID=\"100\"", "")),
            Malformed::credentials_id);
  // So many that nobody reads them.
  EXPECT_EQ(read(request_of(1000)), Malformed::too_large);
  EXPECT_EQ(request_.id, "");
}

TEST_F(M3_MrasRequest, OtherVersionsAreAMismatch) {
  for (const auto version : {"1.0", "2.0", "3.0", "03.00"})
    EXPECT_EQ(with("\"1.0\"", "\"" + std::string(version) + "\""), Malformed::none) << version;
  for (const auto version : {"0.0", "1.1", "3.1", "4.0", "999.9"})
    EXPECT_EQ(with("\"1.0\"", "\"" + std::string(version) + "\""), Malformed::version_unknown)
        << version;
}

TEST_F(M3_MrasRequest, EveryReasonHasItsOwnTextAndPhrase) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < kMalformedCount; ++i) {
    const auto reason = static_cast<Malformed>(i);
    EXPECT_EQ(std::ranges::find(seen, text(reason)), seen.end()) << text(reason);
    seen.push_back(text(reason));
    EXPECT_EQ(reason_of(reason) == Reason::ok, reason == Malformed::none);
  }
  EXPECT_EQ(text(reason_of(Malformed::identity)), "Request Malformed");
  EXPECT_EQ(text(reason_of(Malformed::too_large)), "Request Too Large");
  EXPECT_EQ(text(reason_of(Malformed::credentials_many)), "Request Too Large");
  EXPECT_EQ(text(reason_of(Malformed::version_unknown)), "Version Mismatch");
}

}  // namespace
}  // namespace fedge::mras::test
