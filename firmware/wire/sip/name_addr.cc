#include "firmware/wire/sip/name_addr.h"

#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

// Behind the display name at p, on the '<'; null when the grammar is broken or there is no '<'.
static const char* skip_display_name(const char* p, const char* end) {
  if (p != end && *p == '"') {
    for (++p; p != end && *p != '"'; ++p) {
      if (*p != '\\') continue;
      ++p;  // a quoted pair
      if (p == end) return nullptr;
    }
    if (p == end) return nullptr;
    p = skip_spaces(p + 1, end);
  } else {
    // Tokens and white space; octets of UTF-8 are let pass, as senders leave the quotes out.
    while (p != end && (is(*p, kTokenChar | kSpaceChar) || static_cast<uint8_t>(*p) >= 0x80)) ++p;
  }
  return p != end && *p == '<' ? p : nullptr;
}

// A scheme, a colon, and nothing that a URI cannot hold.
static bool looks_like_uri(std::string_view text) {
  bool colon = false;
  for (const char c : text) {
    if (is(c, kUriStop)) return false;
    colon |= c == ':';
  }
  return colon && text.front() != ':';
}

static bool parse_header_parameters(const char* p, const char* end, NameAddr& out) {
  p = skip_spaces(p, end);
  out.parameters = {p, static_cast<size_t>(end - p)};
  std::string_view rest = out.parameters;
  Parameter parameter;
  while (take_parameter(rest, parameter))
    if (out.tag.empty() && equal_ignoring_case(parameter.name, "tag")) out.tag = parameter.value;
  return rest.empty();
}

bool parse_name_addr(std::string_view value, NameAddr& out) {
  out = {};
  if (value.empty()) return false;
  const char* p = value.data();
  const char* end = p + value.size();
  const auto* bracket = static_cast<const char*>(std::memchr(p, '<', value.size()));
  if (bracket == nullptr && !value.starts_with('"')) {
    // addr-spec: what follows the first ';' belongs to the header (RFC 3261 20.10).
    const auto* semicolon = static_cast<const char*>(std::memchr(p, ';', value.size()));
    if (semicolon == nullptr) semicolon = end;
    out.uri = trimmed_view(p, semicolon);
    if (!looks_like_uri(out.uri) || out.uri.contains(',')) return false;
    return parse_header_parameters(semicolon, end, out);
  }
  bracket = skip_display_name(p, end);
  if (bracket == nullptr) return false;
  out.display_name = trimmed_view(p, bracket);
  const char* uri = bracket + 1;
  const auto* close = static_cast<const char*>(std::memchr(uri, '>', size_t(end - uri)));
  if (close == nullptr) return false;
  out.in_brackets = true;
  out.uri = {uri, static_cast<size_t>(close - uri)};
  return looks_like_uri(out.uri) && parse_header_parameters(close + 1, end, out);
}

}  // namespace fedge::sip
