#include "firmware/wire/ms_turn/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "firmware/wire/ms_turn/writer.h"
#include "firmware/wire/stun/attributes.h"
#include "tests/unit/wire_stun/hmac.h"
#include "tests/unit/wire_stun/raw.h"

namespace fedge::ms_turn {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kTransactionText = "0123456789abcdef";

struct Raw : stun::test::Raw {
  explicit Raw(uint16_t kind = 3) : stun::test::Raw(kind, kTransactionText, stun::kNoPadding) {}
  Raw& cookie() {
    attribute(Type::magic_cookie, "\x72\xc6\x4b\xc6");
    return *this;
  }
};

Malformed fault_of(const std::string& text) {
  Message message;
  return parse(as_bytes(text), message);
}

class M2_MsTurn : public testing::Test {
 protected:
  M2_MsTurn() { std::memcpy(transaction_.data(), kTransactionText.data(), 16); }
  void read(Bytes bytes) { ASSERT_EQ(parse(bytes, message_), Malformed::none); }
  Bytes value(Type type) { return message_.find_value(type).value_or(Bytes()); }

  Transaction transaction_;
  std::array<std::byte, 512> out_;
  Message message_;
};

TEST_F(M2_MsTurn, ReadsAttributesThatAreNotPadded) {
  const std::string text = Raw()
                               .cookie()
                               .attribute(0x8008, "\0\0\0\2"sv)
                               .attribute(0x0006, "odd")
                               .attribute(0x0015, "realm")
                               .attribute(0x0014, "n")
                               .attribute(0x0008, std::string(20, 'h'))
                               .text();
  read(as_bytes(text));
  EXPECT_EQ(message_.kind, Kind::allocate_request);
  EXPECT_EQ(as_text(message_.transaction), kTransactionText);
  EXPECT_EQ(stun::read_number(value(Type::ms_version)), kVersionIce2);
  EXPECT_EQ(as_text(value(Type::username)), "odd");
  EXPECT_EQ(as_text(value(Type::realm)), "realm");  // RFC 8489's number of NONCE
  EXPECT_EQ(as_text(value(Type::nonce)), "n");
  EXPECT_EQ(value(Type::message_integrity).size(), 20u);
  EXPECT_FALSE(message_.has(Type::lifetime));
}

TEST_F(M2_MsTurn, SaysWhatIsWrong) {
  const std::string good = Raw().cookie().attribute(0x0006, "user").text();
  EXPECT_EQ(fault_of(good), Malformed::none);
  EXPECT_EQ(fault_of(good.substr(0, 19)), Malformed::header_short);
  EXPECT_EQ(fault_of(good + "x"), Malformed::length_mismatch);
  for (const uint16_t kind : {0x0001, 0x0104, 0x0114, 0x0008, 0x0017, 0x8003, 0xff10})
    EXPECT_EQ(fault_of(Raw(kind).cookie().text()), Malformed::kind) << kind;
  for (const uint16_t kind : {0x0003, 0x0103, 0x0113, 0x0004, 0x0115, 0x0006, 0x0106, 0x0116})
    EXPECT_EQ(fault_of(Raw(kind).cookie().text()), Malformed::none) << kind;
  EXPECT_EQ(fault_of(Raw().text()), Malformed::magic_cookie);
  EXPECT_EQ(fault_of(Raw().attribute(0x0006, "user").attribute(0x000f, "\x72\xc6\x4b\xc6").text()),
            Malformed::magic_cookie);
  EXPECT_EQ(fault_of(Raw().attribute(0x000f, "\x72\xc6\x4b\xc7").text()), Malformed::magic_cookie);
  EXPECT_EQ(fault_of(Raw().attribute(0x000f, "\x72\xc6\x4b\xc6\0"sv).text()),
            Malformed::magic_cookie);
  std::string text = good + "abc";
  text[3] = static_cast<char>(text[3] + 3);
  EXPECT_EQ(fault_of(text), Malformed::attribute_header);
  text = good;
  text[31] = 5;
  EXPECT_EQ(fault_of(text), Malformed::attribute_length);
  for (const size_t size : {0, 16, 19, 21, 31, 33})
    EXPECT_EQ(fault_of(Raw().cookie().attribute(0x0008, std::string(size, 'h')).text()),
              Malformed::integrity_length);
  Raw many;
  many.cookie();
  for (size_t i = 0; i < kMostAttributes; ++i) many.attribute(0x8001, "");
  EXPECT_EQ(fault_of(many.text()), Malformed::attributes_many);
}

TEST_F(M2_MsTurn, EveryReasonHasItsOwnText) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < kMalformedCount; ++i) {
    const auto label = text(static_cast<Malformed>(i));
    EXPECT_FALSE(label.empty());
    EXPECT_EQ(std::ranges::find(seen, label), seen.end()) << label;
    seen.push_back(label);
  }
}

