#include "firmware/wire/sip/values.h"

#include "firmware/wire/sip/scan.h"

namespace fedge::sip {

bool is_token(std::string_view text) {
  const char* end = text.data() + text.size();
  return !text.empty() && skip_class(text.data(), end, kTokenChar) == end;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  size_t i = 0;
  while (i < a.size()) {
    if (a.size() - i >= 8 && std::memcmp(a.data() + i, b.data() + i, 8) == 0) {
      i += 8;
      continue;
    }
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
    ++i;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  const char* end = text.data() + text.size();
  return trimmed_view(skip_spaces(text.data(), end), end);
}

// The comma that ends the first value, or end.
static const char* find_comma(const char* p, const char* end) {
  if (p == end || std::memchr(p, ',', size_t(end - p)) == nullptr) return end;
  bool quoted = false;
  bool bracketed = false;
  for (; p != end; ++p) {
    if (quoted) {
      if (*p == '\\' && p + 1 != end) {
        ++p;
      } else if (*p == '"') {
        quoted = false;
      }
    } else if (*p == '"') {
      quoted = true;
    } else if (*p == '<') {
      bracketed = true;
    } else if (*p == '>') {
      bracketed = false;
    } else if (*p == ',' && !bracketed) {
      return p;
    }
  }
  return end;
}

bool take_value(std::string_view& rest, std::string_view& value) {
  if (rest.empty()) return false;
  const char* end = rest.data() + rest.size();
  const char* comma = find_comma(rest.data(), end);
  value = trimmed_view(skip_spaces(rest.data(), comma), comma);
  if (comma != end) ++comma;
  rest = {comma, static_cast<size_t>(end - comma)};
  return true;
}

std::string_view first_value(std::string_view list) {
  std::string_view value;
  take_value(list, value);
  return value;
}

std::string_view last_value(std::string_view list) {
  std::string_view value;
  while (take_value(list, value)) continue;
  return value;
}

// Behind the closing quote; null when there is none. p is at the opening one.
static const char* skip_quoted(const char* p, const char* end) {
  for (++p; p != end; ++p) {
    if (*p == '\\') {
      if (++p == end) return nullptr;
    } else if (*p == '"') {
      return p + 1;
    }
  }
  return nullptr;
}

bool take_parameter(std::string_view& rest, Parameter& parameter) {
  if (rest.empty() || rest.front() != ';') return false;
  const char* end = rest.data() + rest.size();
  const char* name = skip_spaces(rest.data() + 1, end);
  const char* p = find_class(name, end, kParameterStop);
  if (p == name) return false;
  parameter = {{name, static_cast<size_t>(p - name)}, {}, false};
  p = skip_spaces(p, end);
  if (p != end && *p == '=') {
    const char* value = skip_spaces(p + 1, end);
    p = value;
    if (p != end && *p == '"') {
      p = skip_quoted(p, end);
      if (p == nullptr) return false;
    } else {
      p = find_class(p, end, kParameterStop);
      while (p != end && *p == '=') p = find_class(p + 1, end, kParameterStop);
      if (p == value) return false;
    }
    parameter.value = {value, static_cast<size_t>(p - value)};
    parameter.has_value = true;
    p = skip_spaces(p, end);
  }
  if (p != end && *p != ';') return false;
  rest = {p, static_cast<size_t>(end - p)};
  return true;
}

std::optional<std::string_view> find_parameter(std::string_view parameters, std::string_view name) {
  Parameter parameter;
  while (take_parameter(parameters, parameter))
    if (equal_ignoring_case(parameter.name, name)) return parameter.value;
  return std::nullopt;
}

bool parameters_are_sound(std::string_view parameters) {
  Parameter parameter;
  while (take_parameter(parameters, parameter)) continue;
  return parameters.empty();
}

std::optional<uint32_t> parse_number(std::string_view text, uint32_t most) {
  if (text.empty()) return std::nullopt;
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
    if (number > most) return std::nullopt;
  }
  return static_cast<uint32_t>(number);
}

}  // namespace fedge::sip
