#include "firmware/wire/ip/checksum.h"

#include <cstring>

namespace fedge::ip {

namespace {

Bytes octets_of(const IpAddress& address) {
  return {reinterpret_cast<const std::byte*>(address.octets.data()), address.bits() / 8};
}

uint16_t fold(uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace

uint64_t checksum_add(uint64_t sum, Bytes bytes) {
  const std::byte* p = bytes.data();
  size_t left = bytes.size();
  // 32-bit words are congruent to their two halves modulo 0xffff, and 2^32 of them fit in 64 bits.
  for (; left >= 8; p += 8, left -= 8) sum += uint64_t{load_be32(p)} + load_be32(p + 4);
  for (; left >= 2; p += 2, left -= 2) sum += load_be16(p);
  if (left == 1) sum += std::to_integer<uint64_t>(*p) << 8;
  return sum;
}

uint16_t checksum_finish(uint64_t sum) { return static_cast<uint16_t>(~fold(sum)); }

uint16_t transport_checksum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                            Bytes segment) {
  uint64_t sum = checksum_add(0, octets_of(source));
  sum = checksum_add(sum, octets_of(destination));
  sum += protocol;
  sum += segment.size();
  return checksum_finish(checksum_add(sum, segment));
}

uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after) {
  const uint64_t sum =
      uint64_t{static_cast<uint16_t>(~checksum)} + static_cast<uint16_t>(~before) + after;
  return checksum_finish(sum);
}

uint16_t checksum_update(uint16_t checksum, const IpAddress& before, const IpAddress& after) {
  for (size_t i = 0; i < before.bits() / 8; i += 2) {
    checksum = checksum_update(checksum, load_be16(&before.octets[i]), load_be16(&after.octets[i]));
  }
  return checksum;
}

}  // namespace fedge::ip
