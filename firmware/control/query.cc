#include "firmware/control/query.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace fedge::control {

namespace {

constexpr size_t kMostParameters = 32;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Well-formed UTF-8 (RFC 3629) without control characters.
bool is_clean_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return false;
    const size_t more = c < 0x80 ? 0 : c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : 3;
    if (c >= 0x80 && (c < 0xc2 || c > 0xf4)) return false;
    if (i + more >= text.size()) return false;
    uint32_t code = more == 0 ? c : c & (0x3fu >> more);
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = (code << 6) | (next & 0x3fu);
    }
    if (more == 2 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) return false;
    if (more == 3 && (code < 0x10000 || code > 0x10ffff)) return false;
    i += more + 1;
  }
  return true;
}

template <class T>
bool parse_whole(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

std::unexpected<Error> bad_parameter(std::string_view name, std::string_view found,
                                     std::string allowed) {
  return fail("query parameter " + std::string(name), "found \"" + std::string(found) + "\"",
              "allowed: " + std::move(allowed));
}

// Two or four digits at the front of `text`, taken off.
bool take_digits(std::string_view& text, size_t count, int& out) {
  if (text.size() < count) return false;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  parse_whole(text.substr(0, count), out);
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+01:00", the rest of `text`.
std::optional<std::chrono::minutes> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  const bool west = text.starts_with('-');
  int hours = 0;
  int minutes = 0;
  if (!take(text, "+-") || !take_digits(text, 2, hours) || !take(text, ":") ||
      !take_digits(text, 2, minutes) || !text.empty() || hours > 23 || minutes > 59) {
    return std::nullopt;
  }
  const std::chrono::minutes offset(hours * 60 + minutes);
  return west ? -offset : offset;
}

}  // namespace

std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!is_clean_text(out)) return std::nullopt;
  return out;
}

std::string encode_percent(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '_' || c == '-';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    auto name = decode_percent(part.substr(0, equals), true);
    auto value =
        decode_percent(equals == std::string_view::npos ? "" : part.substr(equals + 1), true);
    if (!name || !value) {
      return fail("query string", "a broken %XX escape, a control character or invalid UTF-8",
                  "escape as RFC 3986 says");
    }
    if (query.find(*name) != nullptr) {
      return fail("query parameter " + *name, "is there twice", "give it once");
    }
    if (query.parameters_.size() == kMostParameters) {
      return fail("query string", "more than 32 parameters", "give only those of the resource");
    }
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

const std::string* Query::find(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name,
                                       [](const auto& p) -> std::string_view { return p.first; });
  return found == parameters_.end() ? nullptr : &found->second;
}

std::string Query::text(std::string_view name) const {
  const std::string* value = find(name);
  return value != nullptr ? *value : std::string();
}

Result<uint64_t> Query::number(std::string_view name, uint64_t otherwise, uint64_t least,
                               uint64_t most) const {
  const std::string* text = find(name);
  if (text == nullptr) return otherwise;
  uint64_t value = 0;
  if (!parse_whole(*text, value) || value < least || value > most) {
    return bad_parameter(name, *text, fmt::format("a whole number from {} to {}", least, most));
  }
  return value;
}

Result<Duration> Query::duration(std::string_view name, Duration otherwise, Duration most) const {
  const std::string* text = find(name);
  if (text == nullptr) return otherwise;
  const auto value = parse_duration(*text);
  if (!value || *value > most) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(most).count();
    return bad_parameter(name, *text,
                         fmt::format("a duration like 500ms, 5s or 2m, at most {}s", seconds));
  }
  return *value;
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  struct Unit {
    std::string_view suffix;
    Duration length;
  };
  static constexpr std::array<Unit, 4> kUnits{{{"ms", 1ms}, {"s", 1s}, {"m", 1min}, {"h", 1h}}};
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    uint32_t count = 0;
    if (!parse_whole(text.substr(0, text.size() - unit.suffix.size()), count)) continue;
    if (count > 1'000'000) return std::nullopt;  // an hour has 3.6e12 ns: 2^63 is not reached
    return unit.length * count;
  }
  return std::nullopt;
}

std::optional<WallTime> parse_time(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!take_digits(text, 4, year) || !take(text, "-") || !take_digits(text, 2, month) ||
      !take(text, "-") || !take_digits(text, 2, day) || !take(text, "Tt ") ||
      !take_digits(text, 2, hour) || !take(text, ":") || !take_digits(text, 2, minute) ||
      !take(text, ":") || !take_digits(text, 2, second)) {
    return std::nullopt;
  }
  if (take(text, ".")) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  const auto offset = parse_offset(text);
  if (!date.ok() || hour > 23 || minute > 59 || second > 60 || !offset) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) - *offset;
}

std::string format_time(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

bool is_id(std::string_view text) {
  if (text.empty() || text.size() > 64 || text[0] == '.') return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace fedge::control