TEST_F(M2_MsTurn, CutAnywhereItIsMalformed) {
  const std::string good =
      Raw().cookie().attribute(0x0006, "user").attribute(0x0013, "hello").text();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(fault_of(good.substr(0, size)), Malformed::none) << size;
    if (size < kHeaderSize) continue;
    std::string cut = good.substr(0, size);
    store_be16(&cut[2], static_cast<uint16_t>(size - kHeaderSize));
    EXPECT_EQ(fault_of(cut) == Malformed::none, size == 28 || size == 36) << size;
  }
}

TEST_F(M2_MsTurn, IgnoresWhatStandsBehindIntegrity) {
  read(as_bytes(Raw()
                    .cookie()
                    .attribute(0x0008, std::string(32, 'h'))
                    .attribute(0x0006, "mallory")
                    .attribute(0x0008, "x")
                    .text()));
  EXPECT_FALSE(message_.has(Type::username));
  EXPECT_EQ(message_.attributes().size(), 2u);
}

TEST_F(M2_MsTurn, ListsWhatMustBeUnderstood) {
  const std::string text = Raw()
                               .cookie()
                               .attribute(0x0017, "\0\0\0\1"sv)
                               .attribute(0x0018, "x")
                               .attribute(0x8fff, "x")
                               .attribute(0x0019, "x")
                               .attribute(0x0018, "x")
                               .text();
  read(as_bytes(text));
  std::array<uint16_t, 4> types{};
  ASSERT_EQ(find_not_understood(message_, types), 2u);
  EXPECT_EQ(types[0], 0x0018);
  EXPECT_EQ(types[1], 0x0019);
  EXPECT_EQ(find_not_understood(message_, std::span(types).first(1)), 1u);
}

TEST_F(M2_MsTurn, CodesAreOverZeroPaddedText) {
  const std::string key = stun::test::long_term_key(MBEDTLS_MD_MD5, "user", "realm", "secret");
  // Text of every length around a block, both codes.
  for (size_t extra = 0; extra < 70; ++extra) {
    for (const auto& [size, type] :
         {std::pair{kHmacSha1Size, MBEDTLS_MD_SHA1}, {kHmacSha256Size, MBEDTLS_MD_SHA256}}) {
      Writer writer(out_, Kind::send_request, transaction_);
      writer.add_text(Type::data, std::string(extra, 'd'));
      const std::string before(as_text(writer.written()));
      const auto covered = writer.add_integrity(size);
      ASSERT_TRUE(covered);
      std::string text = before;
      store_be16(&text[2], static_cast<uint16_t>(before.size() - kHeaderSize + 4 + size));
      text.resize((text.size() + 63) / 64 * 64, '\0');
      const auto* info = mbedtls_md_info_from_type(type);
      std::string expected(size, '\0');
      mbedtls_md_hmac(info, reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                      reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                      reinterpret_cast<unsigned char*>(expected.data()));
      EXPECT_EQ(stun::test::hmac(type, key, *covered), expected);
      writer.set_code(as_bytes(expected));
      read(writer.written());
      const auto again = covered_by_integrity(message_);
      ASSERT_TRUE(again);
      EXPECT_EQ(stun::test::hmac(type, key, *again), as_text(again->code));
    }
  }
  read(as_bytes(Raw().cookie().text()));
  EXPECT_FALSE(covered_by_integrity(message_));
}

