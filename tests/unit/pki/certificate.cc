#include "firmware/pki/certificate.h"

#include <gtest/gtest.h>

#include "tests/unit/pki/authority.h"

namespace fedge::pki {
namespace {

Status check(const Authority::Pair& pair, WallTime now = now_wall()) {
  const auto chain = parse_chain(pair.chain);
  if (!chain) return std::unexpected(chain.error());
  const auto key = parse_key(pair.key);
  if (!key) return std::unexpected(key.error());
  return check_pair(*chain, *key, now);
}

TEST(C1, ReadsWhatACertificateSays) {
  Authority authority("Test CA");
  const auto pair =
      authority.issue("sip.example.com", "DNS:SIP.example.com,DNS:b.example,IP:10.0.0.1");
  const auto chain = parse_chain(pair.chain);
  ASSERT_TRUE(chain) << chain.error().text();
  ASSERT_EQ(chain->info.size(), 1u);
  const auto& info = chain->info[0];
  EXPECT_EQ(info.common_name, "sip.example.com");
  EXPECT_EQ(info.key_type, "p256");
  EXPECT_EQ(info.dns_names, (std::vector<std::string>{"sip.example.com", "b.example"}));
  EXPECT_EQ(info.addresses, (std::vector<std::string>{"10.0.0.1"}));
  EXPECT_EQ(info.sha256, sha256_hex(as_bytes(chain->der[0])));
  EXPECT_FALSE(info.is_ca);
  EXPECT_TRUE(check(pair));
}

TEST(C5, RefusesWhatCannotWorkWithTheReason) {
  Authority authority("Test CA");
  const auto good = authority.issue("a.example", "DNS:a.example");
  const auto other = authority.issue("b.example", "DNS:b.example");
  const auto reason = [](const Status& s) {
    return s ? std::string("accepted") : s.error().text();
  };
  EXPECT_NE(reason(check({good.chain, other.key})).find("does not belong"), std::string::npos);
  EXPECT_NE(reason(check(good, now_wall() + std::chrono::days(11))).find("expired"),
            std::string::npos);
  EXPECT_NE(reason(check(good, now_wall() - std::chrono::days(2))).find("not valid before"),
            std::string::npos);
  EXPECT_NE(reason(check(authority.issue("c.example", "", "rsa:1024"))).find("1024 bits"),
            std::string::npos);
  EXPECT_NE(reason(check({good.chain + other.chain, good.key})).find("not the issuer"),
            std::string::npos);
  // Management with such a certificate would shut everybody out.
  EXPECT_NE(
      reason(check(authority.issue("c.example", "", "ec -pkeyopt ec_paramgen_curve:secp256k1")))
          .find("curve"),
      std::string::npos);
  EXPECT_TRUE(check(authority.issue("c.example", "", "ec -pkeyopt ec_paramgen_curve:secp384r1")));
  EXPECT_TRUE(check({good.chain + authority.certificate(), good.key}));
  Authority stranger("Test CA");  // the same name, another key
  EXPECT_NE(reason(check({good.chain + stranger.certificate(), good.key})).find("not signed"),
            std::string::npos);
}

TEST(C1, RefusesWhatIsNotPem) {
  for (const char* text : {"", "hello", "-----BEGIN CERTIFICATE-----",
                           "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                           "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"}) {
    const auto chain = parse_chain(text);
    ASSERT_FALSE(chain) << text;
    EXPECT_FALSE(chain.error().remedy.empty());
    EXPECT_FALSE(parse_key(text));
  }
}

TEST(C1, MakesASelfSignedCertificate) {
  const auto made =
      make_self_signed("box", {"box", "127.0.0.1", "fd00::1"}, now_wall(), std::chrono::days(365));
  ASSERT_TRUE(made) << made.error().text();
  const auto chain = parse_chain(made->certificate_pem);
  ASSERT_TRUE(chain) << chain.error().text();
  EXPECT_EQ(chain->info[0].dns_names, (std::vector<std::string>{"box"}));
  EXPECT_EQ(chain->info[0].addresses, (std::vector<std::string>{"127.0.0.1", "fd00::1"}));
  EXPECT_TRUE(check_pair(*chain, made->key_der, now_wall()));
}

TEST(P6, TokensAreRandomAndUrlSafe) {
  const std::string a = random_token(24);
  EXPECT_EQ(a.size(), 32u);
  EXPECT_NE(a, random_token(24));
  EXPECT_EQ(a.find_first_of("+/="), std::string::npos);
}

}  // namespace
}  // namespace fedge::pki
