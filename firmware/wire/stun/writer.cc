#include "firmware/wire/stun/writer.h"

#include <cstring>

namespace fedge::stun {

Transaction make_transaction(std::span<const std::byte, kTransactionIdSize> id) {
  Transaction transaction;
  store_be32(transaction.data(), kMagicCookie);
  std::memcpy(&transaction[4], id.data(), id.size());
  return transaction;
}

Writer::Writer(MutableBytes buffer, uint16_t method, Class message_class,
               const Transaction& transaction)
    : buffer_(buffer) {
  if (buffer.size() < kHeaderSize) {
    overflowed_ = true;
    return;
  }
  store_be16(buffer.data(), encode_type(method, message_class));
  store_be16(&buffer[2], 0);
  std::memcpy(&buffer[4], transaction.data(), transaction.size());
  used_ = kHeaderSize;
}

MutableBytes Writer::make_room(Type type, size_t size) {
  const size_t padded = (size + 3) & ~size_t{3};
  const size_t needed = kAttributeHeaderSize + padded;
  if (needed > buffer_.size() - used_ || used_ - kHeaderSize + needed > 0xffff) overflowed_ = true;
  if (overflowed_) return {};
  store_be16(&buffer_[used_], static_cast<uint16_t>(type));
  store_be16(&buffer_[used_ + 2], static_cast<uint16_t>(size));
  const size_t at = used_ + kAttributeHeaderSize;
  std::memset(buffer_.data() + at + size, 0, padded - size);
  used_ += needed;
  store_be16(&buffer_[2], static_cast<uint16_t>(used_ - kHeaderSize));
  return buffer_.subspan(at, size);
}

Writer& Writer::add(Type type, Bytes value) {
  const MutableBytes room = make_room(type, value.size());
  if (!room.empty()) std::memcpy(room.data(), value.data(), value.size());
  return *this;
}

Writer& Writer::add_number(Type type, uint32_t value) {
  const MutableBytes room = make_room(type, 4);
  if (!room.empty()) store_be32(room.data(), value);
  return *this;
}

Writer& Writer::add_long_number(Type type, uint64_t value) {
  const MutableBytes room = make_room(type, 8);
  if (room.empty()) return *this;
  store_be32(room.data(), static_cast<uint32_t>(value >> 32));
  store_be32(&room[4], static_cast<uint32_t>(value));
  return *this;
}

Writer& Writer::add_address(Type type, const Endpoint& endpoint) {
  const size_t size = endpoint.address.is_v4() ? 4 : 16;
  const MutableBytes room = make_room(type, 4 + size);
  if (room.empty()) return *this;
  room[0] = std::byte{0};
  room[1] = static_cast<std::byte>(endpoint.address.is_v4() ? Family::ipv4 : Family::ipv6);
  store_be16(&room[2], endpoint.port);
  std::memcpy(&room[4], endpoint.address.octets.data(), size);
  return *this;
}

Writer& Writer::add_xor_address(Type type, const Endpoint& endpoint) {
  if (!fits()) return *this;
  Endpoint hidden = endpoint;
  hidden.port ^= load_be16(&buffer_[4]);
  const size_t size = endpoint.address.is_v4() ? 4 : 16;
  for (size_t i = 0; i < size; ++i)
    hidden.address.octets[i] ^= std::to_integer<uint8_t>(buffer_[4 + i]);
  return add_address(type, hidden);
}

Writer& Writer::add_error(Error error) {
  const bool is_classic = fits() && load_be32(&buffer_[4]) != kMagicCookie;
  const std::string_view reason = is_classic ? std::string_view() : reason_of(error);
  const MutableBytes room = make_room(Type::error_code, 4 + reason.size());
  if (room.empty()) return *this;
  const auto code = static_cast<uint16_t>(error);
  store_be16(room.data(), 0);
  room[2] = static_cast<std::byte>(code / 100);
  room[3] = static_cast<std::byte>(code % 100);
  if (!reason.empty()) std::memcpy(&room[4], reason.data(), reason.size());
  return *this;
}

Writer& Writer::add_unknown_attributes(std::span<const uint16_t> types) {
  // RFC 3489 section 11.2.10: an odd list repeats one, to be a multiple of four octets.
  const bool is_classic = fits() && load_be32(&buffer_[4]) != kMagicCookie;
  const size_t count = types.size() + (is_classic ? types.size() % 2 : 0);
  const MutableBytes room = make_room(Type::unknown_attributes, 2 * count);
  for (size_t i = 0; i < room.size() / 2; ++i)
    store_be16(&room[2 * i], types[i < types.size() ? i : 0]);
  return *this;
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
  const size_t size = integrity == Type::message_integrity ? kHmacSha1Size : kHmacSha256Size;
  const MutableBytes room = make_room(integrity, size);
  if (room.empty()) return std::nullopt;
  std::memset(room.data(), 0, size);
  code_at_ = used_ - size;
  return cover(written(), code_at_, size);
}

void Writer::set_code(Bytes code) {
  if (!fits() || code_at_ == 0 || code.size() != used_ - code_at_) return;
  std::memcpy(&buffer_[code_at_], code.data(), code.size());
  code_at_ = 0;
}

Writer& Writer::add_fingerprint() {
  const MutableBytes room = make_room(Type::fingerprint, 4);
  if (room.empty()) return *this;
  const size_t before = used_ - 4 - kAttributeHeaderSize;
  store_be32(room.data(), compute_fingerprint(written().first(before)));
  return *this;
}

}  // namespace fedge::stun
