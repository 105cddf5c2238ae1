// Writes a STUN message (RFC 8489), on the terms of attribute_writer.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firmware/wire/stun/attribute_writer.h"

namespace fedge::stun {

// The cookie followed by twelve octets that the caller drew at random.
Transaction make_transaction(std::span<const std::byte, kTransactionIdSize> id);

class Writer : public AttributeWriter<Writer, Type, kPadding, 1> {
 public:
  Writer(MutableBytes buffer, Method method, Class message_class, const Transaction& transaction)
      : Writer(buffer, static_cast<uint16_t>(method), message_class, transaction) {}
  // The answer to `request`: its method and transaction.
  Writer(MutableBytes buffer, const Message& request, Class message_class)
      : Writer(buffer, request.method, message_class, request.transaction) {}

  Writer& add_long_number(Type type, uint64_t value);
  // With the registered phrase; a classic client gets none (RFC 3489 pads differently).
  Writer& add_error(Error error);
  Writer& add_unknown_attributes(std::span<const uint16_t> types);
  Writer& add_password_algorithms(std::span<const Algorithm> algorithms);
  Writer& add_password_algorithm(Algorithm algorithm);

  // MESSAGE-INTEGRITY, 20 octets, or MESSAGE-INTEGRITY-SHA256, 32: makes room for the code and
  // says what it is over; set_code() fills it in. Nothing when it does not fit.
  std::optional<Covered> add_integrity(Type integrity);
  // The last attribute.
  Writer& add_fingerprint();

 private:
  Writer(MutableBytes buffer, uint16_t method, Class message_class, const Transaction& transaction)
      : AttributeWriter(buffer, encode_type(method, message_class), transaction) {}
  bool is_classic() const { return fits() && load_be32(&written()[4]) != kMagicCookie; }
};

}  // namespace fedge::stun
