#include <fmt/core.h>

#include <cmath>

#include "firmware/base/json.h"
#include "firmware/base/json_scan.h"

namespace fedge::json {
namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    size_t taken = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      const size_t size = utf8_sequence(text);
      out += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, size);
      taken = size == 0 ? 1 : size;
    }
    text.remove_prefix(taken);
  }
  out += '"';
}

}  // namespace

std::string quote(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

void Writer::new_line() {
  if (style_ == Style::compact) return;
  out_ += '\n';
  out_.append(2 * has_items_.size(), ' ');
}

void Writer::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_items_.empty()) return;
  if (has_items_.back()) out_ += ',';
  has_items_.back() = true;
  new_line();
}

void Writer::open(char bracket) {
  before_value();
  out_ += bracket;
  has_items_.push_back(false);
}

void Writer::close(char bracket) {
  const bool filled = has_items_.back();
  has_items_.pop_back();
  if (filled) new_line();
  out_ += bracket;
}

Writer& Writer::begin_object() { return open('{'), *this; }
Writer& Writer::end_object() { return close('}'), *this; }
Writer& Writer::begin_array() { return open('['), *this; }
Writer& Writer::end_array() { return close(']'), *this; }

Writer& Writer::key(std::string_view name) {
  before_value();
  append_quoted(out_, name);
  out_ += style_ == Style::pretty ? ": " : ":";
  after_key_ = true;
  return *this;
}

Writer& Writer::value(std::string_view text) {
  before_value();
  append_quoted(out_, text);
  return *this;
}

Writer& Writer::value(bool b) { return raw(b ? "true" : "false"); }
Writer& Writer::null() { return raw("null"); }

Writer& Writer::integer(bool negative, uint64_t magnitude) {
  return raw(fmt::format("{}{}", negative ? "-" : "", magnitude));
}

Writer& Writer::value(double n) { return std::isfinite(n) ? raw(fmt::format("{}", n)) : null(); }

Writer& Writer::raw(std::string_view json) {
  before_value();
  out_ += json;
  return *this;
}

std::string Writer::take() {
  if (style_ == Style::pretty) out_ += '\n';
  has_items_.clear();
  return std::move(out_);
}

}  // namespace fedge::json
