// Writes XML into a buffer that the caller owns. Nothing is allocated; once something did not fit,
// nothing more is written. Names are the caller's constants; values may be anything: what stands
// for markup is escaped, what no XML may have (controls, broken UTF-8) becomes U+FFFD.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/output.h"

namespace fedge::xml {

class Writer {
 public:
  explicit Writer(std::span<char> buffer) : out_(buffer) {}

  // <?xml version="1.0"?>, before anything else.
  Writer& declare();
  Writer& open(std::string_view name);
  // Of the element just opened; a namespace is the attribute "xmlns".
  Writer& attribute(std::string_view name, std::string_view value);
  Writer& text(std::string_view text);
  // The innermost element that is open.
  Writer& close();
  // <name>text</name>
  Writer& element(std::string_view name, std::string_view text) {
    return open(name).text(text).close();
  }
  Writer& element(std::string_view name, uint32_t number);

  // False as well when more than kDeepestWritten elements were open.
  bool fits() const { return out_.fits() && !too_deep_; }
  // The octets written; nothing when they did not fit or an element is still open.
  std::optional<size_t> size() const { return fits() && depth_ == 0 ? out_.size() : std::nullopt; }

  static constexpr size_t kDeepestWritten = 16;

 private:
  void end_start_tag();

  Output out_;
  std::array<std::string_view, kDeepestWritten> open_;
  size_t depth_ = 0;
  bool in_start_tag_ = false;
  bool too_deep_ = false;
};

// The text as it stands between tags, or in a value between double quotes.
void write_escaped(Output& out, std::string_view text, bool in_attribute);

}  // namespace fedge::xml
