// JSON to topology values, collecting every finding. Internal to topology.
#pragma once

#include "firmware/base/json.h"
#include "firmware/topology/description.h"
#include "firmware/topology/finding.h"

namespace fedge::topology {

class Decoder {
 public:
  explicit Decoder(Findings& findings) : findings_(findings) {}

  // A field that is wrong keeps its initial value, text its text: references to it still resolve.
  template <Described T>
  void object(json::Value value, T& out) {
    if (!value.is(json::Kind::object)) return wrong(value, "an object");
    std::vector<std::string_view> known;
    Fields<T>::each([&](const Field& field, auto member) {
      known.push_back(field.name);
      if (const json::Value v = value.find(field.name)) {
        decode(field, v, out.*member);
      } else if (field.needed) {
        missing(value, field);
      }
    });
    check_names(value, known);
    if constexpr (requires { Fields<T>::complete(out); }) Fields<T>::complete(out);
  }

 private:
  template <Described T>
  void decode(const Field&, json::Value value, T& out) {
    object(value, out);
  }
  template <class T>
  void decode(const Field& field, json::Value value, std::optional<T>& out) {
    decode(field, value, out.emplace());
  }
  template <class T>
  void decode(const Field& field, json::Value value, std::vector<T>& out) {
    if (!value.is(json::Kind::array)) return wrong(value, "an array");
    out.clear();
    const auto items = value.items();
    if (!check_count(field, value, items.size())) return;
    out.reserve(items.size());
    for (const json::Value item : items) decode(field, item, out.emplace_back());
  }
  template <class E>
    requires std::is_enum_v<E>
  void decode(const Field&, json::Value value, E& out) {
    const auto text = value.text();
    std::string allowed = "one of";
    for (const auto& word : words(E{})) {
      if (text && *text == word.text) {
        out = word.value;
        return;
      }
      allowed.append(allowed == "one of" ? " " : ", ").append(word.text);
    }
    wrong(value, std::move(allowed));
  }
  template <class T>
    requires std::is_unsigned_v<T>
  void decode(const Field& field, json::Value value, T& out) {
    if (const auto n = integer(field, value)) out = static_cast<T>(*n);
  }
  void decode(const Field& field, json::Value value, bool& out);
  void decode(const Field& field, json::Value value, std::string& out);
  void decode(const Field& field, json::Value value, IpAddress& out);
  void decode(const Field& field, json::Value value, Prefix& out);

  std::optional<int64_t> integer(const Field& field, json::Value value);
  bool check_count(const Field& field, json::Value value, size_t count);
  void check_names(json::Value object, const std::vector<std::string_view>& known);
  void wrong(json::Value value, std::string allowed);
  void missing(json::Value object, const Field& field);
  void add(Finding finding) {
    if (findings_.size() <= kMostFindings) findings_.push_back(std::move(finding));
  }

  Findings& findings_;
};

}  // namespace fedge::topology
