#include "firmware/wire/ms_turn/writer.h"

#include <cstring>

namespace fedge::ms_turn {

Writer::Writer(MutableBytes buffer, Kind kind, const Transaction& transaction) : buffer_(buffer) {
  if (buffer.size() < kHeaderSize) {
    overflowed_ = true;
    return;
  }
  store_be16(buffer.data(), static_cast<uint16_t>(kind));
  store_be16(&buffer[2], 0);
  std::memcpy(&buffer[4], transaction.data(), transaction.size());
  used_ = kHeaderSize;
  add_number(Type::magic_cookie, kMagicCookie);
}

MutableBytes Writer::make_room(Type type, size_t size) {
  const size_t needed = kAttributeHeaderSize + size;
  if (needed > buffer_.size() - used_ || used_ - kHeaderSize + needed > 0xffff) overflowed_ = true;
  if (overflowed_) return {};
  store_be16(&buffer_[used_], static_cast<uint16_t>(type));
  store_be16(&buffer_[used_ + 2], static_cast<uint16_t>(size));
  const size_t at = used_ + kAttributeHeaderSize;
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

Writer& Writer::add_address(Type type, const Endpoint& endpoint) {
  const size_t size = endpoint.address.is_v4() ? 4 : 16;
  const MutableBytes room = make_room(type, 4 + size);
  if (room.empty()) return *this;
  room[0] = std::byte{0};
  room[1] =
      static_cast<std::byte>(endpoint.address.is_v4() ? stun::Family::ipv4 : stun::Family::ipv6);
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

Writer& Writer::add_error(stun::Error error) {
  const std::string_view reason = stun::reason_of(error);
  const MutableBytes room = make_room(Type::error_code, 4 + reason.size());
  if (room.empty()) return *this;
  const auto code = static_cast<uint16_t>(error);
  store_be16(room.data(), 0);
  room[2] = static_cast<std::byte>(code / 100);
  room[3] = static_cast<std::byte>(code % 100);
  std::memcpy(&room[4], reason.data(), reason.size());
  return *this;
}

Writer& Writer::add_unknown_attributes(std::span<const uint16_t> types) {
  const MutableBytes room = make_room(Type::unknown_attributes, 2 * types.size());
  for (size_t i = 0; i < room.size() / 2; ++i) store_be16(&room[2 * i], types[i]);
  return *this;
}

Writer& Writer::add_sequence_number(const SequenceNumber& number) {
  const MutableBytes room = make_room(Type::ms_sequence_number, kConnectionIdSize + 4);
  if (room.empty()) return *this;
  std::memcpy(room.data(), number.connection.data(), kConnectionIdSize);
  store_be32(&room[kConnectionIdSize], number.sequence);
  return *this;
}

std::optional<Covered> Writer::add_integrity(size_t size) {
  const MutableBytes room = make_room(Type::message_integrity, size);
  if (room.empty()) return std::nullopt;
  std::memset(room.data(), 0, size);
  code_at_ = used_ - size;
  return cover_padded(written(), code_at_, size);
}

void Writer::set_code(Bytes code) {
  if (!fits() || code_at_ == 0 || code.size() != used_ - code_at_) return;
  std::memcpy(&buffer_[code_at_], code.data(), code.size());
  code_at_ = 0;
}

std::optional<Kind> response_to(Kind request) {
  switch (request) {
    case Kind::allocate_request:
      return Kind::allocate_response;
    case Kind::set_active_destination_request:
      return Kind::set_active_destination_response;
    default:
      return std::nullopt;
  }
}

std::optional<Kind> error_to(Kind request) {
  switch (request) {
    case Kind::allocate_request:
      return Kind::allocate_error;
    case Kind::set_active_destination_request:
      return Kind::set_active_destination_error;
    default:
      return std::nullopt;
  }
}

bool write_data_head(MutableBytes out, const Transaction& transaction, const Endpoint& remote,
                     size_t size) {
  const size_t head = data_head_size(remote.address);
  const size_t length = head - kHeaderSize + size;
  if (length > 0xffff) return false;
  Writer writer(out.first(head - kAttributeHeaderSize), Kind::data_indication, transaction);
  writer.add_address(Type::remote_address, remote);
  store_be16(&out[head - 4], static_cast<uint16_t>(Type::data));
  store_be16(&out[head - 2], static_cast<uint16_t>(size));
  store_be16(&out[2], static_cast<uint16_t>(length));
  return true;
}

}  // namespace fedge::ms_turn
