#include "firmware/wire/xml/writer.h"

#include <algorithm>

namespace fedge::xml {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// What stands for an ASCII character; empty: itself.
std::string_view escape_of(char c, bool in_attribute) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\r':  // a reader would take it for a line's end
      return "&#13;";
    case '"':
      return in_attribute ? "&quot;" : "";
    case '\n':
      return in_attribute ? "&#10;" : "";
    case '\t':
      return in_attribute ? "&#9;" : "";
    default:
      return static_cast<unsigned char>(c) < 0x20 ? kReplacement : "";
  }
}

// Octets of the character that begins `text`, whose first octet is not ASCII; 0 when it is broken
// or none that XML has (section 2.2: surrogates, U+FFFE, U+FFFF).
size_t character_size(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  uint32_t code = lead & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    code = code << 6 | (next & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10ffff) return 0;
  if ((code >= 0xd800 && code <= 0xdfff) || code == 0xfffe || code == 0xffff) return 0;
  return size;
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

void write_escaped(Output& out, std::string_view text, bool in_attribute) {
  size_t plain = 0;  // what is written as it stands, up to `i`
  for (size_t i = 0; i < text.size();) {
    const size_t size = is_ascii(text[i]) ? 1 : character_size(text.substr(i));
    const std::string_view escape = size == 0           ? kReplacement
                                    : is_ascii(text[i]) ? escape_of(text[i], in_attribute)
                                                        : "";
    if (!escape.empty()) {
      out << text.substr(plain, i - plain) << escape;
      plain = i + std::max<size_t>(size, 1);
    }
    i += std::max<size_t>(size, 1);
  }
  out << text.substr(plain);
}

Writer& Writer::declare() {
  out_ << "<?xml version=\"1.0\"?>";
  return *this;
}

void Writer::end_start_tag() {
  if (in_start_tag_) out_ << '>';
  in_start_tag_ = false;
}

Writer& Writer::open(std::string_view name) {
  end_start_tag();
  if (depth_ == open_.size()) too_deep_ = true;
  if (too_deep_) return *this;
  open_[depth_++] = name;
  out_ << '<' << name;
  in_start_tag_ = true;
  return *this;
}

Writer& Writer::attribute(std::string_view name, std::string_view value) {
  out_ << ' ' << name << "=\"";
  write_escaped(out_, value, true);
  out_ << '"';
  return *this;
}

Writer& Writer::text(std::string_view text) {
  end_start_tag();
  write_escaped(out_, text, false);
  return *this;
}

Writer& Writer::close() {
  if (depth_ == 0) return *this;
  const std::string_view name = open_[--depth_];
  if (in_start_tag_)
    out_ << "/>";
  else
    out_ << "</" << name << '>';
  in_start_tag_ = false;
  return *this;
}

Writer& Writer::element(std::string_view name, uint32_t number) {
  open(name).end_start_tag();
  out_ << number;
  return close();
}

}  // namespace fedge::xml
