#include "firmware/topology/decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

namespace fedge::topology {
namespace {

// Levenshtein distance of two short names.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

}  // namespace

void Decoder::wrong(json::Value value, std::string allowed) {
  add({value.path(), value.found(), std::move(allowed), ""});
}

void Decoder::missing(json::Value object, const Field& field) {
  add({json::join_path(object.path(), field.name), "nothing", std::string(field.doc),
       fmt::format("add \"{}\"", field.name)});
}

void Decoder::check_names(json::Value object, const std::vector<std::string_view>& known) {
  constexpr size_t kMostCompared = 64;
  for (const json::Member& member : object.members()) {
    if (std::ranges::find(known, member.name) != known.end()) continue;
    std::string remedy = "remove it";
    for (const std::string_view name : known) {
      if (member.name.size() <= kMostCompared && distance(member.name, name) <= 2) {
        remedy = fmt::format("did you mean \"{}\"?", name);
      }
    }
    add({member.value.path(), "an unknown key", joined(known), std::move(remedy)});
  }
}

bool Decoder::check_count(const Field& field, json::Value value, size_t count) {
  if (count > field.most_items || (field.filled && count == 0)) {
    add({value.path(), count == 0 ? "an empty list" : fmt::format("{} items", count),
         fmt::format("{} to {} items", field.filled ? 1 : 0, field.most_items), ""});
    return false;
  }
  return true;
}

std::optional<int64_t> Decoder::integer(const Field& field, json::Value value) {
  auto n = value.integer(field.least, field.most);
  if (n) return *n;
  wrong(value, field.least == field.most
                   ? fmt::format("the number {}", field.least)
                   : fmt::format("a whole number from {} to {}", field.least, field.most));
  return std::nullopt;
}

void Decoder::decode(const Field&, json::Value value, bool& out) {
  if (const auto b = value.boolean()) {
    out = *b;
  } else {
    wrong(value, "true or false");
  }
}

void Decoder::decode(const Field& field, json::Value value, std::string& out) {
  auto text = value.text();
  if (!text || !is_valid(field.format, *text)) {
    wrong(value, std::string(allowed_text(field.format)));
  }
  if (text) out = canonical(field.format, std::move(*text));
}

void Decoder::decode(const Field&, json::Value value, IpAddress& out) {
  const auto text = value.text();
  const auto address = text ? IpAddress::parse(*text) : std::nullopt;
  if (!address) return wrong(value, "an address such as 192.0.2.1 or 2001:db8::1");
  out = *address;
}

void Decoder::decode(const Field&, json::Value value, Prefix& out) {
  const auto text = value.text();
  const auto prefix = text ? Prefix::parse(*text) : std::nullopt;
  if (!prefix || text->find('/') == std::string::npos) {
    return wrong(value, "an address with a length such as 192.0.2.1/24 or 2001:db8::1/64");
  }
  out = *prefix;
}

}  // namespace fedge::topology
