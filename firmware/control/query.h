// What stands behind the question mark, and the words for durations and times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/result.h"
#include "firmware/base/time.h"

namespace fedge::control {

// %XX decoded; nullopt for a broken escape, a control character or invalid UTF-8.
std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space = false);

// For a query: all but letters, digits and . _ - becomes %XX.
std::string encode_percent(std::string_view text);

// The parameters of a query string, decoded. Each name at most once.
class Query {
 public:
  static Result<Query> parse(std::string_view text);

  // Null when not given.
  const std::string* find(std::string_view name) const;
  std::string text(std::string_view name) const;
  // Fails with the parameter's name, what was found and what is allowed.
  Result<uint64_t> number(std::string_view name, uint64_t otherwise, uint64_t least,
                          uint64_t most) const;
  Result<Duration> duration(std::string_view name, Duration otherwise, Duration most) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return parameters_; }

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

// "500ms", "5s", "2m", "1h"; a bare "0" is zero.
std::optional<Duration> parse_duration(std::string_view text);
// RFC 3339, seconds and offset required ("2026-11-21T04:00:00Z"); fractions are cut.
std::optional<WallTime> parse_time(std::string_view text);
std::string format_time(WallTime time);

// 1-64 octets of A-Z a-z 0-9 . _ -, not starting with a dot: ids of certificates and trust.
bool is_id(std::string_view text);

}  // namespace fedge::control
