#include "firmware/pki/media_token.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <fstream>
#include <sstream>

#include "tests/unit/pki/authority.h"

namespace fedge::pki {
namespace {

std::string hex(Bytes bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    out += "0123456789abcdef"[std::to_integer<size_t>(b) >> 4];
    out += "0123456789abcdef"[std::to_integer<size_t>(b) & 15];
  }
  return out;
}

// What the openssl command makes of `input`, which lies in a file named IN.
std::string openssl(const std::string& arguments, const std::string& input) {
  char folder[] = "/tmp/fedge-token-XXXXXX";
  if (::mkdtemp(folder) == nullptr) return {};
  const std::string at = folder;
  std::ofstream(at + "/IN") << input;
  const int code = std::system(
      ("cd " + at + " && openssl " + arguments + " -in IN -out OUT 2>/dev/null").c_str());
  std::stringstream out;
  if (code == 0) out << std::ifstream(at + "/OUT").rdbuf();
  (void)std::system(("rm -r " + at).c_str());
  return out.str();
}

Bytes with_nul(const std::string& pem) {
  return {reinterpret_cast<const std::byte*>(pem.c_str()), pem.size() + 1};
}

Secret key_of(char c) { return Secret(as_bytes(std::string(kTokenKeySize, c))); }
constexpr std::array<std::byte, kTokenRandomSize> kRandom{std::byte{7}, std::byte{9}};

std::string derived_hex(Bytes key) {
  const auto derived = derive_token_key(key);
  return derived ? hex(derived->bytes()) : derived.error().what;
}

TEST(M3_MediaToken, TheKeyFollowsFromThePrivateKeyAndNotFromItsForm) {
  Authority authority("media");
  for (const char* algorithm : {"ec", "rsa"}) {
    const std::string pkcs8 = authority.issue("av.example", "", algorithm).key;
    ASSERT_NE(pkcs8.find("BEGIN PRIVATE KEY"), pkcs8.npos);
    const std::string old = openssl("pkey -traditional", pkcs8);  // SEC1, PKCS#1
    ASSERT_EQ(old.find("BEGIN PRIVATE KEY"), old.npos);
    const std::string der = openssl("pkey -outform DER", pkcs8);
    const std::string expected = derived_hex(with_nul(pkcs8));
    EXPECT_EQ(expected.size(), 2 * kTokenKeySize) << expected;
    EXPECT_EQ(derived_hex(with_nul(old)), expected) << algorithm;
    EXPECT_EQ(derived_hex(as_bytes(der)), expected) << algorithm;
    const std::string another = authority.issue("av.example", "", algorithm).key;
    EXPECT_NE(derived_hex(with_nul(another)), expected) << algorithm;
  }
}

// The scalar behind the number of its curve, as any HMAC-SHA-256 gives it.
TEST(M3_MediaToken, TheDerivationIsFixed) {
  const std::string key =
      "-----BEGIN EC PRIVATE KEY-----\n"
      "MHcCAQEEII2QA0bD7N6O7x3dc69hj4Ce140u4CgizBAii7QCkcfBoAoGCCqGSM49\n"
      "AwEHoUQDQgAEeV8vTGNmbrcFYhwFVnH21ibW+e4c5ykVqzaJ9iVGG9wDekkxe4l2\n"
      "qAw72c690ggSod/UAZJADIPBeEr49UkbJg==\n"
      "-----END EC PRIVATE KEY-----\n";
  EXPECT_EQ(derived_hex(with_nul(key)),
            "2d5ecb9d3f9ab9ad332a1477d01f005d360596d82af16ac2494195637fb201ee");
}

TEST(M3_MediaToken, WhatIsNoKeyIsRefusedWithAReason) {
  EXPECT_FALSE(derive_token_key(as_bytes("no key")));
  EXPECT_FALSE(derive_token_key({}));
  EXPECT_TRUE(make_credentials(Secret(as_bytes("short")), 1, "u", 1, kRandom).username.empty());
  EXPECT_TRUE(make_timed_credentials(Secret(as_bytes("short")), "u", 1).username.empty());
}

TEST(M3_MediaToken, KeyIdsTellKeysApart) {
  EXPECT_EQ(token_key_id(key_of('a')), token_key_id(key_of('a')));
  EXPECT_NE(token_key_id(key_of('a')), token_key_id(key_of('b')));
}

TEST(M3_MediaToken, ATokenSaysWhoAndUntilWhen) {
  const auto made =
      make_credentials(key_of('k'), 0x01020304, "sip:bob@example.com", 5'000'000'000, kRandom);
  const ClaimedUser claimed = ClaimedUser::read(made.username);
  ASSERT_EQ(claimed.form(), CredentialForm::token);
  EXPECT_EQ(claimed.key_id(), 0x01020304u);
  EXPECT_EQ(claimed.expires(), 5'000'000'000);
  EXPECT_EQ(claimed.user(), "sip:bob@example.com");
  const ClaimedUser again = ClaimedUser::read_octets(claimed.octets());
  ASSERT_EQ(again.form(), CredentialForm::token);
  EXPECT_EQ(again.user(), claimed.user());
  EXPECT_EQ(again.expires(), claimed.expires());
  EXPECT_NE(make_credentials(key_of('k'), 0x01020304, "sip:bob@example.com", 5'000'000'000,
                             std::array<std::byte, kTokenRandomSize>{})
                .username,
            made.username);
}

// The long-term key as any client computes it: from the texts that it was given.
std::string clients_key(Hash hash, const Credentials& made, std::string_view realm) {
  Digest digest(hash);
  return hex(digest
                 .compute({as_bytes(made.username), as_bytes(":"), as_bytes(realm), as_bytes(":"),
                           as_bytes(made.password)})
                 .bytes());
}

TEST(M3_MediaToken, TheServerComputesTheClientsKey) {
  const Secret key = key_of('k');
  MediaKeys keys;
  const std::string longest(600, 'x');
  for (const std::string_view user : {std::string_view("bob"), std::string_view(longest)}) {
    for (const Credentials& made : {make_credentials(key, 1, user, 2'000'000'000, kRandom),
                                    make_timed_credentials(key, user, 2'000'000'000)}) {
      const ClaimedUser claimed = ClaimedUser::read(made.username);
      ASSERT_TRUE(claimed);
      EXPECT_LE(made.username.size(), kLongestTokenText);
      for (const Hash hash : {Hash::md5, Hash::sha256}) {
        EXPECT_EQ(
            hex(keys.long_term_key(hash, key.bytes(), claimed, made.username, "realm").bytes()),
            clients_key(hash, made, "realm"));
        const Secret other = key_of('o');
        EXPECT_NE(
            hex(keys.long_term_key(hash, other.bytes(), claimed, made.username, "realm").bytes()),
            clients_key(hash, made, "realm"));
      }
    }
  }
}

std::string decode(const std::string& base64) { return openssl("base64 -d -A", base64); }

TEST(M2_MediaToken, MsTurnUsesTheOctetsBehindTheTexts) {
  const Secret key = key_of('k');
  const auto made = make_credentials(key, 1, "bob", 2'000'000'000, kRandom);
  const std::string username = decode(made.username), password = decode(made.password);
  ASSERT_EQ(password.size(), kTokenPasswordSize);
  const ClaimedUser claimed = ClaimedUser::read_octets(as_bytes(username));
  ASSERT_TRUE(claimed);
  MediaKeys keys;
  EXPECT_EQ(hex(keys.long_term_key_of_octets(key.bytes(), claimed, "realm").bytes()),
            clients_key(Hash::md5, {username, password}, "realm"));
}

// libnice takes quotes and NULs off the ends before it computes the key.
TEST(M2_MediaToken, NoEndIsOneThatClientsTrim) {
  const auto is_trimmed = [](char c) { return c == '"' || c == '\0'; };
  for (int i = 0; i < 16; ++i) {
    std::array<std::byte, kTokenRandomSize> random{};
    random[0] = static_cast<std::byte>(i);
    random.back() = std::byte{i % 2 == 0 ? uint8_t{0} : uint8_t{'"'}};
    const auto made = make_credentials(key_of('k'), 1, "bob\"", i, random);
    for (const std::string& octets : {decode(made.username), decode(made.password)}) {
      ASSERT_FALSE(octets.empty());
      EXPECT_FALSE(is_trimmed(octets.front()) || is_trimmed(octets.back())) << i;
    }
  }
}

// As a web application makes them from the secret that it was given.
TEST(M3_MediaToken, TimedCredentialsFollowFromTheSharedSecret) {
  const Secret key = key_of('k');
  const auto made = make_timed_credentials(key, "bob", 1234567890);
  EXPECT_EQ(made.username, "1234567890:bob");
  EXPECT_EQ(decode(made.password), openssl("dgst -sha1 -binary -hmac '" +
                                               timed_credentials_secret(key) + "' -out OUT IN #",
                                           made.username));
  const ClaimedUser claimed = ClaimedUser::read("1234567890:b:c");
  ASSERT_EQ(claimed.form(), CredentialForm::timed);
  EXPECT_EQ(claimed.user(), "b:c");
  EXPECT_EQ(claimed.expires(), 1234567890);
  EXPECT_EQ(ClaimedUser::read("1234567890").form(), CredentialForm::timed);
  EXPECT_EQ(ClaimedUser::read("1234567890").user(), "");
}

TEST(M3_MediaToken, OtherUserNamesAreNeither) {
  const auto made = make_credentials(key_of('k'), 1, "", 1, kRandom);
  EXPECT_TRUE(ClaimedUser::read(made.username));
  std::string wrong_version = decode(made.username);
  wrong_version[0] = 2;
  EXPECT_FALSE(ClaimedUser::read_octets(as_bytes(wrong_version)));
  const std::string octets = decode(made.username);
  for (size_t n = 0; n < octets.size(); ++n)
    EXPECT_FALSE(ClaimedUser::read_octets(as_bytes(octets.substr(0, n)))) << n;
  EXPECT_FALSE(ClaimedUser::read_octets(as_bytes("\1" + std::string(kLargestToken, 'x'))));
  const std::string long_text(kLongestTokenText + 4, 'A');
  for (const std::string_view text : {"", "bob", ":bob", "-1:bob", "12x:bob", "1234567890123:bob",
                                      "AQ==", "AQ*=", long_text.c_str()})
    EXPECT_FALSE(ClaimedUser::read(text)) << text;
}

}  // namespace
}  // namespace fedge::pki
