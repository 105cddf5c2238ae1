#include "firmware/wire/sip/uri.h"

#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

bool is_host(std::string_view text) {
  const char* end = text.data() + text.size();
  return !text.empty() && skip_class(text.data(), end, kHostChar) == end;
}

bool parse_host_port(std::string_view text, std::string_view& host, uint16_t& port, bool& is_ipv6) {
  const char* p = text.data();
  const char* end = p + text.size();
  port = 0;
  is_ipv6 = p != end && *p == '[';
  if (is_ipv6) {
    const char* first = ++p;
    // Form only: RFC 5118 4.10 wants "2001:db8:::192.0.2.1" tolerated where nobody connects to it.
    while (p != end && (is(*p, kHexChar) || *p == ':' || *p == '.')) ++p;
    if (p == end || *p != ']' || p == first) return false;
    host = {first, static_cast<size_t>(p - first)};
    ++p;
  } else {
    p = skip_class(p, end, kHostChar);
    host = {text.data(), static_cast<size_t>(p - text.data())};
    if (host.empty()) return false;
  }
  p = skip_spaces(p, end);  // Via's COLON allows them; parse_uri() has excluded them
  if (p == end) return true;
  if (*p != ':') return false;
  p = skip_spaces(p + 1, end);
  const auto number = parse_number(trimmed_view(p, end), 65535);
  if (!number || *number == 0) return false;
  port = static_cast<uint16_t>(*number);
  return true;
}

static Scheme scheme_of(std::string_view text) {
  if (equal_ignoring_case(text, "sip")) return Scheme::sip;
  if (equal_ignoring_case(text, "sips")) return Scheme::sips;
  if (equal_ignoring_case(text, "tel")) return Scheme::tel;
  return Scheme::other;
}

static bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
static bool is_scheme_char(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

static bool escapes_are_sound(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%' &&
        (text.size() - i < 3 || !is(text[i + 1], kHexChar) || !is(text[i + 2], kHexChar)))
      return false;
  return true;
}

static bool parse_user(std::string_view text, Uri& uri) {
  uri.has_user = true;
  uri.user = text;
  if (const size_t colon = text.find(':'); colon != text.npos) {
    uri.has_password = true;
    uri.user = text.substr(0, colon);
    uri.password = text.substr(colon + 1);
  }
  return !uri.user.empty() && escapes_are_sound(text);
}

// From the first ';' on, to `end`.
static bool parse_uri_parameters(const char* p, const char* end, Uri& uri) {
  uri.parameters = {p, static_cast<size_t>(end - p)};
  return parameters_are_sound(uri.parameters);
}

static bool parse_tel(std::string_view text, Uri& uri) {
  const size_t semicolon = text.find(';');
  uri.user = text.substr(0, semicolon);
  uri.has_user = true;
  if (uri.user.empty()) return false;
  for (const char c : uri.user)
    if (!is(c, kHexChar) && std::string_view("+-.()*#").find(c) == std::string_view::npos)
      return false;
  if (semicolon == text.npos) return true;
  return parse_uri_parameters(text.data() + semicolon, text.data() + text.size(), uri);
}

static bool parse_sip(const char* p, const char* end, const char* at, Uri& uri) {
  if (at != nullptr) {
    if (!parse_user({p, static_cast<size_t>(at - p)}, uri)) return false;
    p = at + 1;
  }
  const char* host = p;
  while (p != end && *p != ';' && *p != '?') ++p;
  if (!parse_host_port({host, static_cast<size_t>(p - host)}, uri.host, uri.port, uri.is_ipv6))
    return false;
  if (p == end) return true;
  const auto* question = static_cast<const char*>(std::memchr(p, '?', size_t(end - p)));
  if (question != nullptr) {
    uri.headers = {question + 1, static_cast<size_t>(end - question - 1)};
    if (uri.headers.empty()) return false;
    end = question;
  }
  return p == end || parse_uri_parameters(p, end, uri);
}

bool parse_uri(std::string_view text, Uri& uri) {
  uri = {};
  uri.text = text;
  const char* p = text.data();
  const char* end = p + text.size();
  while (p != end && is_scheme_char(*p)) ++p;
  if (p == end || *p != ':' || p == text.data() || !is_letter(text.front())) return false;
  uri.scheme = scheme_of({text.data(), static_cast<size_t>(p - text.data())});
  ++p;
  const char* at = nullptr;
  for (const char* q = p; q != end; ++q) {
    if (is(*q, kUriStop)) return false;
    if (*q != '@') continue;
    if (at != nullptr && uri.scheme != Scheme::other) return false;
    at = q;
  }
  const std::string_view rest(p, static_cast<size_t>(end - p));
  switch (uri.scheme) {
    case Scheme::sip:
    case Scheme::sips:
      return parse_sip(p, end, at, uri);
    case Scheme::tel:
      return parse_tel(rest, uri);
    case Scheme::other:
      break;
  }
  uri.headers = rest;
  return !rest.empty();
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

// The next octet with its escape undone; a broken escape stands for itself.
static char take_unescaped(std::string_view& text) {
  char c = text.front();
  size_t used = 1;
  if (c == '%' && text.size() >= 3 && is(text[1], kHexChar) && is(text[2], kHexChar)) {
    c = static_cast<char>(hex_value(text[1]) * 16 + hex_value(text[2]));
    used = 3;
  }
  text.remove_prefix(used);
  return c;
}

bool equal_unescaped(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty())
    if (take_unescaped(a) != take_unescaped(b)) return false;
  return a.empty() && b.empty();
}

std::optional<std::string_view> unescape(std::string_view text, std::span<char> out) {
  if (!escapes_are_sound(text)) return std::nullopt;
  size_t used = 0;
  while (!text.empty()) {
    if (used == out.size()) return std::nullopt;
    out[used++] = take_unescaped(text);
  }
  return std::string_view(out.data(), used);
}

}  // namespace fedge::sip
