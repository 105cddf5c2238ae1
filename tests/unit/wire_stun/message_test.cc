#include "firmware/wire/stun/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "firmware/wire/stun/integrity.h"
#include "firmware/wire/stun/writer.h"
#include "tests/unit/wire_stun/raw.h"

namespace fedge::stun {
namespace {

Transaction transaction_of(char c) {
  std::array<std::byte, kTransactionIdSize> id;
  id.fill(static_cast<std::byte>(c));
  return make_transaction(id);
}

struct Raw : test::Raw {
  explicit Raw(uint16_t type = 0x0001)
      : test::Raw(type,
                  "\x21\x12\xa4\x42"
                  "abcdefghijkl",
                  kPadding) {}
};

Malformed fault_of(const std::string& text) {
  Message message;
  return parse(as_bytes(text), message);
}

TEST(M1_StunMessage, EveryTypeOfTheTableGoesBothWays) {
  for (const uint16_t method :
       {0x001, 0x003, 0x004, 0x006, 0x007, 0x008, 0x009, 0x00a, 0x00b, 0x00c, 0x080, 0xfff}) {
    for (const Class c : {Class::request, Class::indication, Class::success, Class::error}) {
      Message message;
      const std::string text = Raw(encode_type(method, c)).text();
      ASSERT_EQ(parse(as_bytes(text), message), Malformed::none);
      EXPECT_EQ(message.method, method);
      EXPECT_EQ(message.message_class, c);
    }
  }
  EXPECT_EQ(encode_type(0x001, Class::success), 0x0101);  // RFC 8489 section 5
  EXPECT_EQ(encode_type(0x003, Class::error), 0x0113);
  EXPECT_EQ(encode_type(0x006, Class::indication), 0x0016);
  EXPECT_EQ(encode_type(0x00c, Class::indication), 0x001c);
}

TEST(M1_StunMessage, SaysWhatIsWrong) {
  const std::string good = Raw().attribute(Type::software, "abc").text();
  EXPECT_EQ(fault_of(good), Malformed::none);
  EXPECT_EQ(fault_of(""), Malformed::header_short);
  EXPECT_EQ(fault_of(good.substr(0, 19)), Malformed::header_short);
  for (const char bits : {'\x40', '\x80', '\xc0'}) {
    std::string text = good;
    text[0] = static_cast<char>(text[0] | bits);
    EXPECT_EQ(fault_of(text), Malformed::first_bits);
  }
  std::string text = good;
  text[3] = 7;
  EXPECT_EQ(fault_of(text), Malformed::length_multiple);
  text[3] = 12;
  EXPECT_EQ(fault_of(text), Malformed::length_mismatch);
  EXPECT_EQ(fault_of(good + "xxxx"), Malformed::length_mismatch);
  text = Raw(0x0003).text();
  text[4] = 0;
  EXPECT_EQ(fault_of(text), Malformed::magic_cookie);
  text = good;
  text[23] = 5;  // a value of five octets where four are left
  EXPECT_EQ(fault_of(text), Malformed::attribute_length);
  EXPECT_EQ(fault_of(Raw().attribute(Type::message_integrity, std::string(16, 'x')).text()),
            Malformed::integrity_length);
  for (const size_t size : {0, 12, 15, 18, 33, 36})
    EXPECT_EQ(
        fault_of(Raw().attribute(Type::message_integrity_sha256, std::string(size, 'x')).text()),
        Malformed::integrity_sha256_length)
        << size;
  for (const size_t size : {16, 20, 24, 28, 32})
    EXPECT_EQ(
        fault_of(Raw().attribute(Type::message_integrity_sha256, std::string(size, 'x')).text()),
        Malformed::none)
        << size;
  EXPECT_EQ(fault_of(Raw().attribute(Type::fingerprint, "abcde").text()),
            Malformed::fingerprint_length);
  EXPECT_EQ(
      fault_of(Raw().attribute(Type::fingerprint, "abcd").attribute(Type::software, "x").text()),
      Malformed::fingerprint_not_last);
  Raw many;
  for (size_t i = 0; i <= kMostAttributes; ++i) many.attribute(Type::software, "x");
  EXPECT_EQ(fault_of(many.text()), Malformed::attributes_many);
}

TEST(M1_StunMessage, EveryReasonHasItsOwnText) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < kMalformedCount; ++i) {
    const auto label = text(static_cast<Malformed>(i));
    EXPECT_FALSE(label.empty());
    EXPECT_EQ(std::ranges::find(seen, label), seen.end()) << label;
    seen.push_back(label);
  }
}

