#include "firmware/wire/stun/message.h"

#include <algorithm>

namespace fedge::stun {

namespace {

constexpr uint16_t method_of(uint16_t type) {
  return static_cast<uint16_t>((type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2);
}
constexpr Class class_of(uint16_t type) {
  return static_cast<Class>((type >> 4 & 1) | (type >> 7 & 2));
}
static_assert(method_of(encode_type(0xfff, Class::success)) == 0xfff);
static_assert(class_of(encode_type(0xfff, Class::indication)) == Class::indication);

bool is_hmac_sha256_size(size_t size) {
  return size >= kSmallestHmacSha256 && size <= kHmacSha256Size && size % 4 == 0;
}

}  // namespace

Malformed Message::read_header(Bytes bytes) {
  if (bytes.size() < kHeaderSize) return Malformed::header_short;
  const uint16_t type = load_be16(bytes.data());
  if ((type & 0xc000) != 0) return Malformed::first_bits;
  const size_t length = load_be16(&bytes[2]);
  if (length % 4 != 0) return Malformed::length_multiple;
  if (length != bytes.size() - kHeaderSize) return Malformed::length_mismatch;
  reset(bytes);
  method = method_of(type);
  message_class = class_of(type);
  is_classic = load_be32(&bytes[4]) != kMagicCookie;
  // RFC 8489 section 11: of RFC 3489 only Binding is left.
  if (is_classic && method != static_cast<uint16_t>(Method::binding))
    return Malformed::magic_cookie;
  has_integrity_ = has_integrity_sha256_ = false;
  return Malformed::none;
}

Malformed Message::add(const Attribute& a) {
  bool ignored = has_integrity_sha256_ || has_integrity_;
  switch (static_cast<Type>(a.type)) {
    case Type::message_integrity:
      if (ignored) break;
      if (a.size != kHmacSha1Size) return Malformed::integrity_length;
      has_integrity_ = true;
      break;
    case Type::message_integrity_sha256:
      ignored = has_integrity_sha256_;
      if (ignored) break;
      if (!is_hmac_sha256_size(a.size)) return Malformed::integrity_sha256_length;
      has_integrity_sha256_ = true;
      break;
    case Type::fingerprint:
      if (a.size != 4) return Malformed::fingerprint_length;
      if (a.at + a.size != whole.size()) return Malformed::fingerprint_not_last;
      ignored = false;
      break;
    default:
      break;
  }
  if (ignored) return Malformed::none;
  return keep(a) ? Malformed::none : Malformed::attributes_many;
}

Malformed parse(Bytes bytes, Message& message) {
  Malformed fault = message.read_header(bytes);
  if (fault != Malformed::none) return fault;
  Attribute a;
  size_t at = kHeaderSize;
  // The length is a multiple of four and so is each step: an attribute's header is always whole.
  Step step;
  while ((step = take_attribute<kPadding>(bytes, at, a)) == Step::attribute) {
    fault = message.add(a);
    if (fault != Malformed::none) return fault;
  }
  return step == Step::end ? Malformed::none : Malformed::attribute_length;
}

bool looks_like_stun(Bytes bytes) {
  return bytes.size() >= kHeaderSize && (load_be16(bytes.data()) & 0xc000) == 0 &&
         load_be16(&bytes[2]) % 4 == 0 && load_be32(&bytes[4]) == kMagicCookie;
}

size_t find_not_understood(std::span<const Attribute> attributes, bool (*understands)(uint16_t),
                           std::span<uint16_t> out) {
  size_t count = 0;
  for (const Attribute& a : attributes) {
    if (!is_comprehension_required(a.type) || understands(a.type)) continue;
    const auto seen = out.first(count);
    if (std::ranges::find(seen, a.type) != seen.end()) continue;
    if (count == out.size()) break;
    out[count++] = a.type;
  }
  return count;
}

}  // namespace fedge::stun
