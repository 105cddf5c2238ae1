#include "firmware/wire/sdp/editor.h"

#include <algorithm>

namespace fedge::sdp {

namespace {

constexpr size_t end_of_value(const Line& line) { return size_t{line.at} + 2 + line.size; }
constexpr size_t end_of(const Line& line) { return end_of_value(line) + line.ending; }

// Counts what render() would write.
struct Count {
  size_t size = 0;
  Count& operator<<(std::string_view text) {
    size += text.size();
    return *this;
  }
};

}  // namespace

void Editor::add(size_t begin, size_t end, const Output& text, Rank rank) {
  if (edit_count_ == kMostEdits || !text.fits()) {
    overflowed_ = true;
    return;
  }
  const Edit edit{static_cast<uint32_t>(begin), static_cast<uint32_t>(end),
                  static_cast<uint16_t>(text_used_), static_cast<uint16_t>(text.text().size())};
  text_used_ += text.text().size();
  const auto behind = [&edit, rank](const Edit& other) {
    if (other.begin != edit.begin) return other.begin > edit.begin;
    if (rank == Rank::foremost) return true;
    return edit.begin == edit.end && other.begin != other.end;
  };
  size_t at = edit_count_++;
  for (; at > 0 && behind(edits_[at - 1]); --at) edits_[at] = edits_[at - 1];
  edits_[at] = edit;
}

void Editor::replace_part(std::string_view part, const Output& text) {
  const auto begin = static_cast<size_t>(part.data() - description_.text.data());
  add(begin, begin + part.size(), text);
}

void Editor::insert_behind(const Line& line, char type, std::string_view text) {
  Output out = compose();
  out << type << '=' << text << kCrlf;
  add(end_of(line), end_of(line), out);
}

void Editor::replace_value(const Line& line, std::string_view value) {
  Output out = compose();
  out << value;
  add(size_t{line.at} + 2, end_of_value(line), out);
}

void Editor::remove(const Line& line) { add(line.at, end_of(line), compose()); }

void Editor::remove_attributes(Section section, std::string_view name) {
  for (size_t i = section.begin; i < section.end; ++i) {
    const Line& line = description_.lines()[i];
    if (line.type == 'a' && description_.attribute(line).name == name) remove(line);
  }
}

void Editor::append_attribute(Section section, std::string_view text) {
  insert_behind(description_.lines()[section.end - size_t{1}], 'a', text);
}

void Editor::set_origin_address(const IpAddress& address) {
  Output out = compose();
  write_connection(out, address);
  replace_part(description_.origin.address_text, out);
}

void Editor::set_session_connection(const IpAddress& address) {
  const Line* line = description_.find(description_.session, 'c');
  if (line == nullptr) return;
  Output out = compose();
  write_connection(out, address);
  replace_part(description_.value(*line), out);
}

void Editor::set_connection(const Media& media, const IpAddress& address) {
  Output out = compose();
  if (const Line* line = description_.find(media.section, 'c')) {
    write_connection(out, address);
    return replace_part(description_.value(*line), out);
  }
  // Section 5: behind m= and i=, in front of b=, k= and a=.
  const Line* before = description_.find(media.section, 'i');
  if (before == nullptr) before = &description_.lines()[media.section.begin];
  out << "c=";
  write_connection(out, address);
  out << kCrlf;
  add(end_of(*before), end_of(*before), out, Rank::foremost);
}

void Editor::set_port(const Media& media, uint16_t port) {
  Output out = compose();
  out << port;
  replace_part(media.line.port_text, out);
}

void Editor::set_rtcp(const Media& media, uint16_t port, const IpAddress& address) {
  const Line* line = description_.find_attribute(media.section, kRtcp);
  Output out = compose();
  const bool is_new = line == nullptr;
  if (is_new) out << "a=";
  out << kRtcp << ':' << port;
  if (address) {
    out << ' ';
    write_connection(out, address);
  }
  if (is_new) {
    out << kCrlf;
    const size_t at = end_of(description_.lines()[media.section.end - size_t{1}]);
    return add(at, at, out);
  }
  replace_part(description_.value(*line), out);
  // Others of its kind would contradict it.
  for (const Line* next = line + 1; next != &description_.lines()[0] + media.section.end; ++next)
    if (next->type == 'a' && description_.attribute(*next).name == kRtcp) remove(*next);
}

// An edit that begins inside an earlier one went with it.
template <class Sink>
void Editor::render(Sink& sink) const {
  const std::string_view text = description_.text;
  size_t at = 0;
  char last = '\n';
  const auto put = [&](std::string_view part) {
    if (!part.empty()) last = part.back();
    sink << part;
  };
  for (size_t i = 0; i < edit_count_; ++i) {
    const Edit& edit = edits_[i];
    if (edit.begin < at) continue;
    put(text.substr(at, edit.begin - at));
    // The last line may lack its end.
    const bool is_insertion = edit.begin == edit.end;
    if (is_insertion && last != '\n' && edit.begin == text.size()) put(kCrlf);
    put({texts_.data() + edit.text_at, edit.text_size});
    at = edit.end;
  }
  put(text.substr(at));
}

size_t Editor::size() const {
  Count count;
  render(count);
  return count.size;
}

std::optional<size_t> Editor::write(std::span<char> out) const {
  if (overflowed_) return std::nullopt;
  Output output(out);
  render(output);
  return output.size();
}

}  // namespace fedge::sdp
