#include "firmware/base/json.h"
#include "firmware/topology/document.h"
#include "firmware/topology/encoder.h"

namespace fedge::topology {
namespace {

// Writes what a field may hold; every overload adds members to an object that is already open.
class SchemaWriter {
 public:
  explicit SchemaWriter(json::Writer& writer) : w_(writer) {}

  template <Described T>
  void object() {
    w_.member("type", "object").key("properties").begin_object();
    std::vector<std::string_view> needed;
    const T initial{};
    Fields<T>::each([&](const Field& field, auto member) {
      using M = std::remove_cvref_t<decltype(initial.*member)>;
      w_.key(field.name).begin_object().member("description", field.doc);
      describe(field, static_cast<const M*>(nullptr));
      if (field.needed) {
        needed.push_back(field.name);
      } else if (!field.inferred) {
        write_default(initial.*member);
      }
      w_.end_object();
    });
    w_.end_object().member("additionalProperties", false);
    if (needed.empty()) return;
    w_.key("required").begin_array();
    for (const std::string_view name : needed) w_.value(name);
    w_.end_array();
  }

 private:
  template <Described T>
  void describe(const Field&, const T*) {
    object<T>();
  }
  template <class T>
  void describe(const Field& field, const std::optional<T>*) {
    describe(field, static_cast<const T*>(nullptr));
  }
  template <class T>
  void describe(const Field& field, const std::vector<T>*) {
    w_.member("type", "array");
    if (field.filled) w_.member("minItems", 1);
    w_.member("maxItems", field.most_items).key("items").begin_object();
    if constexpr (Described<T>) w_.member("description", Fields<T>::kWhat);
    describe(field, static_cast<const T*>(nullptr));
    w_.end_object();
  }
  template <class E>
    requires std::is_enum_v<E>
  void describe(const Field&, const E*) {
    w_.key("enum").begin_array();
    for (const auto& word : words(E{})) w_.value(word.text);
    w_.end_array();
  }
  template <class T>
    requires std::is_unsigned_v<T>
  void describe(const Field& field, const T*) {
    w_.member("type", "integer").member("minimum", field.least).member("maximum", field.most);
  }
  void describe(const Field&, const bool*) { w_.member("type", "boolean"); }
  void describe(const Field& field, const std::string*) {
    w_.member("type", "string");
    if (field.format == Format::text) w_.member("maxLength", 255);
    if (field.format == Format::pattern) w_.member("minLength", 1).member("maxLength", 320);
    if (field.format == Format::dns_name) w_.member("maxLength", 253);
    if (const auto pattern = schema_pattern(field.format); !pattern.empty()) {
      w_.member("pattern", pattern);
    }
  }
  void describe(const Field&, const IpAddress*) {
    w_.member("type", "string").key("anyOf").begin_array();
    w_.begin_object().member("format", "ipv4").end_object();
    w_.begin_object().member("format", "ipv6").end_object().end_array();
  }
  void describe(const Field&, const Prefix*) {
    w_.member("type", "string").member("pattern", "^[0-9a-fA-F:.]+/[0-9]{1,3}$");
  }

  template <class T>
  void write_default(const T& initial) {
    w_.key("default").raw(to_json(initial));
  }
  template <class T>
  void write_default(const std::optional<T>&) {}
  void write_default(const std::string& initial) {
    if (!initial.empty()) w_.member("default", initial);
  }

  json::Writer& w_;
};

}  // namespace

std::string schema() {
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("$schema", "https://json-schema.org/draft/2020-12/schema");
  w.member("$id", "urn:fedge:topology:1").member("title", "fedge topology");
  w.member("description", Fields<Topology>::kWhat);
  SchemaWriter(w).object<Topology>();
  w.end_object();
  return w.take();
}

}  // namespace fedge::topology
