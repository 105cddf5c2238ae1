#include "firmware/wire/stun/writer.h"

#include <cstring>

namespace fedge::stun {

Transaction make_transaction(std::span<const std::byte, kTransactionIdSize> id) {
  Transaction transaction;
  store_be32(transaction.data(), kMagicCookie);
  std::memcpy(&transaction[4], id.data(), id.size());
  return transaction;
}

Writer& Writer::add_long_number(Type type, uint64_t value) {
  const MutableBytes room = make_room(type, 8);
  if (room.empty()) return *this;
  store_be32(room.data(), static_cast<uint32_t>(value >> 32));
  store_be32(&room[4], static_cast<uint32_t>(value));
  return *this;
}

Writer& Writer::add_error(Error error) {
  return put_error(error, is_classic() ? std::string_view() : reason_of(error));
}

Writer& Writer::add_unknown_attributes(std::span<const uint16_t> types) {
  // RFC 3489 section 11.2.10: a multiple of four octets.
  return put_unknown_attributes(types, is_classic());
}

Writer& Writer::add_password_algorithms(std::span<const Algorithm> algorithms) {
  const MutableBytes room = make_room(Type::password_algorithms, 4 * algorithms.size());
  for (size_t i = 0; i < room.size() / 4; ++i)
    store_be32(&room[4 * i], uint32_t{static_cast<uint16_t>(algorithms[i])} << 16);
  return *this;
}

Writer& Writer::add_password_algorithm(Algorithm algorithm) {
  return add_number(Type::password_algorithm, uint32_t{static_cast<uint16_t>(algorithm)} << 16);
}

std::optional<Covered> Writer::add_integrity(Type integrity) {
  return put_integrity(integrity,
                       integrity == Type::message_integrity ? kHmacSha1Size : kHmacSha256Size);
}

Writer& Writer::add_fingerprint() {
  const MutableBytes room = make_room(Type::fingerprint, 4);
  if (room.empty()) return *this;
  const size_t before = written().size() - 4 - kAttributeHeaderSize;
  store_be32(room.data(), compute_fingerprint(written().first(before)));
  return *this;
}

}  // namespace fedge::stun