TEST_F(M2_MsTurn, AllocateResponsesGoBothWays) {
  for (const char* text : {"192.0.2.1:50000", "[2001:db8::1]:50000"}) {
    const Endpoint endpoint = *Endpoint::parse(text);
    SequenceNumber number;
    number.connection.fill(std::byte{'c'});
    number.sequence = 0x01020304;
    Writer writer(out_, *response_to(Kind::allocate_request), transaction_);
    read(writer.add_address(Type::mapped_address, endpoint)
             .add_xor_address(Type::xor_mapped_address, endpoint)
             .add_number(Type::lifetime, 600)
             .add_sequence_number(number)
             .written());
    EXPECT_EQ(message_.kind, Kind::allocate_response);
    EXPECT_EQ(stun::read_address(value(Type::mapped_address)), endpoint);
    EXPECT_EQ(stun::read_xor_address(value(Type::xor_mapped_address), transaction_), endpoint);
    EXPECT_EQ(stun::read_number(value(Type::lifetime)), 600u);
    EXPECT_EQ(read_sequence_number(value(Type::ms_sequence_number)), number);
  }
  EXPECT_FALSE(read_sequence_number(as_bytes(std::string(23, 'x'))));
  // Hidden behind the transaction id's first octets, as clients open it.
  Writer writer(out_, Kind::allocate_response, transaction_);
  read(writer.add_xor_address(Type::xor_mapped_address, *Endpoint::parse("48.49.50.51:12337"))
           .written());
  EXPECT_EQ(as_text(value(Type::xor_mapped_address)), "\0\1\0\0\0\0\0\0"sv);
}

TEST_F(M2_MsTurn, ErrorsGoBothWays) {
  Writer writer(out_, *error_to(Kind::set_active_destination_request), transaction_);
  read(writer.add_error(stun::Error::unauthenticated)
           .add_address(Type::alternate_server, *Endpoint::parse("192.0.2.1:3478"))
           .add_unknown_attributes(std::array<uint16_t, 1>{0x0018})
           .written());
  EXPECT_EQ(message_.kind, Kind::set_active_destination_error);
  EXPECT_EQ(stun::read_error_code(value(Type::error_code))->code, 401);
  EXPECT_EQ(value(Type::unknown_attributes).size(), 2u);
  EXPECT_FALSE(response_to(Kind::send_request));
  EXPECT_FALSE(error_to(Kind::send_request));
  EXPECT_FALSE(response_to(Kind::data_indication));
}

TEST_F(M2_MsTurn, DataIndicationsAreWrittenAroundTheirData) {
  for (const char* text : {"192.0.2.9:4000", "[2001:db8::9]:4000"}) {
    const Endpoint remote = *Endpoint::parse(text);
    for (const size_t size : {0, 1, 3, 160}) {
      const size_t head = data_head_size(remote.address);
      std::vector<std::byte> packet(head + size, std::byte{'x'});
      ASSERT_TRUE(write_data_head(std::span(packet).first(head), transaction_, remote, size));
      read(packet);
      EXPECT_EQ(message_.kind, Kind::data_indication);
      EXPECT_EQ(stun::read_address(value(Type::remote_address)), remote);
      EXPECT_EQ(as_text(value(Type::data)), std::string(size, 'x'));
    }
  }
  std::array<std::byte, kDataHeadSizeIpv4> head;
  const Endpoint remote = *Endpoint::parse("192.0.2.9:4000");
  EXPECT_TRUE(write_data_head(head, transaction_, remote, 65511));
  EXPECT_FALSE(write_data_head(head, transaction_, remote, 65512));
}

TEST_F(M2_MsTurn, WritesNothingMoreOnceSomethingDidNotFit) {
  const auto fill = [&](MutableBytes room) {
    Writer writer(room, Kind::allocate_error, transaction_);
    writer.add_error(stun::Error::stale_nonce)
        .add_xor_address(Type::xor_mapped_address, *Endpoint::parse("[2001:db8::1]:1"))
        .add_unknown_attributes(std::array<uint16_t, 1>{1})
        .add_sequence_number({});
    (void)writer.add_integrity(kHmacSha256Size);
    return writer.size();
  };
  std::vector<std::byte> room(512);
  const auto whole = fill(room);
  ASSERT_TRUE(whole);
  for (size_t size = 0; size < *whole; ++size) {
    std::vector<std::byte> small(size);
    EXPECT_FALSE(fill(small)) << size;
  }
}

}  // namespace
}  // namespace fedge::ms_turn
