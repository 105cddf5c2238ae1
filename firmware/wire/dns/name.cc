#include "firmware/wire/dns/name.h"

#include "firmware/wire/dns/constants.h"

namespace fedge::dns {

namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_host_octet(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

void append_label(std::string& wire, std::string_view label) {
  wire += static_cast<char>(label.size());
  for (const char c : label) wire += lower(c);
}

}  // namespace

std::optional<Name> Name::parse(std::string_view text) {
  Name name;
  if (text == ".") return name;
  if (text.ends_with('.')) text.remove_suffix(1);
  name.wire_.clear();
  for (;;) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > kLongestLabel) return std::nullopt;
    for (const char c : label) {
      if (!is_host_octet(c)) return std::nullopt;
    }
    append_label(name.wire_, label);
    if (name.wire_.size() >= kLongestName) return std::nullopt;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  name.wire_ += '\0';
  return name;
}

std::optional<Name> Name::read(Bytes message, size_t& at) {
  const std::string_view text = as_text(message);
  Name name;
  name.wire_.clear();
  size_t position = at;
  size_t lowest = at;  // where the part being read began
  size_t end = 0;      // behind the name where it stands, once known
  unsigned jumps = 0;
  for (;;) {
    if (position >= text.size()) return std::nullopt;
    const auto length = static_cast<uint8_t>(text[position]);
    if ((length & 0xc0) == 0xc0) {
      if (text.size() - position < 2) return std::nullopt;
      const size_t target = load_be16(&text[position]) & 0x3fff;
      if (end == 0) end = position + 2;
      if (target < kHeaderSize || target >= lowest || ++jumps > kMostJumps) return std::nullopt;
      lowest = position = target;
      continue;
    }
    if ((length & 0xc0) != 0) return std::nullopt;
    if (text.size() - position - 1 < length) return std::nullopt;
    if (name.wire_.size() + 1 + length > kLongestName) return std::nullopt;
    append_label(name.wire_, text.substr(position + 1, length));
    position += size_t{1} + length;
    if (length == 0) break;
  }
  at = end != 0 ? end : position;
  return name;
}

Name Name::reverse(const IpAddress& address) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  Name name;
  name.wire_.clear();
  if (address.is_v4()) {
    for (int i = 3; i >= 0; --i) append_label(name.wire_, std::to_string(address.octets[i]));
    append_label(name.wire_, "in-addr");
  } else {
    for (int i = 15; i >= 0; --i) {
      append_label(name.wire_, kDigits.substr(address.octets[i] & 15, 1));
      append_label(name.wire_, kDigits.substr(address.octets[i] >> 4, 1));
    }
    append_label(name.wire_, "ip6");
  }
  append_label(name.wire_, "arpa");
  name.wire_ += '\0';
  return name;
}

bool Name::is_within(const Name& ancestor) const {
  // Compared at the starts of labels only: octets of a label may look like a length.
  for (size_t at = 0; at < wire_.size(); at += 1 + static_cast<uint8_t>(wire_[at])) {
    if (std::string_view(wire_).substr(at) == ancestor.wire_) return true;
  }
  return false;
}

std::string Name::text() const {
  if (is_root()) return ".";
  std::string out;
  for (size_t at = 0; wire_[at] != '\0';) {
    const auto length = static_cast<uint8_t>(wire_[at]);
    if (at != 0) out += '.';
    for (const char c : std::string_view(wire_).substr(at + 1, length)) {
      const auto octet = static_cast<uint8_t>(c);
      if (octet <= 0x20 || octet >= 0x7f) {
        out += '\\';
        out += static_cast<char>('0' + octet / 100);
        out += static_cast<char>('0' + octet / 10 % 10);
        out += static_cast<char>('0' + octet % 10);
        continue;
      }
      if (c == '.' || c == '\\') out += '\\';
      out += c;
    }
    at += size_t{1} + length;
  }
  return out;
}

}  // namespace fedge::dns
