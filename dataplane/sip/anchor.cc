#include "dataplane/sip/anchor.h"

#include <bit>

#include "dataplane/sip/hash.h"
#include "firmware/base/output.h"
#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/name_addr.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

void write_hex(Output& out, uint64_t value, unsigned digits) {
  while (digits-- > 0) out << "0123456789abcdef"[value >> (4 * digits) & 15];
}

template <class T>
bool take_hex(std::string_view& text, unsigned digits, T& value) {
  uint64_t number = 0;
  for (unsigned i = 0; i < digits; ++i) {
    const char c = text[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) return false;
    number = number << 4 | static_cast<uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  value = static_cast<T>(number);
  text.remove_prefix(digits);
  return true;
}

}  // namespace

uint32_t hash_of_tag(std::string_view tag) { return static_cast<uint32_t>(hash_of(tag, 0)); }

std::string_view write_anchor(const AnchorRef& anchor, std::string_view call_id, RouteMac& mac,
                              AnchorText& out) {
  Output text(out);
  write_hex(text, anchor.id, 16);
  write_hex(text, anchor.caller_tag, 8);
  for (const AnchorEnd& end : anchor.ends) {
    write_hex(text, end.address, 8);
    write_hex(text, end.port, 4);
  }
  write_hex(text, anchor.streams, 1);
  RouteMacText code;
  text << mac.write(text.text(), call_id, code);
  return text.text();
}

std::optional<AnchorRef> read_anchor(std::string_view text, std::string_view call_id,
                                     RouteMac& mac) {
  if (text.size() != kAnchorTextSize) return std::nullopt;
  const std::string_view digits = text.substr(0, kAnchorDigits);
  if (!mac.verify(digits, call_id, text.substr(kAnchorDigits))) return std::nullopt;
  AnchorRef anchor;
  std::string_view rest = digits;
  if (!take_hex(rest, 16, anchor.id) || !take_hex(rest, 8, anchor.caller_tag)) return std::nullopt;
  for (AnchorEnd& end : anchor.ends) {
    if (!take_hex(rest, 8, end.address) || !take_hex(rest, 4, end.port)) return std::nullopt;
  }
  if (!take_hex(rest, 1, anchor.streams) || !std::has_single_bit(anchor.streams)) {
    return std::nullopt;
  }
  return anchor;
}

std::optional<AnchorRef> find_anchor(const Message& message, HeaderId header, RouteMac& mac) {
  for (const Header& h : message.headers()) {
    if (h.id != header) continue;
    std::string_view rest = h.value;
    std::string_view value;
    while (take_value(rest, value)) {
      NameAddr name;
      Uri uri;
      if (!parse_name_addr(value, name) || !parse_uri(name.uri, uri)) continue;
      const auto text = find_parameter(uri.parameters, kAnchorParameter);
      if (!text) continue;
      if (const auto anchor = read_anchor(*text, message.call_id, mac)) return anchor;
    }
  }
  return std::nullopt;
}

}  // namespace fedge::sip
