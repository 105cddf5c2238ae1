#include "firmware/wire/ms_turn/message.h"

#include <algorithm>
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

constexpr std::array<std::byte, kHmacBlock> kZeros{};

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

const Attribute* Message::find(Type type) const {
  for (const Attribute& a : attributes())
    if (a.type == static_cast<uint16_t>(type)) return &a;
  return nullptr;
}

std::optional<Bytes> Message::find_value(Type type) const {
  const Attribute* a = find(type);
  return a == nullptr ? std::nullopt : std::optional(value(*a));
}

Malformed Message::read_header(Bytes bytes) {
  if (bytes.size() < kHeaderSize) return Malformed::header_short;
  const uint16_t type = load_be16(bytes.data());
  if (!is_kind(type)) return Malformed::kind;
  if (load_be16(&bytes[2]) != bytes.size() - kHeaderSize) return Malformed::length_mismatch;
  if (!starts_with_cookie(bytes)) return Malformed::magic_cookie;
  kind = static_cast<Kind>(type);
  whole = bytes;
  std::memcpy(transaction.data(), &bytes[4], transaction.size());
  count_ = 0;
  return Malformed::none;
}

Malformed Message::add(uint16_t type, uint16_t size, uint32_t at) {
  if (has(Type::message_integrity)) return Malformed::none;
  if (type == static_cast<uint16_t>(Type::message_integrity) && size != kHmacSha1Size &&
      size != kHmacSha256Size)
    return Malformed::integrity_length;
  if (count_ == kMostAttributes) return Malformed::attributes_many;
  store_[count_++] = {type, size, at};
  return Malformed::none;
}

Malformed parse(Bytes bytes, Message& message) {
  const Malformed fault = message.read_header(bytes);
  if (fault != Malformed::none) return fault;
  for (size_t at = kHeaderSize; at < bytes.size();) {
    if (bytes.size() - at < kAttributeHeaderSize) return Malformed::attribute_header;
    const uint16_t type = load_be16(&bytes[at]);
    const uint16_t size = load_be16(&bytes[at + 2]);
    at += kAttributeHeaderSize;
    if (bytes.size() - at < size) return Malformed::attribute_length;
    const Malformed reason = message.add(type, size, static_cast<uint32_t>(at));
    if (reason != Malformed::none) return reason;
    at += size;
  }
  return Malformed::none;
}

Covered cover_padded(Bytes whole, size_t at, size_t size) {
  Covered covered = stun::cover(whole, at, size);
  const size_t over = (covered.head.size() + covered.body.size()) % kHmacBlock;
  if (over != 0) covered.zeros = Bytes(kZeros).first(kHmacBlock - over);
  return covered;
}

std::optional<Covered> covered_by_integrity(const Message& message) {
  const Attribute* a = message.find(Type::message_integrity);
  if (a == nullptr) return std::nullopt;
  return cover_padded(message.whole, a->at, a->size);
}

std::optional<SequenceNumber> read_sequence_number(Bytes value) {
  SequenceNumber number;
  if (value.size() != kConnectionIdSize + 4) return std::nullopt;
  std::memcpy(number.connection.data(), value.data(), kConnectionIdSize);
  number.sequence = load_be32(&value[kConnectionIdSize]);
  return number;
}

size_t find_not_understood(const Message& message, std::span<uint16_t> out) {
  size_t count = 0;
  for (const Attribute& a : message.attributes()) {
    if (a.type >= kFirstOptional || is_understood(a.type)) continue;
    const auto seen = out.first(count);
    if (std::ranges::find(seen, a.type) != seen.end()) continue;
    if (count == out.size()) break;
    out[count++] = a.type;
  }
  return count;
}

bool looks_like_ms_turn(Bytes bytes) {
  return bytes.size() >= kSmallestMessage && (load_be16(bytes.data()) & 0xc000) == 0 &&
         load_be32(&bytes[4]) != stun::kMagicCookie && starts_with_cookie(bytes);
}

}  // namespace fedge::ms_turn
