// Messages octet by octet, so that the writer is not its own judge: header and lengths right unless
// a test spoils them, attributes as given.
#pragma once

#include <string>
#include <string_view>

#include "firmware/wire/stun/attribute_list.h"

namespace fedge::stun::test {

class Raw {
 public:
  // `transaction` has the 16 octets behind the length.
  Raw(uint16_t type, std::string_view transaction, size_t padded_to) : padded_to_(padded_to) {
    be16(type);
    be16(0);
    text_ += transaction;
  }
  template <typename Type>
  Raw& attribute(Type type, std::string_view value) {
    be16(static_cast<uint16_t>(type));
    be16(static_cast<uint16_t>(value.size()));
    text_ += value;
    while (text_.size() % padded_to_ != 0) text_ += ' ';
    store_be16(&text_[2], static_cast<uint16_t>(text_.size() - kHeaderSize));
    return *this;
  }
  std::string text() const { return text_; }

 private:
  void be16(uint16_t v) {
    char octets[2];
    store_be16(octets, v);
    text_.append(octets, 2);
  }

  std::string text_;
  size_t padded_to_;
};

}  // namespace fedge::stun::test
