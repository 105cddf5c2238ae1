#include "firmware/control/metrics.h"

#include <fmt/core.h>

#include <map>
#include <set>
#include <vector>

namespace fedge::control {

namespace {

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

bool take_name(std::string_view& text) {
  if (text.empty() || !is_name_start(text[0])) return false;
  size_t size = 1;
  while (size < text.size() && is_name_part(text[size])) ++size;
  text.remove_prefix(size);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// A quoted value: \\, \" and \n are its escapes; control characters do not stand in it.
bool take_value(std::string_view& text) {
  if (!take(text, '"')) return false;
  while (!text.empty() && text[0] != '"') {
    const auto c = static_cast<unsigned char>(text[0]);
    if (c < 0x20 || c >= 0x7f) return false;
    if (text[0] == '\\') {
      if (text.size() < 2 || (text[1] != '\\' && text[1] != '"' && text[1] != 'n')) return false;
      text.remove_prefix(1);
    }
    text.remove_prefix(1);
  }
  return take(text, '"');
}

std::string_view family_of(std::string_view name) { return name.substr(0, name.find('{')); }

}  // namespace

bool is_series_name(std::string_view name) {
  if (!take_name(name)) return false;
  if (name.empty()) return true;
  if (!take(name, '{')) return false;
  do {
    if (!take_name(name) || !take(name, '=') || !take_value(name)) return false;
  } while (take(name, ','));
  return name == "}";
}

std::string format_metrics(const CounterPages& pages) {
  std::map<std::string, std::vector<std::pair<std::string, uint64_t>>> families;
  std::set<std::string, std::less<>> seen;
  for (const CountersView& page : pages) {
    for (uint32_t i = 0; i < page.count(); ++i) {
      const std::string_view name = page.name(i);
      if (!is_series_name(name) || !seen.emplace(name).second) continue;
      families[std::string(family_of(name))].emplace_back(name, page.value(i));
    }
  }
  std::string out;
  for (const auto& [family, series] : families) {
    out += fmt::format("# TYPE {} {}\n", family, family.ends_with("_total") ? "counter" : "gauge");
    for (const auto& [name, value] : series) out += fmt::format("{} {}\n", name, value);
  }
  return out;
}

std::vector<std::pair<std::string, uint64_t>> series_with_label(const CountersView& page,
                                                                std::string_view label,
                                                                std::string_view value) {
  std::vector<std::pair<std::string, uint64_t>> out;
  const std::string wanted = fmt::format("{}=\"{}\"", label, value);
  for (uint32_t i = 0; i < page.count(); ++i) {
    const std::string_view name = page.name(i);
    const size_t at = name.find(wanted);
    if (at == std::string_view::npos || at == 0) continue;
    if (name[at - 1] != '{' && name[at - 1] != ',') continue;
    if (is_series_name(name)) out.emplace_back(name, page.value(i));
  }
  return out;
}

}  // namespace fedge::control
