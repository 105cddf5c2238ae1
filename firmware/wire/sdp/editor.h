// Edits to one description, and the text with them (RFC 8866): what is not edited comes out byte
// for byte. Nothing is allocated. The description lives until write().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/output.h"
#include "firmware/net/address.h"
#include "firmware/wire/sdp/description.h"

namespace fedge::sdp {

// Of edits to one part of the text the one that begins first counts, then the one made first.
class Editor {
 public:
  explicit Editor(const Description& description) : description_(description) {}

  // o= address, so that the inside stays hidden.
  void set_origin_address(const IpAddress& address);
  // The session's c=, when there is one: all media without their own go there.
  void set_session_connection(const IpAddress& address);
  // The media's own c=, added when it has none.
  void set_connection(const Media& media, const IpAddress& address);
  // m= port; a count behind it goes.
  void set_port(const Media& media, uint16_t port);
  // a=rtcp (RFC 3605) in place of what it said, or as a new attribute. Without an address (family
  // 0) it names the port alone.
  void set_rtcp(const Media& media, uint16_t port, const IpAddress& address);

  void remove(const Line& line);
  // All a= lines of that name.
  void remove_attributes(Section section, std::string_view name);
  // "a=" and the text, as the section's last line.
  void append_attribute(Section section, std::string_view text);
  // The value of a line, of whatever type.
  void replace_value(const Line& line, std::string_view value);

  // Octets that write() needs.
  size_t size() const;
  // Nothing when the text does not fit into `out`, or there were more edits or more text than an
  // editor holds: then nothing must be sent.
  std::optional<size_t> write(std::span<char> out) const;

 private:
  struct Edit {
    uint32_t begin;  // offsets into the description's text
    uint32_t end;
    uint16_t text_at;  // of what takes their place, in texts_
    uint16_t text_size;
  };
  static constexpr size_t kMostEdits = 256;
  static constexpr size_t kTextRoom = 8192;

  // Text is composed behind what texts_ holds already; add() then keeps it.
  Output compose() { return Output(std::span(texts_).subspan(text_used_)); }
  enum class Rank : uint8_t { usual, foremost };  // of insertions at one place
  void add(size_t begin, size_t end, const Output& text, Rank rank = Rank::usual);
  void replace_part(std::string_view part, const Output& text);
  void insert_behind(const Line& line, char type, std::string_view text);
  template <class Sink>
  void render(Sink& sink) const;

  const Description& description_;
  std::array<Edit, kMostEdits> edits_;  // by begin; at one place insertions first
  std::array<char, kTextRoom> texts_;
  size_t edit_count_ = 0;
  size_t text_used_ = 0;
  bool overflowed_ = false;
};

}  // namespace fedge::sdp
