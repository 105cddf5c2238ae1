// A domain name as the wire has it (RFC 1035 section 3.1), without compression, in lower case.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/net/address.h"

namespace fedge::dns {

class Name {
 public:
  // The root.
  Name() : wire_(1, '\0') {}
  // Labels of letters, digits, hyphens and underscores with dots between, with or without the
  // last dot. "." is the root.
  static std::optional<Name> parse(std::string_view text);
  // The name at `at` of a whole message, following compression (RFC 1035 section 4.1.4); moves
  // `at` behind it. Every jump goes backwards, so reading ends.
  static std::optional<Name> read(Bytes message, size_t& at);
  // The name that has the address's PTR record: in-addr.arpa or ip6.arpa.
  static Name reverse(const IpAddress& address);

  std::string_view wire() const { return wire_; }
  bool is_root() const { return wire_.size() == 1; }
  // True when this is `ancestor` or a name below it.
  bool is_within(const Name& ancestor) const;
  // Without the last dot; octets that mean something else are escaped (RFC 1035 section 5.1).
  std::string text() const;

  friend bool operator==(const Name&, const Name&) = default;

 private:
  std::string wire_;
};

}  // namespace fedge::dns

template <>
struct std::hash<fedge::dns::Name> {
  size_t operator()(const fedge::dns::Name& name) const {
    return std::hash<std::string_view>{}(name.wire());
  }
};
