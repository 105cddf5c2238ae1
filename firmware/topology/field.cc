#include "firmware/topology/field.h"

#include <algorithm>

#include "firmware/net/dns_name.h"

namespace fedge::topology {
namespace {

constexpr bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
constexpr bool is_letter_or_digit(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool is_text(std::string_view text) {
  return text.size() <= 255 && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

// "lo" is in every network namespace already.
bool is_realm_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text != "lo" && text.front() != '-' &&
         text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

}  // namespace

bool is_valid(Format format, std::string_view text) {
  switch (format) {
    case Format::text:
      return is_text(text);
    case Format::name:
      return is_name(text);
    case Format::realm_name:
      return is_realm_name(text);
    case Format::dns_name:
      return is_dns_name(text);
    case Format::host:
      return is_dns_name(text) || IpAddress::parse(text);
    case Format::pattern:
      return !text.empty() && text.size() <= 320 && is_text(text.substr(0, 255));
  }
  return false;
}

std::string_view allowed_text(Format format) {
  switch (format) {
    case Format::text:
      return "text of at most 255 octets without control characters";
    case Format::name:
      return "1 to 63 letters, digits and . _ -, beginning with a letter or digit";
    case Format::realm_name:
      return "1 to 15 of a-z, 0-9 and inner hyphens, but not lo (it names an interface too)";
    case Format::dns_name:
      return "a DNS name such as sip.example.com";
    case Format::host:
      return "a DNS name such as sip.example.com, or an IP address";
    case Format::pattern:
      return "a pattern such as example.com, .com.example or alice@example.com";
  }
  return {};
}

std::string_view schema_pattern(Format format) {
  switch (format) {
    case Format::name:
      return "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";
    case Format::realm_name:
      return "^(?!lo$)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$";
    case Format::dns_name:
      return "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$";
    default:
      return {};
  }
}

std::string canonical(Format format, std::string text) {
  if (format == Format::dns_name || format == Format::pattern) return lower_case(text);
  if (format == Format::host) {
    const auto address = IpAddress::parse(text);
    return address ? address->text() : lower_case(text);
  }
  return text;
}

}  // namespace fedge::topology
