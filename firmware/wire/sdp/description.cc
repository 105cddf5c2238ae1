#include "firmware/wire/sdp/description.h"

#include <algorithm>

namespace fedge::sdp {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "too_large",
    "lines_many",
    "media_many",
    "line",
    "version",
    "origin",
    "connection",
    "media",
}};
static_assert(!kTexts.back().empty());

bool has_control(std::string_view value) {
  for (const char c : value)
    if (c == '\0' || c == '\r' || c == '\n') return true;
  return false;
}

}  // namespace

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

Attribute Description::attribute(const Line& line) const {
  const std::string_view whole = value(line);
  const size_t colon = whole.find(':');
  if (colon == std::string_view::npos) return {whole, {}};
  return {whole.substr(0, colon), whole.substr(colon + 1)};
}

const Line* Description::find(Section section, char type) const {
  for (size_t i = section.begin; i < section.end; ++i)
    if (lines_[i].type == type) return &lines_[i];
  return nullptr;
}

const Line* Description::find_attribute(Section section, std::string_view name) const {
  for (size_t i = section.begin; i < section.end; ++i)
    if (lines_[i].type == 'a' && attribute(lines_[i]).name == name) return &lines_[i];
  return nullptr;
}

const Connection* Description::connection_of(const Media& media) const {
  if (media.connection) return &*media.connection;
  return connection ? &*connection : nullptr;
}

std::optional<Direction> Description::direction_in(Section section) const {
  for (size_t i = section.begin; i < section.end; ++i) {
    if (lines_[i].type != 'a') continue;
    if (const auto direction = direction_of(value(lines_[i]))) return direction;
  }
  return std::nullopt;
}

Direction Description::direction_of_media(const Media& media) const {
  if (const auto own = direction_in(media.section)) return *own;
  return direction_in(session).value_or(Direction::sendrecv);
}

// Lines end with CRLF; a lone LF is taken (RFC 8866 section 5), a lone CR is not: readers differ
// on what it means. Empty lines may only follow at the end.
Malformed Description::split_lines() {
  line_count_ = 0;
  if (text.size() > kLargest) return Malformed::too_large;
  for (size_t at = 0; at < text.size();) {
    const size_t feed = std::min(text.find('\n', at), text.size());
    const size_t next = std::min(feed + 1, text.size());
    size_t end = feed;
    if (feed != text.size() && end > at && text[end - 1] == '\r') --end;
    if (end == at) {
      if (text.find_first_not_of("\r\n", at) != std::string_view::npos) return Malformed::line;
      break;
    }
    const std::string_view line = text.substr(at, end - at);
    if (line.size() < 2 || line[0] < 'a' || line[0] > 'z' || line[1] != '=' || has_control(line))
      return Malformed::line;
    if (line_count_ == kMostLines) return Malformed::lines_many;
    lines_[line_count_++] = {static_cast<uint32_t>(at), static_cast<uint16_t>(line.size() - 2),
                             line[0], static_cast<uint8_t>(next - end)};
    at = next;
  }
  return Malformed::none;
}

Malformed Description::read_head() {
  if (line_count_ == 0 || lines_[0].type != 'v' || value(lines_[0]) != "0")
    return Malformed::version;
  if (line_count_ < 2 || lines_[1].type != 'o') return Malformed::origin;
  const auto read = read_origin(value(lines_[1]));
  if (!read) return Malformed::origin;
  origin = *read;
  return Malformed::none;
}

Malformed Description::read_connection_line(const Line& line, std::optional<Connection>& out) {
  const auto read = read_connection(value(line));
  if (!read || out) return Malformed::connection;
  out = read;
  return Malformed::none;
}

Malformed Description::read_sections() {
  session = {0, static_cast<uint16_t>(line_count_)};
  connection.reset();
  media_count_ = 0;
  for (size_t i = 2; i < line_count_; ++i) {
    const Line& line = lines_[i];
    Malformed reason = Malformed::none;
    switch (line.type) {
      case 'v':
        return Malformed::version;
      case 'o':
        return Malformed::origin;
      case 'c':
        reason = read_connection_line(
            line, media_count_ == 0 ? connection : media_[media_count_ - 1].connection);
        if (reason != Malformed::none) return reason;
        break;
      case 'm': {
        if (media_count_ == kMostMedia) return Malformed::media_many;
        const auto read = read_media_line(value(line));
        if (!read) return Malformed::media;
        Section& before = media_count_ == 0 ? session : media_[media_count_ - 1].section;
        before.end = static_cast<uint16_t>(i);
        media_[media_count_++] = {
            {static_cast<uint16_t>(i), static_cast<uint16_t>(line_count_)}, *read, std::nullopt};
        break;
      }
      default:
        break;
    }
  }
  return Malformed::none;
}

Malformed parse(std::string_view text, Description& out) {
  out.text = text;
  Malformed reason = out.split_lines();
  if (reason == Malformed::none) reason = out.read_head();
  if (reason == Malformed::none) reason = out.read_sections();
  return reason;
}

}  // namespace fedge::sdp
