#include "firmware/wire/stun/writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "firmware/wire/stun/attributes.h"
#include "tests/unit/wire_stun/hmac.h"

namespace fedge::stun::test {
namespace {

constexpr Error kErrors[] = {
    Error::try_alternate,
    Error::bad_request,
    Error::unauthenticated,
    Error::forbidden,
    Error::mobility_forbidden,
    Error::unknown_attribute,
    Error::allocation_mismatch,
    Error::stale_nonce,
    Error::address_family_not_supported,
    Error::wrong_credentials,
    Error::unsupported_transport,
    Error::peer_address_family_mismatch,
    Error::connection_already_exists,
    Error::connection_timeout_or_failure,
    Error::allocation_quota_reached,
    Error::role_conflict,
    Error::server_error,
    Error::insufficient_capacity,
};

class M1_StunWriter : public testing::Test {
 protected:
  M1_StunWriter() {
    for (size_t i = 0; i < kTransactionIdSize; ++i) id_[i] = static_cast<std::byte>(7 * i + 1);
  }
  Writer make(Method method, Class c) { return {out_, method, c, make_transaction(id_)}; }
  void read(const Writer& writer) {
    ASSERT_TRUE(writer.fits());
    ASSERT_EQ(parse(writer.written(), message_), Malformed::none);
  }
  Bytes value(Type type) {
    const auto found = message_.find_value(type);
    EXPECT_TRUE(found) << static_cast<int>(type);
    return found.value_or(Bytes());
  }

