#include "firmware/base/json_scan.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>

namespace fedge::json {
namespace {

constexpr size_t kMostNumber = 60;  // cJSON's buffer holds 63 octets

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, value, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return value;
}

class Scanner {
 public:
  Scanner(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  Result<std::vector<Replacement>> run() {
    if (text_.size() > limits_.bytes) {
      return fail("the JSON text", fmt::format("has {} octets", text_.size()),
                  fmt::format("at most {} are allowed", limits_.bytes));
    }
    skip_space();
    if (!scan_value(0)) return std::unexpected(error_);
    skip_space();
    if (at_ != text_.size()) {
      refuse(at_, "{} follows the end of the value", "remove what follows");
      return std::unexpected(error_);
    }
    return std::move(replacements_);
  }

 private:
  struct Name {
    std::string_view text;
    size_t at;
  };

  // `what` may hold {} for what stands at `at`. Always false.
  bool refuse(size_t at, std::string_view what, std::string remedy) {
    const std::string_view before = text_.substr(0, at);
    const size_t line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    const size_t start = before.rfind('\n');
    const size_t column = at - (start == std::string_view::npos ? 0 : start + 1) + 1;
    std::string text(what);
    if (const size_t hole = text.find("{}"); hole != std::string::npos) {
      text.replace(hole, 2, found_at(at));
    }
    error_ = Error{fmt::format("line {}, column {} (offset {})", line, column, at), std::move(text),
                   std::move(remedy)};
    return false;
  }

  std::string found_at(size_t at) const {
    if (at >= text_.size()) return "the end of the text";
    const auto c = static_cast<unsigned char>(text_[at]);
    if (c > 0x20 && c < 0x7f) return fmt::format("'{}'", text_[at]);
    return fmt::format("the octet 0x{:02x}", c);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool scan_value(unsigned depth) {
    if (depth > limits_.depth) {
      return refuse(at_, "the value is nested too deep",
                    fmt::format("at most {} levels are allowed", limits_.depth));
    }
    const char c = peek();
    if (c == '{') return scan_object(depth);
    if (c == '[') return scan_array(depth);
    if (c == '"') return scan_string(nullptr);
    if (c == '-' || is_digit(c)) return scan_number();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return true;
      }
    }
    return refuse(
        at_, "{} is no value",
        "allowed: an object, an array, text in double quotes, a number, true, false, null");
  }

  bool scan_array(unsigned depth) {
    take('[');
    skip_space();
    if (take(']')) return true;
    for (;;) {
      if (!scan_value(depth + 1)) return false;
      skip_space();
      if (take(']')) return true;
      if (!take(',')) return refuse(at_, "{} stands in an array", "allowed here: ',' or ']'");
      skip_space();
    }
  }

  bool scan_object(unsigned depth) {
    take('{');
    const size_t first = names_.size();
    skip_space();
    if (take('}')) return true;
    for (;;) {
      if (peek() != '"' || at_ >= text_.size()) {
        return refuse(at_, "{} stands in an object", "allowed here: a name in double quotes");
      }
      Name name{{}, at_};
      if (!scan_string(&name.text)) return false;
      names_.push_back(name);
      skip_space();
      if (!take(':')) return refuse(at_, "{} stands after a name", "allowed here: ':'");
      skip_space();
      if (!scan_value(depth + 1)) return false;
      skip_space();
      if (take('}')) return names_are_unique(first);
      if (!take(',')) return refuse(at_, "{} stands in an object", "allowed here: ',' or '}'");
      skip_space();
    }
  }

  bool names_are_unique(size_t first) {
    const auto begin = names_.begin() + static_cast<std::ptrdiff_t>(first);
    std::sort(begin, names_.end(), [](const Name& a, const Name& b) {
      return a.text != b.text ? a.text < b.text : a.at < b.at;
    });
    const auto twin = std::adjacent_find(
        begin, names_.end(), [](const Name& a, const Name& b) { return a.text == b.text; });
    if (twin != names_.end()) {
      return refuse(
          (twin + 1)->at,
          fmt::format("the name {} stands twice in one object", quote(twin->text.substr(0, 64))),
          "keep one of them");
    }
    names_.resize(first);
    return true;
  }

