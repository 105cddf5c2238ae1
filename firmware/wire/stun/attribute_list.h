// The attributes of a message as views into it, for every dialect that has STUN's header of 20
// octets and a type and a length of two octets each in front of a value: RFC 8489 pads values to
// four octets, MS-TURN does not. Nothing is copied or allocated.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "firmware/base/bytes.h"

namespace fedge::stun {

inline constexpr size_t kHeaderSize = 20;
inline constexpr size_t kAttributeHeaderSize = 4;
// What values are padded to.
inline constexpr size_t kPadding = 4;
inline constexpr size_t kNoPadding = 1;

// The 16 octets behind the length: the cookie and the transaction id, or RFC 3489's whole id.
using Transaction = std::array<std::byte, 16>;

// As it stands: `type` may be none that Type names, the value's length none that the type has.
struct Attribute {
  uint16_t type;
  uint16_t size;  // of the value, without padding
  uint32_t at;    // offset of the value in the message
};

// Types below it must be understood.
inline constexpr uint16_t kFirstOptional = 0x8000;
constexpr bool is_comprehension_required(uint16_t type) { return type < kFirstOptional; }

// Base of a message: at most kMost attributes, whose types Type names.
template <typename Type, size_t kMost>
class AttributeList {
 public:
  Transaction transaction{};
  Bytes whole;

  // In the order of the message, without what must be ignored.
  std::span<const Attribute> attributes() const { return {store_.data(), count_}; }
  Bytes value(const Attribute& a) const { return whole.subspan(a.at, a.size); }
  // The first of that type (RFC 8489 section 14), null when there is none.
  const Attribute* find(Type type) const {
    for (const Attribute& a : attributes())
      if (a.type == static_cast<uint16_t>(type)) return &a;
    return nullptr;
  }
  bool has(Type type) const { return find(type) != nullptr; }
  // Its value; nullopt when there is none.
  std::optional<Bytes> find_value(Type type) const {
    const Attribute* a = find(type);
    return a == nullptr ? std::nullopt : std::optional(value(*a));
  }

 protected:
  // Begins anew; `bytes` has a header.
  void reset(Bytes bytes) {
    whole = bytes;
    std::memcpy(transaction.data(), &bytes[4], transaction.size());
    count_ = 0;
  }
  // False when there are too many.
  bool keep(const Attribute& a) {
    if (count_ == kMost) return false;
    store_[count_++] = a;
    return true;
  }

 private:
  std::array<Attribute, kMost> store_;  // [0, count_) is set
  size_t count_ = 0;
};

enum class Step : uint8_t { attribute, end, header_short, value_short };

// Goes on to the next attribute of `whole`; `at` begins at kHeaderSize. The last value's padding
// may be missing.
template <size_t kPaddedTo>
Step take_attribute(Bytes whole, size_t& at, Attribute& a) {
  if (at >= whole.size()) return Step::end;
  if (whole.size() - at < kAttributeHeaderSize) return Step::header_short;
  a.type = load_be16(&whole[at]);
  a.size = load_be16(&whole[at + 2]);
  at += kAttributeHeaderSize;
  if (whole.size() - at < a.size) return Step::value_short;
  a.at = static_cast<uint32_t>(at);
  at += (a.size + kPaddedTo - 1) & ~(kPaddedTo - 1);
  return Step::attribute;
}

// The types that must be understood and are not, in the message's order and each once: of
// UNKNOWN-ATTRIBUTES in a 420 (RFC 8489 section 6.3.1). Returns how many of `out` were set; what
// does not fit is left out.
size_t find_not_understood(std::span<const Attribute> attributes, bool (*understands)(uint16_t),
                           std::span<uint16_t> out);

}  // namespace fedge::stun
