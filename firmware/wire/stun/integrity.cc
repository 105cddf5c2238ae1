#include "firmware/wire/stun/integrity.h"

#include <cstring>

namespace fedge::stun {

namespace {

// ISO 3309, as in Ethernet: reflected, polynomial 0x04c11db7. Table i moves an octet on by i more
// octets, so that four are taken at a time.
using CrcTables = std::array<std::array<uint32_t, 256>, 4>;
consteval CrcTables make_crc_tables() {
  CrcTables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1) != 0 ? 0xedb88320 ^ value >> 1 : value >> 1;
    tables[0][i] = value;
  }
  for (size_t t = 1; t < tables.size(); ++t)
    for (size_t i = 0; i < 256; ++i)
      tables[t][i] = tables[0][tables[t - 1][i] & 255] ^ tables[t - 1][i] >> 8;
  return tables;
}
constexpr CrcTables kCrc = make_crc_tables();

// Of a message: a multiple of four octets.
uint32_t crc32(Bytes bytes) {
  uint32_t crc = ~0u;
  for (; bytes.size() >= 4; bytes = bytes.subspan(4)) {
    crc ^= __builtin_bswap32(load_be32(bytes.data()));
    crc = kCrc[3][crc & 255] ^ kCrc[2][crc >> 8 & 255] ^ kCrc[1][crc >> 16 & 255] ^
          kCrc[0][crc >> 24];
  }
  return ~crc;
}

constexpr std::array<std::byte, kLargestCodeBlock> kZeros{};

}  // namespace

Covered cover(Bytes whole, size_t at, size_t size, size_t block) {
  Covered covered;
  std::memcpy(covered.head.data(), whole.data(), 2);
  store_be16(&covered.head[2], static_cast<uint16_t>(at + size - kHeaderSize));
  covered.body = whole.subspan(4, at - kAttributeHeaderSize - 4);
  covered.code = whole.subspan(at, size);
  const size_t over = (covered.head.size() + covered.body.size()) % block;
  if (over != 0) covered.zeros = Bytes(kZeros).first(block - over);
  return covered;
}

std::optional<Covered> covered_by(const Message& message, Type integrity) {
  const Attribute* a = message.find(integrity);
  if (a == nullptr) return std::nullopt;
  return cover(message.whole, a->at, a->size);
}

uint32_t compute_fingerprint(Bytes before) { return crc32(before) ^ kFingerprintMask; }

Fingerprint check_fingerprint(const Message& message) {
  const Attribute* a = message.find(Type::fingerprint);
  if (a == nullptr) return Fingerprint::absent;
  // It is the last attribute: the length in the header already counts it.
  const uint32_t expected = compute_fingerprint(message.whole.first(a->at - kAttributeHeaderSize));
  return load_be32(message.value(*a).data()) == expected ? Fingerprint::right : Fingerprint::wrong;
}

}  // namespace fedge::stun
