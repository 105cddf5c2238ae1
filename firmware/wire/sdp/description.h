// A session description as views (RFC 8866). Parsing copies and allocates nothing; what it does
// not understand it keeps. Large (some 12 kB): one a worker, used again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/wire/sdp/constants.h"
#include "firmware/wire/sdp/values.h"

namespace fedge::sdp {

enum class Malformed : uint8_t {
  none,
  too_large,   // more than kLargest octets
  lines_many,  // more than kMostLines
  media_many,  // more than kMostMedia
  line,        // not "x=", or a control character inside
  version,     // does not begin with v=0
  origin,      // o= is not the second line, repeated, or of another form
  connection,  // c= of another form, or two in one section
  media,       // m= of another form
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::media) + 1;
std::string_view text(Malformed reason);

struct Line {
  uint32_t at;     // of the type in the text
  uint16_t size;   // of the value, which begins at at + 2
  char type;       // 'a'
  uint8_t ending;  // octets of the line's end: CRLF, LF, or none at the end of the text
};

// Lines [begin, end) of Description::lines().
struct Section {
  uint16_t begin = 0;
  uint16_t end = 0;
};

struct Media {
  Section section;  // its first line is m=
  MediaLine line;
  std::optional<Connection> connection;  // its own c=; absent: the session's counts
};

struct Attribute {
  std::string_view name;
  std::string_view value;  // behind the colon; empty without
};

class Description {
 public:
  std::string_view text;
  Origin origin;
  Section session;                       // all before the first m=
  std::optional<Connection> connection;  // the session's c=

  std::span<const Line> lines() const { return {lines_.data(), line_count_}; }
  std::span<const Media> media() const { return {media_.data(), media_count_}; }
  std::string_view value(const Line& line) const { return text.substr(line.at + 2, line.size); }
  // Name and value of an a= line.
  Attribute attribute(const Line& line) const;

  // The first line of a type, or a= line of a name, in a section; null when there is none.
  const Line* find(Section section, char type) const;
  const Line* find_attribute(Section section, std::string_view name) const;

  // Where its media goes: its own c= or the session's; nothing when neither is there.
  const Connection* connection_of(const Media& media) const;
  // Its own, or the session's, or sendrecv (section 6.7).
  Direction direction_of_media(const Media& media) const;

 private:
  friend Malformed parse(std::string_view text, Description& out);
  Malformed split_lines();
  Malformed read_head();
  Malformed read_sections();
  Malformed read_connection_line(const Line& line, std::optional<Connection>& out);
  std::optional<Direction> direction_in(Section section) const;

  std::array<Line, kMostLines> lines_;  // [0, line_count_) is set
  std::array<Media, kMostMedia> media_;
  size_t line_count_ = 0;
  size_t media_count_ = 0;
};

// `text` lives as long as `out` is used. With anything but Malformed::none `out` is not to be used.
Malformed parse(std::string_view text, Description& out);

}  // namespace fedge::sdp
