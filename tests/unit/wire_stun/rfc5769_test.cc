// The vectors of RFC 5769, where they are at hand: read, verified, and written again.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "firmware/wire/stun/attributes.h"
#include "firmware/wire/stun/writer.h"
#include "tests/unit/wire_stun/hmac.h"

namespace fedge::stun::test {
namespace {

namespace fs = std::filesystem;

// ../shared/conformance seen from the repository's root.
std::string vector_file(const std::string& name) {
  for (fs::path at = fs::current_path(); at != at.root_path(); at = at.parent_path()) {
    if (!fs::exists(at / "Makefile") || !fs::exists(at / "firmware")) continue;
    std::ifstream in(at.parent_path() / "shared/conformance/stun/rfc5769" / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  return {};
}

class M1_Rfc5769 : public testing::Test {
 protected:
  void take(const std::string& name) {
    text_ = vector_file(name);
    if (text_.empty()) GTEST_SKIP() << "no ../shared/conformance beside the repository";
    ASSERT_EQ(parse(as_bytes(text_), message_), Malformed::none);
  }
  std::string text_of(Type type) const {
    const auto value = message_.find_value(type);
    return value ? std::string(as_text(*value)) : "(absent)";
  }
  void expect_code(std::string_view key) const {
    const auto covered = covered_by(message_, Type::message_integrity);
    ASSERT_TRUE(covered);
    EXPECT_EQ(hmac(MBEDTLS_MD_SHA1, key, *covered), as_text(covered->code));
    EXPECT_NE(hmac(MBEDTLS_MD_SHA1, std::string(key) + "x", *covered), as_text(covered->code));
  }
  // Equal but for padding, which the vectors fill with spaces, and what is computed over it.
  void expect_same_attributes(Bytes written) const {
    Message again;
    ASSERT_EQ(parse(written, again), Malformed::none);
    ASSERT_EQ(again.whole.size(), message_.whole.size());
    ASSERT_EQ(again.attributes().size(), message_.attributes().size());
    for (size_t i = 0; i < again.attributes().size(); ++i) {
      const Attribute& a = again.attributes()[i];
      const Attribute& b = message_.attributes()[i];
      EXPECT_EQ(a.type, b.type);
      EXPECT_EQ(a.at, b.at);
      if (a.type != static_cast<uint16_t>(Type::message_integrity) &&
          a.type != static_cast<uint16_t>(Type::fingerprint)) {
        EXPECT_EQ(as_text(again.value(a)), as_text(message_.value(b)));
      }
    }
    EXPECT_EQ(check_fingerprint(again), Fingerprint::right);
  }
  void sign(Writer& writer, std::string_view key) {
    const auto covered = writer.add_integrity(Type::message_integrity);
    ASSERT_TRUE(covered);
    writer.set_code(as_bytes(hmac(MBEDTLS_MD_SHA1, key, *covered)));
  }

  static constexpr std::string_view kPassword = "VOkJxbRl1RmTxUk/WvJxBt";
  std::string text_;
  Message message_;
  std::array<std::byte, 512> out_;
};

TEST_F(M1_Rfc5769, Request) {
  take("reqstc.bin");
  EXPECT_TRUE(message_.is(Method::binding, Class::request));
  EXPECT_FALSE(message_.is_classic);
  EXPECT_EQ(text_of(Type::software), "STUN test client");
  EXPECT_EQ(text_of(Type::username), "evtj:h6vY");
  EXPECT_EQ(read_number(*message_.find_value(Type::priority)), 0x6e0001ffu);
  EXPECT_EQ(read_long_number(*message_.find_value(Type::ice_controlled)), 0x932ff9b151263b36u);
  expect_code(kPassword);
  EXPECT_EQ(check_fingerprint(message_), Fingerprint::right);
  Writer writer(out_, Method::binding, Class::request, message_.transaction);
  writer.add_text(Type::software, "STUN test client")
      .add_number(Type::priority, 0x6e0001ff)
      .add_long_number(Type::ice_controlled, 0x932ff9b151263b36)
      .add_text(Type::username, "evtj:h6vY");
  sign(writer, kPassword);
  expect_same_attributes(writer.add_fingerprint().written());
}

TEST_F(M1_Rfc5769, ResponseIpv4) {
  take("respv4.bin");
  EXPECT_TRUE(message_.is(Method::binding, Class::success));
  const Endpoint mapped = *Endpoint::parse("192.0.2.1:32853");
  EXPECT_EQ(read_xor_address(*message_.find_value(Type::xor_mapped_address), message_.transaction),
            mapped);
  expect_code(kPassword);
  EXPECT_EQ(check_fingerprint(message_), Fingerprint::right);
  Writer writer(out_, message_, Class::success);
  writer.add_text(Type::software, "test vector").add_xor_address(Type::xor_mapped_address, mapped);
  sign(writer, kPassword);
  expect_same_attributes(writer.add_fingerprint().written());
}

TEST_F(M1_Rfc5769, ResponseIpv6) {
  take("respv6.bin");
  const Endpoint mapped = *Endpoint::parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  EXPECT_EQ(read_xor_address(*message_.find_value(Type::xor_mapped_address), message_.transaction),
            mapped);
  expect_code(kPassword);
  EXPECT_EQ(check_fingerprint(message_), Fingerprint::right);
  Writer writer(out_, message_, Class::success);
  writer.add_text(Type::software, "test vector").add_xor_address(Type::xor_mapped_address, mapped);
  sign(writer, kPassword);
  expect_same_attributes(writer.add_fingerprint().written());
}

TEST_F(M1_Rfc5769, LongTermRequestBitForBit) {
  take("reqltc.bin");
  const std::string user = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9";
  EXPECT_EQ(text_of(Type::username), user);
  EXPECT_EQ(text_of(Type::realm), "example.org");
  const std::string key = long_term_key(MBEDTLS_MD_MD5, user, "example.org", "TheMatrIX");
  expect_code(key);
  EXPECT_EQ(check_fingerprint(message_), Fingerprint::absent);
  Writer writer(out_, Method::binding, Class::request, message_.transaction);
  writer.add_text(Type::username, user)
      .add_text(Type::nonce, "f//499k954d6OL34oL9FSTvy64sA")
      .add_text(Type::realm, "example.org");
  sign(writer, key);
  EXPECT_EQ(as_text(writer.written()), text_);
}

TEST_F(M1_Rfc5769, NoChangedOctetPasses) {
  take("reqstc.bin");
  for (size_t i = 0; i < text_.size(); ++i) {
    std::string changed = text_;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    Message message;
    if (parse(as_bytes(changed), message) != Malformed::none) continue;
    EXPECT_NE(check_fingerprint(message), Fingerprint::right) << i;
    const auto covered = covered_by(message, Type::message_integrity);
    // What lies behind the code is not covered by it.
    if (covered && i < text_.size() - 8) {
      EXPECT_NE(hmac(MBEDTLS_MD_SHA1, kPassword, *covered), as_text(covered->code)) << i;
    }
  }
}

}  // namespace
}  // namespace fedge::stun::test
