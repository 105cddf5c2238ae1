#include "firmware/base/json.h"

#include <cjson/cJSON.h>
#include <fmt/core.h>

#include <cmath>
#include <unordered_map>

#include "firmware/base/json_scan.h"

namespace fedge::json {
namespace {

constexpr double kMostExact = 9007199254740992.0;  // 2^53

struct DeleteTree {
  void operator()(cJSON* node) const { cJSON_Delete(node); }
};

// cJSON's text with the stand-in for U+0000 put back (json_scan.h).
std::string restored(const char* text) {
  std::string out(text ? text : "");
  for (size_t at = 0; (at = out.find("\xc0\x80", at)) != std::string::npos; ++at) {
    out.replace(at, 2, 1, '\0');
  }
  return out;
}

std::string apply(std::string_view text, const std::vector<Replacement>& replacements) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (const Replacement& r : replacements) {
    out.append(text.substr(at, r.at - at)).append(r.with);
    at = r.at + r.size;
  }
  return out.append(text.substr(at));
}

}  // namespace

std::string_view text_of(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "true or false";
    case Kind::number:
      return "a number";
    case Kind::text:
      return "text";
    case Kind::array:
      return "an array";
    case Kind::object:
      return "an object";
  }
  return "";
}

// Paths are asked for only when something is wrong, so the way up is found on first demand.
struct Tree {
  struct Place {
    const cJSON* parent;
    size_t index;
  };
  std::unique_ptr<cJSON, DeleteTree> root;
  mutable std::unordered_map<const cJSON*, Place> places;

  void find_places(const cJSON* parent) const {
    size_t index = 0;
    for (const cJSON* child = parent->child; child; child = child->next) {
      places.emplace(child, Place{parent, index++});
      if (child->child) find_places(child);
    }
  }
  std::string path(const cJSON* node) const {
    if (node == root.get()) return {};
    if (places.empty()) find_places(root.get());
    const Place place = places.at(node);
    const std::string above = path(place.parent);
    return cJSON_IsObject(place.parent) ? join_path(above, restored(node->string))
                                        : join_path(above, place.index);
  }
};

Document::Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Document::parse(std::string_view text, const Limits& limits) {
  const auto replacements = scan(text, limits);
  if (!replacements) return std::unexpected(replacements.error());
  std::string changed;
  if (!replacements->empty()) {
    changed = apply(text, *replacements);
    text = changed;
  }
  Document document;
  document.tree_ = std::make_unique<Tree>();
  document.tree_->root.reset(
      cJSON_ParseWithLengthOpts(text.data(), text.size(), nullptr, /*require_null=*/0));
  if (!document.tree_->root) return fail("the JSON text", "there is no memory to hold it");
  return document;
}

Value Document::root() const { return {tree_.get(), tree_ ? tree_->root.get() : nullptr}; }

Kind Value::kind() const {
  if (cJSON_IsBool(node_)) return Kind::boolean;
  if (cJSON_IsNumber(node_)) return Kind::number;
  if (cJSON_IsString(node_)) return Kind::text;
  if (cJSON_IsArray(node_)) return Kind::array;
  if (cJSON_IsObject(node_)) return Kind::object;
  return Kind::null;
}

std::string Value::path() const { return node_ ? tree_->path(node_) : std::string(); }

std::string Value::found() const {
  constexpr size_t kMostShown = 80;
  switch (kind()) {
    case Kind::boolean:
      return cJSON_IsTrue(node_) ? "true" : "false";
    case Kind::number:
      return fmt::format("the number {}", node_->valuedouble);
    case Kind::text: {
      std::string shown = restored(node_->valuestring);
      if (shown.size() <= kMostShown) return fmt::format("the text {}", quote(shown));
      size_t cut = kMostShown;
      while (cut > 0 && (static_cast<unsigned char>(shown[cut]) & 0xc0) == 0x80) --cut;
      shown.resize(cut);
      return fmt::format("the text {} (cut)", quote(shown));
    }
    default:
      return std::string(text_of(kind()));
  }
}

Result<bool> Value::boolean() const {
  if (!is(Kind::boolean)) return fail(path(), "found " + found(), "allowed: true or false");
  return cJSON_IsTrue(node_) != 0;
}

Result<int64_t> Value::integer(int64_t least, int64_t most) const {
  const double n = is(Kind::number) ? node_->valuedouble : 0.5;
  if (std::trunc(n) != n || std::fabs(n) > kMostExact || static_cast<int64_t>(n) < least ||
      static_cast<int64_t>(n) > most) {
    return fail(path(), "found " + found(),
                fmt::format("allowed: a whole number from {} to {}", least, most));
  }
  return static_cast<int64_t>(n);
}

Result<double> Value::number() const {
  if (!is(Kind::number)) return fail(path(), "found " + found(), "allowed: a number");
  return node_->valuedouble;
}

Result<std::string> Value::text() const {
  if (!is(Kind::text)) return fail(path(), "found " + found(), "allowed: text");
  return restored(node_->valuestring);
}

Value Value::find(std::string_view name) const {
  if (!is(Kind::object)) return {};
  for (const cJSON* child = node_->child; child; child = child->next) {
    if (std::string_view(child->string) == name) return {tree_, child};
  }
  return {};
}

std::vector<Value> Value::items() const {
  std::vector<Value> out;
  if (!is(Kind::array)) return out;
  for (const cJSON* child = node_->child; child; child = child->next) {
    out.push_back(Value(tree_, child));
  }
  return out;
}

std::vector<Member> Value::members() const {
  std::vector<Member> out;
  if (!is(Kind::object)) return out;
  for (const cJSON* child = node_->child; child; child = child->next) {
    out.push_back({restored(child->string), Value(tree_, child)});
  }
  return out;
}

size_t Value::size() const {
  size_t count = 0;
  if (is(Kind::array) || is(Kind::object)) {
    for (const cJSON* child = node_->child; child; child = child->next) ++count;
  }
  return count;
}

std::string join_path(std::string_view parent, std::string_view name) {
  std::string out(parent);
  out += '/';
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string join_path(std::string_view parent, size_t index) {
  return fmt::format("{}/{}", parent, index);
}

}  // namespace fedge::json
