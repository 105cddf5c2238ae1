#include "firmware/wire/sip/uri.h"

#include <gtest/gtest.h>

#include "firmware/wire/sip/name_addr.h"
#include "firmware/wire/sip/values.h"
#include "firmware/wire/sip/via.h"

namespace fedge::sip {
namespace {

TEST(R1, ReadsSipUris) {
  Uri uri;
  ASSERT_TRUE(parse_uri("sips:alice:secret@[2001:db8::10]:5070;transport=tls;lr?Subject=x", uri));
  EXPECT_EQ(uri.scheme, Scheme::sips);
  EXPECT_EQ(uri.user, "alice");
  EXPECT_EQ(uri.password, "secret");
  EXPECT_EQ(uri.host, "2001:db8::10");
  EXPECT_TRUE(uri.is_ipv6);
  EXPECT_EQ(uri.port, 5070);
  EXPECT_EQ(find_parameter(uri.parameters, "Transport"), "tls");
  EXPECT_EQ(find_parameter(uri.parameters, "lr"), "");
  EXPECT_EQ(find_parameter(uri.parameters, "maddr"), std::nullopt);
  EXPECT_EQ(uri.headers, "Subject=x");

  ASSERT_TRUE(parse_uri("SIP:example.com", uri));
  EXPECT_EQ(uri.scheme, Scheme::sip);
  EXPECT_FALSE(uri.has_user);
  EXPECT_EQ(uri.host, "example.com");
  EXPECT_EQ(uri.port, 0);

  // RFC 4475 3.1.1.9 and 3.1.1.2: ';' and '?' belong to a user in front of '@'.
  ASSERT_TRUE(parse_uri("sip:user;par=u%40example.net@example.com", uri));
  EXPECT_EQ(uri.user, "user;par=u%40example.net");
  EXPECT_EQ(uri.parameters, "");
  ASSERT_TRUE(parse_uri("sip:a?b/c;d@example.com;p=1", uri));
  EXPECT_EQ(uri.user, "a?b/c;d");
  EXPECT_EQ(uri.parameters, ";p=1");

  ASSERT_TRUE(parse_uri("sip:bob@example.com;opaque=user:epid:x;gruu;ms-received-cid=A0", uri));
  EXPECT_EQ(find_parameter(uri.parameters, "opaque"), "user:epid:x");
}

TEST(R1, ReadsTelAndOtherUris) {
  Uri uri;
  ASSERT_TRUE(parse_uri("tel:+1-201-555-0123;phone-context=example.com", uri));
  EXPECT_EQ(uri.scheme, Scheme::tel);
  EXPECT_EQ(uri.user, "+1-201-555-0123");
  EXPECT_EQ(find_parameter(uri.parameters, "phone-context"), "example.com");
  ASSERT_TRUE(parse_uri("soap.beep://192.0.2.103:3002", uri));
  EXPECT_EQ(uri.scheme, Scheme::other);
  EXPECT_EQ(uri.headers, "//192.0.2.103:3002");
}

TEST(R1, RefusesWhatIsNoUri) {
  Uri uri;
  for (const char* text : {"",
                           ":",
                           "sip",
                           "sip:",
                           "sip:@host",
                           "sip:user@",
                           "sip:a@b@c",
                           "sip:host:",
                           "sip:host:0",
                           "sip:host:65536",
                           "sip:host:5x",
                           "sip:[2001:db8::1",
                           "sip:[]",
                           "sip:[fe80::1%eth0]",
                           "sip:2001:db8::1",
                           "sip:user@ho st",
                           "sip:us er@host",
                           "<sip:user@host>",
                           "sip:host;",
                           "sip:host;;a",
                           "sip:host;=x",
                           "sip:host;a=",
                           "sip:host?",
                           "sip:us%4xr@host",
                           "sip:user%@host",
                           "sip:ho\"st",
                           "tel:",
                           "tel:bob",
                           "1sip:host",
                           "sip:h\x7fost"})
    EXPECT_FALSE(parse_uri(text, uri)) << text;
}

TEST(R1, ComparesUsersWithTheirEscapesUndone) {
  EXPECT_TRUE(equal_unescaped("%75se%72", "user"));
  EXPECT_TRUE(equal_unescaped("a%2fb", "a%2Fb"));
  EXPECT_FALSE(equal_unescaped("user", "User"));
  EXPECT_FALSE(equal_unescaped("null-%00", "null-"));
  EXPECT_FALSE(equal_unescaped("a", "ab"));
  char out[8];
  EXPECT_EQ(unescape("%41b%20", out), "Ab ");
  EXPECT_EQ(unescape("%4", out), std::nullopt);
  EXPECT_EQ(unescape("123456789", out), std::nullopt);
}

TEST(R1, ReadsNameAddresses) {
  NameAddr a;
  ASSERT_TRUE(parse_name_addr("\"Bob \\\"<x>\\\"\" <sip:b@c;lr>;tag=1;q=\"a;b\"", a));
  EXPECT_EQ(a.display_name, "\"Bob \\\"<x>\\\"\"");
  EXPECT_EQ(a.uri, "sip:b@c;lr");
  EXPECT_EQ(a.tag, "1");
  EXPECT_EQ(find_parameter(a.parameters, "q"), "\"a;b\"");
  ASSERT_TRUE(parse_name_addr("Alice Smith<sip:a@b>", a));
  EXPECT_EQ(a.display_name, "Alice Smith");
  EXPECT_EQ(a.parameters, "");
  ASSERT_TRUE(parse_name_addr("sip:a@b;tag=7", a));
  EXPECT_EQ(a.uri, "sip:a@b");
  EXPECT_EQ(a.tag, "7");
  EXPECT_FALSE(a.in_brackets);
  ASSERT_TRUE(parse_name_addr("<http://www.example.com>", a));
  for (const char* text :
       {"", "*", "bob", "<bob>", "<sip:a@b", "sip:a@b>", "\"a\" sip:a@b", "\"a <sip:a@b>",
        "a, b <sip:a@b>", "< sip:a@b>", "<sip:a@b >", "<sip:a@b>x", "<sip:a@b>;;",
        "<sip:a@b>;tag=", "<>", "<:x>", "sip:a@b sip:c@d", "\"\\", "<sip:a@b>;x=\"y"})
    EXPECT_FALSE(parse_name_addr(text, a)) << text;
}

TEST(R1, ReadsVias) {
  Via via;
  ASSERT_TRUE(parse_via(
      "SIP/2.0/TLS [2001:db8::9]:5061;received=[2001:db8::1];rport=77;maddr=x;branch=z9hG4bKa",
      via));
  EXPECT_EQ(via.host, "2001:db8::9");
  EXPECT_TRUE(via.is_ipv6);
  EXPECT_EQ(via.received, "2001:db8::1");
  EXPECT_EQ(via.rport, "77");
  EXPECT_TRUE(via.has_rport);
  EXPECT_EQ(via.maddr, "x");
  EXPECT_TRUE(via.has_cookie());
  ASSERT_TRUE(parse_via("SIP/2.0/UDP h : 5060 ;rport ; received=2001:db8::9:255", via));
  EXPECT_EQ(via.port, 5060);
  EXPECT_EQ(via.received, "2001:db8::9:255");
  EXPECT_TRUE(via.has_rport);
  EXPECT_EQ(via.rport, "");
  EXPECT_FALSE(via.has_cookie());
  ASSERT_TRUE(parse_via("SIP/2.0/UDP h;branch=old", via));
  EXPECT_FALSE(via.has_cookie());
  for (const char* text :
       {"", "SIP/2.0/TLS", "SIP/2.0/TLS ", "SIP/2.0/ h", "SIP/2.0/TLSh;branch=1", "SIP/2.1/TLS h",
        "HTTP/2.0/TLS h", "SIP/2.0/TLS h:x", "SIP/2.0/TLS h i", "SIP/2.0/TLS h;", "SIP/2.0",
        "SIP/2.0/TLS h;branch", "SIP/2.0/TLS h;branch=", "SIP/2.0/TLS h;branch=\"x\""})
    EXPECT_FALSE(parse_via(text, via)) << text;
}

TEST(R1, SplitsListsOutsideQuotesAndBrackets) {
  std::string_view rest = " <sip:a,b@c>;x=\"1,\\\",2\" ,\r\n two , ,last";
  std::string_view value;
  ASSERT_TRUE(take_value(rest, value));
  EXPECT_EQ(value, "<sip:a,b@c>;x=\"1,\\\",2\"");
  ASSERT_TRUE(take_value(rest, value));
  EXPECT_EQ(value, "two");
  ASSERT_TRUE(take_value(rest, value));
  EXPECT_EQ(value, "");
  ASSERT_TRUE(take_value(rest, value));
  EXPECT_EQ(value, "last");
  EXPECT_FALSE(take_value(rest, value));
  EXPECT_EQ(first_value("a, b"), "a");
  EXPECT_EQ(last_value("a, b"), "b");
  EXPECT_EQ(first_value(""), "");
}

TEST(R1, ComparesWithoutCase) {
  EXPECT_TRUE(equal_ignoring_case("Sip.Example.COM.example", "sip.example.com.EXAMPLE"));
  EXPECT_FALSE(equal_ignoring_case("sip.example.com@example", "sip.example.com`example"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_TRUE(equal_ignoring_case("", ""));
}

}  // namespace
}  // namespace fedge::sip
