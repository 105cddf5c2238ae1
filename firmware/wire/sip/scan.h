// Octet classes and the line scanner that this folder's parsers share. Not for other folders.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fedge::sip {

enum CharClass : uint8_t {
  kTokenChar = 1,  // RFC 3261 25.1 token
  kSpaceChar = 2,  // SP, HT, and the CR and LF of a fold
  kHostChar = 4,   // letters, digits, '.', '-', '_'
  kUriStop = 8,    // never inside a URI: controls, space, quotes, <>
  kHexChar = 16,
  kParameterStop = 32,  // neither in the name of a parameter nor in its value outside quotes
};

consteval std::array<uint8_t, 256> make_char_classes() {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    uint8_t bits = 0;
    if (digit || letter || (c < 128 && std::string_view("-.!%*_+`'~").contains(char(c))))
      bits |= kTokenChar;
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') bits |= kSpaceChar;
    if (digit || letter || c == '.' || c == '-' || c == '_') bits |= kHostChar;
    if (c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"') bits |= kUriStop;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= kHexChar;
    if ((bits & kUriStop) != 0 || c == ';' || c == '=' || c == ',') bits |= kParameterStop;
    table[size_t(c)] = bits;
  }
  return table;
}
inline constexpr std::array<uint8_t, 256> kCharClasses = make_char_classes();

inline bool is(char c, uint8_t char_class) {
  return (kCharClasses[static_cast<uint8_t>(c)] & char_class) != 0;
}
inline const char* skip_spaces(const char* p, const char* end) {
  while (p != end && is(*p, kSpaceChar)) ++p;
  return p;
}
inline const char* skip_class(const char* p, const char* end, uint8_t char_class) {
  while (p != end && is(*p, char_class)) ++p;
  return p;
}
inline const char* find_class(const char* p, const char* end, uint8_t char_class) {
  while (p != end && !is(*p, char_class)) ++p;
  return p;
}
// A view of [begin, end) less the white space at its end.
inline std::string_view trimmed_view(const char* begin, const char* end) {
  while (end != begin && is(end[-1], kSpaceChar)) --end;
  return {begin, static_cast<size_t>(end - begin)};
}
inline uint8_t lower(char c) {
  const auto u = static_cast<uint8_t>(c);
  return u >= 'A' && u <= 'Z' ? u | 0x20 : u;
}

// The first CR or LF at or behind p, or end. Eight octets a step: any octet below 0x0e stops a
// step, so that tabs and other controls are the slow case.
inline const char* find_line_end(const char* p, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  for (; end - p >= 8; p += 8) {
    uint64_t octets;
    std::memcpy(&octets, p, 8);
    if (((octets - kOnes * 0x0e) & ~octets & (kOnes * 0x80)) == 0) continue;
    for (const char* q = p; q != p + 8; ++q)
      if (*q == '\r' || *q == '\n') return q;
  }
  while (p != end && *p != '\r' && *p != '\n') ++p;
  return p;
}

}  // namespace fedge::sip