  std::array<std::byte, kTransactionIdSize> id_;
  std::array<std::byte, 1024> out_;
  Message message_;
};

TEST_F(M1_StunWriter, AddressesComeBackOpenAndHidden) {
  for (const char* text : {"192.0.2.7:3478", "0.0.0.0:0", "255.255.255.255:65535",
                           "[2001:db8::1]:50000", "[::]:1", "[ffff::ffff]:65535"}) {
    const Endpoint endpoint = *Endpoint::parse(text);
    Writer writer = make(Method::allocate, Class::success);
    writer.add_address(Type::mapped_address, endpoint)
        .add_xor_address(Type::xor_relayed_address, endpoint);
    read(writer);
    EXPECT_EQ(read_address(value(Type::mapped_address)), endpoint);
    EXPECT_EQ(read_xor_address(value(Type::xor_relayed_address), message_.transaction), endpoint);
    EXPECT_NE(as_text(value(Type::mapped_address)), as_text(value(Type::xor_relayed_address)));
  }
}

TEST_F(M1_StunWriter, RefusesAddressesOfOtherForms) {
  const auto fails = [](std::string_view octets) {
    return !read_address(as_bytes(octets)) && !read_xor_address(as_bytes(octets), {});
  };
  using namespace std::string_view_literals;
  EXPECT_TRUE(fails(""));
  EXPECT_TRUE(fails("\0\1\0\1"sv));
  EXPECT_TRUE(fails("\0\1\0\1\1\2\3"sv));
  EXPECT_TRUE(fails("\0\1\0\1\1\2\3\4\5"sv));
  EXPECT_TRUE(fails("\0\2\0\1\1\2\3\4"sv));
  EXPECT_TRUE(fails("\0\3\0\1\1\2\3\4"sv));
  EXPECT_TRUE(fails("\0\0\0\1\1\2\3\4"sv));
  // RFC 8489 section 14.1: the first octet is ignored.
  EXPECT_EQ(read_address(as_bytes("\xff\1\x0d\x96\xc0\0\2\7"sv)),
            *Endpoint::parse("192.0.2.7:3478"));
}

TEST_F(M1_StunWriter, EveryErrorGoesBothWaysWithItsPhrase) {
  for (const Error error : kErrors) {
    read(make(Method::allocate, Class::error).add_error(error));
    const auto code = read_error_code(value(Type::error_code));
    ASSERT_TRUE(code);
    EXPECT_EQ(code->code, static_cast<uint16_t>(error));
    EXPECT_EQ(code->reason, reason_of(error));
    EXPECT_NE(code->reason, "Error");
  }
}

TEST_F(M1_StunWriter, RefusesErrorCodesOutOfRange) {
  using namespace std::string_view_literals;
  for (const auto octets : {""sv, "\0\0\4"sv, "\0\0\2\0"sv, "\0\0\7\0"sv, "\0\0\4\x64"sv})
    EXPECT_FALSE(read_error_code(as_bytes(octets)));
  EXPECT_EQ(read_error_code(as_bytes("\xff\xff\xfc\1x"sv))->code, 401);  // reserved bits
}

TEST_F(M1_StunWriter, UnknownAttributesGoBothWays) {
  const std::array<uint16_t, 3> types{0x7fff, 0x0030, 0x0001};
  read(make(Method::allocate, Class::error).add_unknown_attributes(types));
  EXPECT_EQ(value(Type::unknown_attributes).size(), 6u);
  std::array<uint16_t, 4> again{};
  EXPECT_EQ(read_unknown_attributes(value(Type::unknown_attributes), again), 3u);
  EXPECT_EQ(again[0], 0x7fff);
  EXPECT_EQ(again[2], 0x0001);
  EXPECT_FALSE(read_unknown_attributes(as_bytes("abc"), again));
}

TEST_F(M1_StunWriter, AnswersClassicClientsInTheirForm) {
  std::string classic("\0\1\0\0", 4);
  classic += "classic client..";
  Message request;
  ASSERT_EQ(parse(as_bytes(classic), request), Malformed::none);
  Writer writer(out_, request, Class::error);
  const std::array<uint16_t, 1> types{0x7fff};
  read(writer.add_error(Error::unknown_attribute).add_unknown_attributes(types));
  EXPECT_TRUE(message_.is_classic);
  EXPECT_EQ(read_error_code(value(Type::error_code))->reason, "");
  EXPECT_EQ(value(Type::unknown_attributes).size(), 4u);  // repeated
}

TEST_F(M1_StunWriter, PasswordAlgorithmsGoBothWays) {
  const std::array<Algorithm, 2> both{Algorithm::sha256, Algorithm::md5};
  read(make(Method::allocate, Class::error)
           .add_password_algorithms(both)
           .add_password_algorithm(Algorithm::sha256));
  Bytes rest = value(Type::password_algorithms);
  PasswordAlgorithm algorithm;
  ASSERT_TRUE(take_password_algorithm(rest, algorithm));
  EXPECT_TRUE(algorithm.is(Algorithm::sha256));
  ASSERT_TRUE(take_password_algorithm(rest, algorithm));
  EXPECT_TRUE(algorithm.is(Algorithm::md5));
  EXPECT_FALSE(take_password_algorithm(rest, algorithm));
  EXPECT_TRUE(rest.empty());
  EXPECT_TRUE(read_password_algorithm(value(Type::password_algorithm))->is(Algorithm::sha256));
}

TEST_F(M1_StunWriter, StepsOverParametersOfAlgorithms) {
  using namespace std::string_view_literals;
  Bytes rest = as_bytes("\0\7\0\5abcde\0\0\0\0\2\0\0"sv);
  PasswordAlgorithm algorithm;
  ASSERT_TRUE(take_password_algorithm(rest, algorithm));
  EXPECT_EQ(algorithm.algorithm, 7);
  EXPECT_EQ(as_text(algorithm.parameters), "abcde");
  ASSERT_TRUE(take_password_algorithm(rest, algorithm));
  EXPECT_TRUE(algorithm.is(Algorithm::sha256));
  for (const auto broken : {"\0\1\0"sv, "\0\1\0\1"sv,
                            "\0\1\xff\xff"
                            "abcd"sv}) {
    Bytes list = as_bytes(broken);
    EXPECT_FALSE(take_password_algorithm(list, algorithm));
    EXPECT_FALSE(list.empty());
    EXPECT_FALSE(read_password_algorithm(as_bytes(broken)));
  }
  EXPECT_FALSE(read_password_algorithm(as_bytes("\0\1\0\0\0\2\0\0"sv)));  // two
}

TEST_F(M1_StunWriter, NumbersHaveTheirLength) {
  EXPECT_EQ(read_number(as_bytes("\1\2\3\4")), 0x01020304u);
  EXPECT_FALSE(read_number(as_bytes("\1\2\3")));
  EXPECT_FALSE(read_number(as_bytes("\1\2\3\4\5")));
  EXPECT_FALSE(read_long_number(as_bytes("\1\2\3\4\5\6\7")));
  EXPECT_EQ(read_response_port(as_bytes("\1\2")), 0x0102);
  EXPECT_EQ(read_response_port(as_bytes("\1\2\3\4")), 0x0102);
  EXPECT_FALSE(read_response_port(as_bytes("\1\2\3")));
}

TEST_F(M1_StunWriter, NoncesCarrySecurityFeatures) {
  std::array<char, kNonceCookieSize> cookie;
  for (const uint32_t features : {0u, kPasswordAlgorithmsBit, kUsernameAnonymityBit,
                                  kPasswordAlgorithmsBit | kUsernameAnonymityBit, 0xffffffu}) {
    write_nonce_cookie(cookie, features);
    const std::string nonce = std::string(cookie.data(), cookie.size()) + "rest";
    EXPECT_EQ(read_security_features(nonce), features);
  }
  // RFC 8656 section 20 has a nonce whose server knows PASSWORD-ALGORITHMS.
  EXPECT_EQ(read_security_features("obMatJos2gAAAadl7W7PeDU4hKE72jda"), kPasswordAlgorithmsBit);
  EXPECT_FALSE(read_security_features("obMatJos2gAA"));
  EXPECT_FALSE(read_security_features("obMatJos2gA=A"));
  EXPECT_FALSE(read_security_features("f//499k954d6OL34oL9FSTvy64sA"));
}

TEST_F(M1_StunWriter, SignsWithBothCodesEachOverWhatIsBefore) {
  const std::string sha1_key = long_term_key(MBEDTLS_MD_MD5, "u", "r", "p");
  const std::string sha256_key = long_term_key(MBEDTLS_MD_SHA256, "u", "r", "p");
  Writer writer = make(Method::refresh, Class::request);
  writer.add_text(Type::username, "u").add_number(Type::lifetime, 600);
  auto covered = writer.add_integrity(Type::message_integrity);
  ASSERT_TRUE(covered);
  writer.set_code(as_bytes(hmac(MBEDTLS_MD_SHA1, sha1_key, *covered)));
  covered = writer.add_integrity(Type::message_integrity_sha256);
  ASSERT_TRUE(covered);
  writer.set_code(as_bytes(hmac(MBEDTLS_MD_SHA256, sha256_key, *covered)));
  read(writer.add_fingerprint());
  const auto first = covered_by(message_, Type::message_integrity);
  const auto second = covered_by(message_, Type::message_integrity_sha256);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(hmac(MBEDTLS_MD_SHA1, sha1_key, *first), as_text(first->code));
  EXPECT_EQ(hmac(MBEDTLS_MD_SHA256, sha256_key, *second), as_text(second->code));
  EXPECT_EQ(check_fingerprint(message_), Fingerprint::right);
  EXPECT_FALSE(covered_by(Message(), Type::message_integrity));
}

TEST_F(M1_StunWriter, WritesNothingMoreOnceSomethingDidNotFit) {
  const Endpoint endpoint = *Endpoint::parse("[2001:db8::1]:50000");
  const auto fill = [&](MutableBytes room) {
    Writer writer(room, Method::allocate, Class::error, make_transaction(id_));
    writer.add_xor_address(Type::xor_mapped_address, endpoint)
        .add_error(Error::stale_nonce)
        .add_text(Type::realm, "example.com")
        .add_flag(Type::dont_fragment)
        .add_unknown_attributes(std::array<uint16_t, 2>{1, 2})
        .add_password_algorithms(std::array{Algorithm::md5});
    if (writer.add_integrity(Type::message_integrity)) writer.set_code(Bytes(out_).first(20));
    return writer.add_fingerprint().size();
  };
  std::vector<std::byte> room(512);
  const auto whole = fill(room);
  ASSERT_TRUE(whole);
  for (size_t size = 0; size < *whole; ++size) {
    std::vector<std::byte> small(size);  // the sanitizer watches its end
    EXPECT_FALSE(fill(small)) << size;
  }
  std::vector<std::byte> exact(*whole);
  EXPECT_EQ(fill(exact), whole);
}

TEST_F(M1_StunWriter, TheLengthFieldDoesNotRunOver) {
  std::vector<std::byte> room(70000);
  const std::vector<std::byte> data(65000);
  Writer writer(room, Method::send, Class::indication, make_transaction(id_));
  writer.add(Type::data, data);
  EXPECT_TRUE(writer.fits());
  writer.add(Type::data, std::span(data).first(600));
  EXPECT_FALSE(writer.fits());
  EXPECT_FALSE(writer.size());
}

}  // namespace
}  // namespace fedge::stun::test
