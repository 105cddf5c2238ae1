// One MS-TURN message as views ([MS-TURN] 2.2): attributes are not padded, MAGIC-COOKIE is the
// first. Values have the forms of STUN's: stun::read_address(), read_xor_address() with the whole
// transaction id, read_number(), read_error_code() read them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/wire/ms_turn/constants.h"
#include "firmware/wire/ms_turn/malformed.h"
#include "firmware/wire/stun/integrity.h"
#include "firmware/wire/stun/message.h"

namespace fedge::ms_turn {

using Transaction = stun::Transaction;  // 16 octets of the client's choice
using Attribute = stun::Attribute;
using Covered = stun::Covered;
inline constexpr size_t kMostAttributes = 32;

// Nothing behind MESSAGE-INTEGRITY is in attributes().
class Message : public stun::AttributeList<Type, kMostAttributes> {
 public:
  Kind kind = Kind::allocate_request;

 private:
  friend Malformed parse(Bytes bytes, Message& message);
  Malformed read_header(Bytes bytes);
  Malformed add(const Attribute& a);

  bool has_integrity_ = false;
};

// Reads a datagram, or a control frame without its header. A malformed message is not answered,
// and over TCP ends the connection ([MS-TURN] 3.1.10).
Malformed parse(Bytes bytes, Message& message);

// What MESSAGE-INTEGRITY is over, zero-padded to a multiple of 64 octets; nothing without one.
// The code has 20 octets (HMAC-SHA1) or 32 (HMAC-SHA256).
std::optional<Covered> covered_by_integrity(const Message& message);

// MS-SEQUENCE-NUMBER: the allocation's connection, and a counter that each authenticated request
// on it raises.
struct SequenceNumber {
  std::array<std::byte, kConnectionIdSize> connection{};
  uint32_t sequence = 0;
  friend bool operator==(const SequenceNumber&, const SequenceNumber&) = default;
};
std::optional<SequenceNumber> read_sequence_number(Bytes value);

// The types that must be understood and are not, each once; as stun::find_not_understood().
size_t find_not_understood(const Message& message, std::span<uint16_t> out);

// By the head of a datagram: no cookie of RFC 8489, and MAGIC-COOKIE as the first attribute.
bool looks_like_ms_turn(Bytes bytes);

}  // namespace fedge::ms_turn
