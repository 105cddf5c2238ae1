// The grammar that header values share: lists, parameters, quoting, case (RFC 3261 25.1). All of
// it works on views and steps over folds (CRLF and white space) as if they were one space.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fedge::sip {

bool is_token(std::string_view text);
// ASCII case only.
bool equal_ignoring_case(std::string_view a, std::string_view b);
// White space and folds off both ends.
std::string_view trim(std::string_view text);

// Takes the next value of a comma-separated list off `rest`: commas inside quotes and <> do not
// count. False at the end. Values come trimmed; an empty one (",,") is returned as empty.
bool take_value(std::string_view& rest, std::string_view& value);
// The first value of a list, trimmed.
std::string_view first_value(std::string_view list);
// The last value of a list, trimmed.
std::string_view last_value(std::string_view list);

struct Parameter {
  std::string_view name;
  std::string_view value;  // as written, quotes included
  bool has_value = false;
};

// Takes the next parameter off `rest`, which starts with ';' or is empty (as NameAddr::parameters
// and its like do). False at the end and where the grammar is broken; `rest` is empty only in the
// first case.
bool take_parameter(std::string_view& rest, Parameter& parameter);
// The parameter of that name, any case: nullopt when absent, empty when it has no value.
std::optional<std::string_view> find_parameter(std::string_view parameters, std::string_view name);
// Every parameter is well-formed.
bool parameters_are_sound(std::string_view parameters);

// Decimal digits only, at most `most`.
std::optional<uint32_t> parse_number(std::string_view text, uint32_t most);

}  // namespace fedge::sip
