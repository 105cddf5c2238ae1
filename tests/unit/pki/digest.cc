#include "firmware/pki/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "firmware/wire/stun/writer.h"

namespace fedge::pki {
namespace {

std::string hex(const DigestValue& value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::byte b : value.bytes()) {
    out += kDigits[std::to_integer<size_t>(b) >> 4];
    out += kDigits[std::to_integer<size_t>(b) & 15];
  }
  return out;
}

// RFC 1321 A.5, FIPS 180.
TEST(M1_Digest, GivesThePublishedValues) {
  EXPECT_EQ(hex(Digest(Hash::md5).compute({as_bytes("abc")})), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(Digest(Hash::sha1).compute({as_bytes("abc")})),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(Digest(Hash::sha256).compute({as_bytes("abc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 2202 section 3 and RFC 4231 section 4.3: "Jefe".
TEST(M1_Digest, GivesThePublishedCodes) {
  const Bytes text = as_bytes("what do ya want for nothing?");
  Hmac sha1(Hash::sha1);
  sha1.set_key(as_bytes("Jefe"));
  EXPECT_EQ(hex(sha1.compute({text})), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  Hmac sha256(Hash::sha256);
  sha256.set_key(as_bytes("Jefe"));
  EXPECT_EQ(hex(sha256.compute({text})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 4231 section 4.7: a key longer than a block.
  sha256.set_key(as_bytes(std::string(131, '\xaa')));
  EXPECT_EQ(
      hex(sha256.compute({as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")})),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(M1_Digest, PartsAreOneText) {
  Digest digest(Hash::md5);
  const std::string whole = hex(digest.compute({as_bytes("user:realm:pass")}));
  EXPECT_EQ(hex(digest.compute({as_bytes("user"), as_bytes(":"), as_bytes("realm"), as_bytes(":"),
                                as_bytes("pass")})),
            whole);
  EXPECT_EQ(whole, "8493fbc53ba582fb4c044c456bdc40eb");  // as clients compute it
}

TEST(M1_Digest, TheKeyStaysAndMoves) {
  Hmac hmac(Hash::sha1);
  hmac.set_key(as_bytes("one"));
  const std::string first = hex(hmac.compute({as_bytes("x")}));
  EXPECT_EQ(hex(hmac.compute({as_bytes("x")})), first);
  hmac.set_key(as_bytes("two"));
  EXPECT_NE(hex(hmac.compute({as_bytes("x")})), first);
  Hmac moved = std::move(hmac);
  moved.set_key(as_bytes("one"));
  EXPECT_EQ(hex(moved.compute({as_bytes("x")})), first);
}

// How a worker signs and checks: wire/stun says what is covered, this folder computes.
TEST(M1_Digest, SignsAndChecksStunMessages) {
  Digest md5(Hash::md5);
  const Bytes colon = as_bytes(":");
  const DigestValue key =
      md5.compute({as_bytes("user"), colon, as_bytes("realm"), colon, as_bytes("pass")});
  Hmac hmac(Hash::sha1);
  hmac.set_key(key.bytes());
  std::array<std::byte, 256> out;
  stun::Writer writer(out, stun::Method::refresh, stun::Class::request, stun::Transaction{});
  const auto to_sign =
      writer.add_text(stun::Type::username, "user").add_integrity(stun::Type::message_integrity);
  ASSERT_TRUE(to_sign);
  writer.set_code(hmac.compute(to_sign->parts()).bytes());
  for (const std::string password : {"pass", "Pass"}) {
    hmac.set_key(
        md5.compute({as_bytes("user"), colon, as_bytes("realm"), colon, as_bytes(password)})
            .bytes());
    const auto covered = stun::cover(writer.written(), *writer.size() - 20, 20);
    EXPECT_EQ(are_equal_secretly(hmac.compute(covered.parts()).bytes(), covered.code),
              password == "pass");
  }
}

TEST(M1_Digest, ComparesEveryOctet) {
  EXPECT_TRUE(are_equal_secretly(as_bytes("abcd"), as_bytes("abcd")));
  EXPECT_TRUE(are_equal_secretly({}, {}));
  EXPECT_FALSE(are_equal_secretly(as_bytes("abcd"), as_bytes("abc")));
  for (const char* other : {"Xbcd", "aXcd", "abXd", "abcX"})
    EXPECT_FALSE(are_equal_secretly(as_bytes("abcd"), as_bytes(other))) << other;
}

}  // namespace
}  // namespace fedge::pki
