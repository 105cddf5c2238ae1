#include "firmware/wire/ip/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace fedge::ip {
namespace {

uint16_t plain_sum(std::string_view bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

std::string random_bytes(std::mt19937& random, size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

TEST(Checksum, R11_MatchesTheExampleOfRfc1071) {
  EXPECT_EQ(checksum(as_bytes(std::string_view("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8))), 0x220d);
}

TEST(Checksum, R11_MatchesAPlainSumForEverySize) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 200; ++size) {
    const std::string bytes = random_bytes(random, size);
    EXPECT_EQ(checksum(as_bytes(bytes)), plain_sum(bytes)) << size;
  }
  const std::string ones(65535, '\xff');
  EXPECT_EQ(checksum(as_bytes(ones)), plain_sum(ones));
}

TEST(Checksum, R11_UpdatesLikeComputingAnew) {
  std::mt19937 random(2);
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = random_bytes(random, 40);
    const uint16_t before = checksum(as_bytes(bytes));
    const size_t at = 2 * (random() % 20);
    const uint16_t old_word = load_be16(&bytes[at]);
    const auto new_word = static_cast<uint16_t>(random());
    store_be16(&bytes[at], new_word);
    EXPECT_EQ(checksum_update(before, old_word, new_word), checksum(as_bytes(bytes)));
  }
}

TEST(Checksum, R11_RewritesAddressesOfBothFamilies) {
  const auto check = [](const char* from, const char* to, const char* other) {
    const auto a = IpAddress::parse(from).value();
    const auto b = IpAddress::parse(to).value();
    const auto c = IpAddress::parse(other).value();
    const Bytes segment = as_bytes("odd sized segment");
    const uint16_t before = transport_checksum(a, b, 6, segment);
    EXPECT_EQ(checksum_update(before, a, c), transport_checksum(c, b, 6, segment));
  };
  check("10.0.0.1", "192.0.2.77", "198.51.100.9");
  check("2001:db8::1", "fd00::77", "fd00:1:2:3:4:5:6:7");
}

}  // namespace
}  // namespace fedge::ip
