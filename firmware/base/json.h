// JSON (RFC 8259), strict: what arrives from outside is checked whole before any of it is used.
// Refused beside what the grammar refuses: repeated names in an object, invalid UTF-8 and lone
// surrogates, numbers no double can hold, and more depth or octets than the limits allow.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/result.h"

struct cJSON;

namespace fedge::json {

enum class Kind : uint8_t { null, boolean, number, text, array, object };
// "a number", "an object": for error texts.
std::string_view text_of(Kind kind);

struct Limits {
  size_t bytes = 64u << 20;
  unsigned depth = 64;
};

struct Tree;
struct Member;

// One value of a Document, which must outlive it. Cheap to copy. A Value that find() or at() did
// not find is false and must only be asked that.
class Value {
 public:
  Value() = default;
  explicit operator bool() const { return node_ != nullptr; }

  Kind kind() const;
  bool is(Kind k) const { return node_ && kind() == k; }
  // The value's place as a JSON Pointer (RFC 6901), "/realms/0/addresses/1"; "" is the root.
  std::string path() const;
  // What is there, for an error text: `the text "abc"`, `the number 7`, `an object`. Long text is
  // cut.
  std::string found() const;

  // The typed getters fail with path(), what was found and what is allowed.
  Result<bool> boolean() const;
  // A whole number between the bounds; `1.0` and `1e3` are whole. Exact to 2^53.
  Result<int64_t> integer(int64_t least, int64_t most) const;
  Result<double> number() const;
  Result<std::string> text() const;

  // Object: the member of that name (linear), or false. False as well when not an object.
  Value find(std::string_view name) const;
  // Array: its items in order; empty when not an array.
  std::vector<Value> items() const;
  // Object: its members in the order of the document; empty when not an object.
  std::vector<Member> members() const;
  // Items or members.
  size_t size() const;

 private:
  friend class Document;
  Value(const Tree* tree, const cJSON* node) : tree_(tree), node_(node) {}
  const Tree* tree_ = nullptr;
  const cJSON* node_ = nullptr;
};

struct Member {
  std::string name;
  Value value;
};

// One parsed text. Move-only; Values stay good over a move.
class Document {
 public:
  Document();
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  // Errors say where ("line 3, column 7 (offset 41)"), what was found and what is allowed.
  static Result<Document> parse(std::string_view text, const Limits& limits = {});
  Value root() const;

 private:
  std::unique_ptr<Tree> tree_;
};

// The JSON Pointer of `name` (or index) below `parent`, escaped by RFC 6901 section 3.
std::string join_path(std::string_view parent, std::string_view name);
std::string join_path(std::string_view parent, size_t index);

// Builds one text front to back; members stand in the order in which they are written. Integers
// are exact to 64 bits. Invalid UTF-8 becomes U+FFFD, so the result is always valid.
//   Writer w;  w.begin_object().member("a", 1).key("b").begin_array().value("x").end_array()
//   .end_object();  w.take()
class Writer {
 public:
  enum class Style : uint8_t { compact, pretty };
  explicit Writer(Style style = Style::compact) : style_(style) {}

  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view name);
  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(bool b);
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Writer& value(T n) {
    if constexpr (std::is_signed_v<T>) return integer(n < 0, magnitude(n));
    return integer(false, n);
  }
  // The shortest text that reads back the same; null when not finite.
  Writer& value(double n);
  Writer& null();
  // A value that is JSON already (compact stays compact).
  Writer& raw(std::string_view json);
  template <class T>
  Writer& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }
  // The finished text; pretty ends in a newline.
  std::string take();

 private:
  template <class T>
  static uint64_t magnitude(T n) {
    return n < 0 ? uint64_t{0} - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
  }
  Writer& integer(bool negative, uint64_t magnitude);
  void before_value();
  void open(char bracket);
  void close(char bracket);
  void new_line();

  Style style_;
  std::string out_;
  std::vector<bool> has_items_;  // of each open container
  bool after_key_ = false;
};

// `text` as a JSON string with its quotes.
std::string quote(std::string_view text);

}  // namespace fedge::json