TEST(M1_StunMessage, CutAnywhereItIsMalformed) {
  const std::string good = Raw(0x0003)
                               .attribute(Type::username, "alice")
                               .attribute(Type::realm, "example.com")
                               .attribute(Type::message_integrity, std::string(20, 'h'))
                               .attribute(Type::fingerprint, "abcd")
                               .text();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(fault_of(good.substr(0, size)), Malformed::none) << size;
    if (size < kHeaderSize) continue;
    // With a header that agrees, only whole attributes pass.
    std::string cut = good.substr(0, size);
    store_be16(&cut[2], static_cast<uint16_t>(size - kHeaderSize));
    const bool is_boundary =
        size == 20 || size == 32 || size == 48 || size == 72 || size == good.size();
    EXPECT_EQ(fault_of(cut) == Malformed::none, is_boundary) << size;
  }
}

TEST(M1_StunMessage, IgnoresWhatStandsBehindIntegrity) {
  const std::string text = Raw(0x0003)
                               .attribute(Type::username, "alice")
                               .attribute(Type::message_integrity, std::string(20, 'h'))
                               .attribute(Type::username, "mallory")
                               .attribute(Type::message_integrity, "another, too short")
                               .attribute(Type::message_integrity_sha256, std::string(32, 's'))
                               .attribute(0x7fff, "not understood, but nobody may look")
                               .attribute(Type::message_integrity_sha256, std::string(32, 't'))
                               .attribute(Type::fingerprint, "abcd")
                               .text();
  Message message;
  ASSERT_EQ(parse(as_bytes(text), message), Malformed::none);
  std::vector<uint16_t> types;
  for (const Attribute& a : message.attributes()) types.push_back(a.type);
  EXPECT_EQ(types, (std::vector<uint16_t>{0x0006, 0x0008, 0x001c, 0x8028}));
  EXPECT_EQ(as_text(*message.find_value(Type::username)), "alice");
  EXPECT_EQ(as_text(*message.find_value(Type::message_integrity_sha256)), std::string(32, 's'));
}

TEST(M1_StunMessage, MessageIntegrityBehindSha256IsIgnored) {
  const std::string text = Raw(0x0003)
                               .attribute(Type::message_integrity_sha256, std::string(32, 's'))
                               .attribute(Type::message_integrity, std::string(20, 'h'))
                               .text();
  Message message;
  ASSERT_EQ(parse(as_bytes(text), message), Malformed::none);
  EXPECT_FALSE(message.has(Type::message_integrity));
  EXPECT_TRUE(message.has(Type::message_integrity_sha256));
}

bool understands_username(uint16_t type) { return type == 0x0006; }

TEST(M1_StunMessage, ListsWhatMustBeUnderstood) {
  const std::string text = Raw(0x0003)
                               .attribute(0x7ffe, "")
                               .attribute(Type::username, "u")
                               .attribute(0xfffe, "optional")
                               .attribute(0x0030, "x")
                               .attribute(0x7ffe, "again")
                               .attribute(0x8000, "optional too")
                               .text();
  Message message;
  ASSERT_EQ(parse(as_bytes(text), message), Malformed::none);
  std::array<uint16_t, 8> types{};
  ASSERT_EQ(find_not_understood(message, understands_username, types), 2u);
  EXPECT_EQ(types[0], 0x7ffe);
  EXPECT_EQ(types[1], 0x0030);
  EXPECT_EQ(find_not_understood(message, understands_username, std::span(types).first(1)), 1u);
  EXPECT_EQ(find_not_understood(message, understands_username, {}), 0u);
}

TEST(M1_StunMessage, KnowsClassicBinding) {
  std::string text = Raw(0x0001).attribute(Type::change_request, std::string(4, '\0')).text();
  text[4] = 'Z';
  Message message;
  ASSERT_EQ(parse(as_bytes(text), message), Malformed::none);
  EXPECT_TRUE(message.is_classic);
  EXPECT_FALSE(looks_like_stun(as_bytes(text)));
  EXPECT_EQ(as_text(message.transaction), text.substr(4, 16));
}

TEST(M1_StunMessage, IsToldFromOtherProtocolsByItsHead) {
  const std::string good = Raw().text();
  EXPECT_TRUE(looks_like_stun(as_bytes(good)));
  EXPECT_FALSE(looks_like_stun(as_bytes(good.substr(0, 19))));
  for (const size_t i : {0, 4, 5, 6, 7}) {
    std::string other = good;
    other[i] = static_cast<char>(other[i] ^ 0x80);
    EXPECT_FALSE(looks_like_stun(as_bytes(other))) << i;
  }
}

TEST(M1_StunMessage, FindsTheFingerprintWrongOrAbsent) {
  std::array<std::byte, 64> out;
  Writer writer(out, Method::binding, Class::request, transaction_of('t'));
  Message message;
  ASSERT_EQ(parse(writer.written(), message), Malformed::none);
  EXPECT_EQ(check_fingerprint(message), Fingerprint::absent);
  writer.add_text(Type::software, "x").add_fingerprint();
  ASSERT_EQ(parse(writer.written(), message), Malformed::none);
  EXPECT_EQ(check_fingerprint(message), Fingerprint::right);
  out[24] ^= std::byte{1};
  EXPECT_EQ(check_fingerprint(message), Fingerprint::wrong);
}

}  // namespace
}  // namespace fedge::stun
