#include "firmware/wire/dns/name.h"

#include <gtest/gtest.h>

#include "firmware/wire/dns/constants.h"

namespace fedge::dns {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

const std::string kHeader(kHeaderSize, '\0');

std::optional<Name> read_at(std::string_view octets, size_t& at) {
  return Name::read(as_bytes(octets), at);
}

TEST(DnsName, R4_TextAndWire) {
  const auto name = Name::parse("_SIPfederationTLS._tcp.Example.COM.");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->text(), "_sipfederationtls._tcp.example.com");
  EXPECT_EQ(name->wire(), "\x11_sipfederationtls\4_tcp\7example\3com\0"sv);
  EXPECT_EQ(name, Name::parse("_sipfederationtls._tcp.example.com"));
  EXPECT_TRUE(Name::parse(".")->is_root());
  EXPECT_EQ(Name().text(), ".");
}

TEST(DnsName, R4_RefusesTextThatIsNoName) {
  for (const auto text : {"", "..", "a..b", ".a", "a b", "a\\.b", "ex\xc3\xa4mple.com"})
    EXPECT_FALSE(Name::parse(text)) << text;
  EXPECT_TRUE(Name::parse(std::string(63, 'a')));
  EXPECT_FALSE(Name::parse(std::string(64, 'a')));
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  EXPECT_EQ(Name::parse(longest + "a")->wire().size(), 255u);
  EXPECT_FALSE(Name::parse(longest + "ab"));
}

TEST(DnsName, R4_ReadsCompressedNames) {
  const std::string octets = kHeader + "\7example\3com\0\4edge\xc0\x0c\xc0\x19tail"s;
  size_t at = 25;
  const auto edge = read_at(octets, at);
  ASSERT_TRUE(edge);
  EXPECT_EQ(edge->text(), "edge.example.com");
  EXPECT_EQ(at, 32u);
  EXPECT_EQ(read_at(octets, at), edge);
  EXPECT_EQ(at, 34u);
}

TEST(DnsName, R4_RefusesPointersThatDoNotGoBackwards) {
  size_t at = 12;
  EXPECT_FALSE(read_at(kHeader + "\xc0\x0c", at)) << "to itself";
  at = 12;
  EXPECT_FALSE(read_at(kHeader + "\xc0\x0e\1a\0"s, at)) << "forwards";
  at = 12;
  EXPECT_FALSE(read_at(kHeader + "\1a\xc0\x0c", at)) << "to its own start";
  at = 16;
  EXPECT_FALSE(read_at(kHeader + "\1a\xc0\x10\1b\xc0\x0c", at)) << "two names in a ring";
  at = 12;
  EXPECT_FALSE(read_at(kHeader + "\xc0\x02", at)) << "into the header";
}

TEST(DnsName, R4_RefusesWhatRunsOverTheEnd) {
  for (const auto tail : {""sv, "\3ab"sv, "\1a"sv, "\xc0"sv,
                          "\x40"
                          "a\0"sv,
                          "\x80"
                          "a\0"sv}) {
    size_t at = 12;
    EXPECT_FALSE(read_at(kHeader + std::string(tail), at)) << tail;
  }
  size_t at = 999;
  EXPECT_FALSE(read_at(kHeader, at));
}

TEST(DnsName, R4_RefusesLongNamesAndManyJumps) {
  std::string octets = kHeader;
  for (int i = 0; i < 4; ++i) octets += '\x3f' + std::string(63, 'a');
  size_t at = 12;
  EXPECT_FALSE(read_at(octets + '\0', at));
  // Pointers to pointers: every one goes backwards, and yet there are too many.
  octets = kHeader + "\1a\0"s;
  for (size_t i = 0; i < 200; ++i) {
    const size_t target = i == 0 ? 12 : 15 + 2 * (i - 1);
    octets += static_cast<char>(0xc0 | target >> 8);
    octets += static_cast<char>(target & 0xff);
  }
  at = 15 + 2 * 126;
  EXPECT_TRUE(read_at(octets, at));
  at = 15 + 2 * 127;
  EXPECT_FALSE(read_at(octets, at));
}

TEST(DnsName, R4_ReverseNames) {
  EXPECT_EQ(Name::reverse(*IpAddress::parse("192.0.2.15")).text(), "15.2.0.192.in-addr.arpa");
  EXPECT_EQ(Name::reverse(*IpAddress::parse("2001:db8::567:89ab")).text(),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(DnsName, R4_WithinIsAboutLabels) {
  const Name name = *Name::parse("a.example.com");
  EXPECT_TRUE(name.is_within(*Name::parse("example.com")));
  EXPECT_TRUE(name.is_within(name));
  EXPECT_TRUE(name.is_within(Name()));
  EXPECT_FALSE(name.is_within(*Name::parse("ample.com")));
  EXPECT_FALSE(Name::parse("example.com")->is_within(name));
}

TEST(DnsName, R4_TextEscapesWhatIsNoHostName) {
  size_t at = 12;
  const auto name = read_at(kHeader + "\4a.b\1\2\\ \0"s, at);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->text(), "a\\.b\\001.\\\\\\032");
}

}  // namespace
}  // namespace fedge::dns
