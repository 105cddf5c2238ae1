// Writes a message of any dialect with STUN's header into a buffer that the caller owns: header,
// attributes, room for a code. Nothing is allocated; once something did not fit, nothing more is
// written and size() says nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/net/address.h"
#include "firmware/wire/stun/integrity.h"

namespace fedge::stun {

// Base of a writer: Self is the writer, Type names its attributes' types, kPaddedTo is kPadding or
// kNoPadding, codes are over text that is zero-padded to a multiple of kCodeBlock octets.
template <typename Self, typename Type, size_t kPaddedTo, size_t kCodeBlock>
class AttributeWriter {
 public:
  Self& add(Type type, Bytes value) {
    const MutableBytes room = make_room(type, value.size());
    if (!room.empty()) std::memcpy(room.data(), value.data(), value.size());
    return self();
  }
  Self& add_text(Type type, std::string_view text) { return add(type, as_bytes(text)); }
  Self& add_flag(Type type) { return add(type, {}); }
  Self& add_number(Type type, uint32_t value) {
    const MutableBytes room = make_room(type, 4);
    if (!room.empty()) store_be32(room.data(), value);
    return self();
  }
  Self& add_address(Type type, const Endpoint& endpoint) {
    const size_t size = endpoint.address.is_v4() ? 4 : 16;
    const MutableBytes room = make_room(type, 4 + size);
    if (room.empty()) return self();
    room[0] = std::byte{0};
    room[1] = static_cast<std::byte>(endpoint.address.is_v4() ? Family::ipv4 : Family::ipv6);
    store_be16(&room[2], endpoint.port);
    std::memcpy(&room[4], endpoint.address.octets.data(), size);
    return self();
  }
  // Hidden behind what follows the header's length: the cookie and the transaction id.
  Self& add_xor_address(Type type, const Endpoint& endpoint) {
    if (!fits()) return self();
    Endpoint hidden = endpoint;
    hidden.port ^= load_be16(&buffer_[4]);
    const size_t size = endpoint.address.is_v4() ? 4 : 16;
    for (size_t i = 0; i < size; ++i)
      hidden.address.octets[i] ^= std::to_integer<uint8_t>(buffer_[4 + i]);
    return add_address(type, hidden);
  }
  // The head of a last attribute whose `size` octets, and their padding, lie behind written() and
  // are the caller's. False when it does not fit or the message would be longer than its length
  // field can say.
  [[nodiscard]] bool end_with_head(Type type, size_t size) {
    const size_t length = used_ - kHeaderSize + kAttributeHeaderSize + padded(size);
    if (make_room(type, 0).data() == nullptr || length > 0xffff) return false;
    store_be16(&buffer_[used_ - 2], static_cast<uint16_t>(size));
    store_be16(&buffer_[2], static_cast<uint16_t>(length));
    return true;
  }

  // Fills in what add_integrity() made room for.
  void set_code(Bytes code) {
    if (!fits() || code_at_ == 0 || code.size() != used_ - code_at_) return;
    std::memcpy(&buffer_[code_at_], code.data(), code.size());
    code_at_ = 0;
  }

  bool fits() const { return !overflowed_; }
  // Octets of the message so far, whose header is right after each step.
  std::optional<size_t> size() const {
    return fits() ? std::optional<size_t>(used_) : std::nullopt;
  }
  Bytes written() const { return buffer_.first(used_); }

 protected:
  // Header and zeroed padding of an attribute; its value is the caller's to fill. Empty when it
  // does not fit, as for a value of no octets.
  MutableBytes make_room(Type type, size_t size) {
    const size_t needed = kAttributeHeaderSize + padded(size);
    if (needed > buffer_.size() - used_ || used_ - kHeaderSize + needed > 0xffff)
      overflowed_ = true;
    if (overflowed_) return {};
    store_be16(&buffer_[used_], static_cast<uint16_t>(type));
    store_be16(&buffer_[used_ + 2], static_cast<uint16_t>(size));
    const size_t at = used_ + kAttributeHeaderSize;
    if constexpr (kPaddedTo > 1) std::memset(buffer_.data() + at + size, 0, padded(size) - size);
    used_ += needed;
    store_be16(&buffer_[2], static_cast<uint16_t>(used_ - kHeaderSize));
    return buffer_.subspan(at, size);
  }

  Self& put_error(Error error, std::string_view reason) {
    const MutableBytes room = make_room(Type::error_code, 4 + reason.size());
    if (room.empty()) return self();
    const auto code = static_cast<uint16_t>(error);
    store_be16(room.data(), 0);
    room[2] = static_cast<std::byte>(code / 100);
    room[3] = static_cast<std::byte>(code % 100);
    if (!reason.empty()) std::memcpy(&room[4], reason.data(), reason.size());
    return self();
  }
  // With `even` an odd list repeats one.
  Self& put_unknown_attributes(std::span<const uint16_t> types, bool even) {
    const size_t count = types.size() + (even ? types.size() % 2 : 0);
    const MutableBytes room = make_room(Type::unknown_attributes, 2 * count);
    for (size_t i = 0; i < room.size() / 2; ++i)
      store_be16(&room[2 * i], types[i < types.size() ? i : 0]);
    return self();
  }
  std::optional<Covered> put_integrity(Type type, size_t size) {
    const MutableBytes room = make_room(type, size);
    if (room.empty()) return std::nullopt;
    std::memset(room.data(), 0, size);
    code_at_ = used_ - size;
    return cover(written(), code_at_, size, kCodeBlock);
  }

 private:
  friend Self;
  AttributeWriter(MutableBytes buffer, uint16_t type, const Transaction& transaction)
      : buffer_(buffer) {
    if (buffer.size() < kHeaderSize) {
      overflowed_ = true;
      return;
    }
    store_be16(buffer.data(), type);
    store_be16(&buffer[2], 0);
    std::memcpy(&buffer[4], transaction.data(), transaction.size());
    used_ = kHeaderSize;
  }

  static constexpr size_t padded(size_t size) { return (size + kPaddedTo - 1) & ~(kPaddedTo - 1); }
  Self& self() { return static_cast<Self&>(*this); }

  MutableBytes buffer_;
  size_t used_ = 0;
  size_t code_at_ = 0;
  bool overflowed_ = false;
};

}  // namespace fedge::stun
