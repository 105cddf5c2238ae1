// Topology values to canonical JSON. Internal to topology: encode() and diff() use it.
#pragma once

#include "firmware/base/json.h"
#include "firmware/topology/description.h"

namespace fedge::topology {

class Encoder {
 public:
  explicit Encoder(json::Writer& writer) : writer_(writer) {}

  template <Described T>
  void operator()(const T& object) {
    writer_.begin_object();
    Fields<T>::each([&](const Field& field, auto member) {
      const auto& value = object.*member;
      if (left_out(value)) return;
      writer_.key(field.name);
      (*this)(value);
    });
    writer_.end_object();
  }
  template <class T>
  void operator()(const std::vector<T>& list) {
    writer_.begin_array();
    for (const T& item : list) (*this)(item);
    writer_.end_array();
  }
  template <class T>
  void operator()(const std::optional<T>& value) {
    if (value) (*this)(*value);
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(E value) {
    writer_.value(word_of(value));
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  void operator()(T value) {
    writer_.value(value);
  }
  void operator()(const std::string& text) { writer_.value(text); }
  void operator()(const IpAddress& address) { writer_.value(address.text()); }
  void operator()(const Prefix& prefix) { writer_.value(prefix.text()); }

 private:
  template <class T>
  static bool left_out(const std::optional<T>& value) {
    return !value;
  }
  static bool left_out(const std::string& text) { return text.empty(); }
  template <class T>
  static bool left_out(const T&) {
    return false;
  }
  json::Writer& writer_;
};

template <class T>
std::string to_json(const T& value, json::Writer::Style style = json::Writer::Style::compact) {
  json::Writer writer(style);
  Encoder{writer}(value);
  return writer.take();
}

}  // namespace fedge::topology