  // `out`: the text without quotes and escapes; it stays alive with the scanner.
  bool scan_string(std::string_view* out) {
    const size_t start = ++at_;
    bool escaped = false;
    for (;;) {
      if (at_ >= text_.size()) return refuse(start - 1, "the text that begins here has no end", "");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') break;
      if (c < 0x20) {
        return refuse(at_, "{} stands in text", "write control characters as \\u00XX");
      }
      if (c == '\\') {
        escaped = true;
        if (!scan_escape()) return false;
      } else if (c < 0x80) {
        ++at_;
      } else {
        const size_t size = utf8_sequence(text_.substr(at_));
        if (size == 0) return refuse(at_, "{} is not valid UTF-8", "send the text in UTF-8");
        at_ += size;
      }
    }
    if (out) *out = escaped ? unescaped(start, at_) : text_.substr(start, at_ - start);
    ++at_;
    return true;
  }

  bool scan_escape() {
    const size_t start = at_++;
    const char c = peek();
    if (at_ < text_.size() && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
      ++at_;
      return true;
    }
    static constexpr const char* kAllowed =
        "allowed after a backslash: \" \\ / b f n r t, or u and four hexadecimal digits";
    if (c != 'u') return refuse(start, "the escape is not known", kAllowed);
    const auto unit = hex4(text_.substr(++at_));
    if (!unit) return refuse(start, "the escape is not complete", kAllowed);
    at_ += 4;
    if (*unit == 0) replacements_.push_back({start, 6, "\xc0\x80"});
    if (*unit >= 0xdc00 && *unit <= 0xdfff) {
      return refuse(start, "the second half of a surrogate pair stands alone", "");
    }
    if (*unit >= 0xd800 && *unit <= 0xdbff) {
      const bool pair = text_.substr(at_).starts_with("\\u");
      const auto low = pair ? hex4(text_.substr(at_ + 2)) : std::nullopt;
      if (!low || *low < 0xdc00 || *low > 0xdfff) {
        return refuse(start, "the first half of a surrogate pair stands alone", "");
      }
      at_ += 6;
    }
    return true;
  }

  // Of text that scan_string() has accepted.
  std::string_view unescaped(size_t from, size_t to) {
    std::string& out = unescaped_names_.emplace_back();
    for (size_t i = from; i < to; ++i) {
      if (text_[i] != '\\') {
        out += text_[i];
        continue;
      }
      const char c = text_[++i];
      if (c != 'u') {
        constexpr std::string_view kFrom = "bfnrt";
        const size_t which = kFrom.find(c);
        out += which == std::string_view::npos ? c : "\b\f\n\r\t"[which];
        continue;
      }
      uint32_t code = *hex4(text_.substr(i + 1));
      i += 4;
      if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (*hex4(text_.substr(i + 3)) - 0xdc00);
        i += 6;
      }
      append_utf8(out, code);
    }
    return out;
  }

  bool scan_digits() {
    if (!is_digit(peek())) return refuse(at_, "{} stands in a number", "allowed here: a digit");
    while (is_digit(peek())) ++at_;
    return true;
  }

  bool scan_number() {
    const size_t start = at_;
    take('-');
    if (peek() == '0') {
      ++at_;
      if (is_digit(peek())) return refuse(start, "a number begins with a zero too many", "");
    } else if (!scan_digits()) {
      return false;
    }
    if (take('.') && !scan_digits()) return false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!scan_digits()) return false;
    }
    const std::string_view digits = text_.substr(start, at_ - start);
    double value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) {
      return refuse(start, "the number is outside the range of a double", "");
    }
    if (digits.size() > kMostNumber) {
      replacements_.push_back({start, digits.size(), fmt::format("{}", value)});
    }
    return true;
  }

  std::string_view text_;
  const Limits& limits_;
  size_t at_ = 0;
  Error error_;
  std::vector<Replacement> replacements_;
  std::vector<Name> names_;  // of the objects now open, the innermost last
  std::deque<std::string> unescaped_names_;
};

}  // namespace

Result<std::vector<Replacement>> scan(std::string_view text, const Limits& limits) {
  return Scanner(text, limits).run();
}

size_t utf8_sequence(std::string_view text) {
  const auto octet = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](size_t i) { return (octet(i) & 0xc0) == 0x80; };
  const unsigned first = octet(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && octet(1) < 0xa0) return 0;  // overlong
    if (first == 0xed && octet(1) > 0x9f) return 0;  // surrogates
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && octet(1) < 0x90) return 0;  // overlong
    if (first == 0xf4 && octet(1) > 0x8f) return 0;  // above U+10FFFF
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6)), tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12)), tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | (c >> 18)), tail(12), tail(6), tail(0);
  }
}

}  // namespace fedge::json
