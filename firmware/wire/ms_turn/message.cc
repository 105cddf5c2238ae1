#include "firmware/wire/ms_turn/message.h"

#include <array>
#include <cstring>

namespace fedge::ms_turn {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "header_short",
    "kind",
    "length_mismatch",
    "magic_cookie",
    "attribute_header",
    "attribute_length",
    "attributes_many",
    "integrity_length",
}};
static_assert(!kTexts.back().empty());

bool is_kind(uint16_t type) {
  switch (static_cast<Kind>(type)) {
    case Kind::allocate_request:
    case Kind::allocate_response:
    case Kind::allocate_error:
    case Kind::send_request:
    case Kind::data_indication:
    case Kind::set_active_destination_request:
    case Kind::set_active_destination_response:
    case Kind::set_active_destination_error:
      return true;
  }
  return false;
}

bool starts_with_cookie(Bytes bytes) {
  return bytes.size() >= kSmallestMessage &&
         load_be16(&bytes[kHeaderSize]) == static_cast<uint16_t>(Type::magic_cookie) &&
         load_be16(&bytes[kHeaderSize + 2]) == 4 &&
         load_be32(&bytes[kHeaderSize + kAttributeHeaderSize]) == kMagicCookie;
}

bool is_understood(uint16_t type) {
  switch (static_cast<Type>(type)) {
    case Type::mapped_address:
    case Type::username:
    case Type::message_integrity:
    case Type::error_code:
    case Type::unknown_attributes:
    case Type::lifetime:
    case Type::alternate_server:
    case Type::magic_cookie:
    case Type::bandwidth:
    case Type::destination_address:
    case Type::remote_address:
    case Type::data:
    case Type::nonce:
    case Type::realm:
    case Type::requested_address_family:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

Malformed Message::read_header(Bytes bytes) {
  if (bytes.size() < kHeaderSize) return Malformed::header_short;
  const uint16_t type = load_be16(bytes.data());
  if (!is_kind(type)) return Malformed::kind;
  if (load_be16(&bytes[2]) != bytes.size() - kHeaderSize) return Malformed::length_mismatch;
  if (!starts_with_cookie(bytes)) return Malformed::magic_cookie;
  kind = static_cast<Kind>(type);
  reset(bytes);
  has_integrity_ = false;
  return Malformed::none;
}

Malformed Message::add(const Attribute& a) {
  if (has_integrity_) return Malformed::none;
  if (a.type == static_cast<uint16_t>(Type::message_integrity)) {
    if (a.size != kHmacSha1Size && a.size != kHmacSha256Size) return Malformed::integrity_length;
    has_integrity_ = true;
  }
  return keep(a) ? Malformed::none : Malformed::attributes_many;
}

Malformed parse(Bytes bytes, Message& message) {
  Malformed fault = message.read_header(bytes);
  if (fault != Malformed::none) return fault;
  Attribute a;
  size_t at = kHeaderSize;
  stun::Step step;
  while ((step = stun::take_attribute<stun::kNoPadding>(bytes, at, a)) == stun::Step::attribute) {
    fault = message.add(a);
    if (fault != Malformed::none) return fault;
  }
  if (step == stun::Step::end) return Malformed::none;
  return step == stun::Step::header_short ? Malformed::attribute_header
                                          : Malformed::attribute_length;
}

std::optional<Covered> covered_by_integrity(const Message& message) {
  const Attribute* a = message.find(Type::message_integrity);
  if (a == nullptr) return std::nullopt;
  return stun::cover(message.whole, a->at, a->size, kHmacBlock);
}

std::optional<SequenceNumber> read_sequence_number(Bytes value) {
  SequenceNumber number;
  if (value.size() != kConnectionIdSize + 4) return std::nullopt;
  std::memcpy(number.connection.data(), value.data(), kConnectionIdSize);
  number.sequence = load_be32(&value[kConnectionIdSize]);
  return number;
}

size_t find_not_understood(const Message& message, std::span<uint16_t> out) {
  return stun::find_not_understood(message.attributes(), is_understood, out);
}

bool looks_like_ms_turn(Bytes bytes) {
  return bytes.size() >= kSmallestMessage && (load_be16(bytes.data()) & 0xc000) == 0 &&
         load_be32(&bytes[4]) != stun::kMagicCookie && starts_with_cookie(bytes);
}

}  // namespace fedge::ms_turn
