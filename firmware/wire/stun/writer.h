// Writes a STUN message into a buffer that the caller owns. Nothing is allocated; once something
// did not fit, nothing more is written and size() says nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/net/address.h"
#include "firmware/wire/stun/integrity.h"

namespace fedge::stun {

// The cookie followed by twelve octets that the caller drew at random.
Transaction make_transaction(std::span<const std::byte, kTransactionIdSize> id);

class Writer {
 public:
  Writer(MutableBytes buffer, Method method, Class message_class, const Transaction& transaction)
      : Writer(buffer, static_cast<uint16_t>(method), message_class, transaction) {}
  // The answer to `request`: its method and transaction.
  Writer(MutableBytes buffer, const Message& request, Class message_class)
      : Writer(buffer, request.method, message_class, request.transaction) {}

  Writer& add(Type type, Bytes value);
  Writer& add_text(Type type, std::string_view text) { return add(type, as_bytes(text)); }
  Writer& add_flag(Type type) { return add(type, {}); }
  Writer& add_number(Type type, uint32_t value);
  Writer& add_long_number(Type type, uint64_t value);
  Writer& add_address(Type type, const Endpoint& endpoint);
  Writer& add_xor_address(Type type, const Endpoint& endpoint);
  // With the registered phrase; a classic client gets none (RFC 3489 pads differently).
  Writer& add_error(Error error);
  Writer& add_unknown_attributes(std::span<const uint16_t> types);
  Writer& add_password_algorithms(std::span<const Algorithm> algorithms);
  Writer& add_password_algorithm(Algorithm algorithm);

  // MESSAGE-INTEGRITY, 20 octets, or MESSAGE-INTEGRITY-SHA256, 32: makes room for the code and
  // says what it is over; set_code() fills it in. Nothing when it does not fit.
  std::optional<Covered> add_integrity(Type integrity);
  void set_code(Bytes code);
  // The last attribute.
  Writer& add_fingerprint();

  bool fits() const { return !overflowed_; }
  // Octets of the message so far, whose header is right after each step.
  std::optional<size_t> size() const {
    return fits() ? std::optional<size_t>(used_) : std::nullopt;
  }
  Bytes written() const { return buffer_.first(used_); }

 private:
  Writer(MutableBytes buffer, uint16_t method, Class message_class, const Transaction& transaction);
  // Header and zeroed padding of an attribute; its value is the caller's to fill. Empty when it
  // does not fit, as for a value of no octets.
  MutableBytes make_room(Type type, size_t size);

  MutableBytes buffer_;
  size_t used_ = 0;
  size_t code_at_ = 0;
  bool overflowed_ = false;
};

}  // namespace fedge::stun
