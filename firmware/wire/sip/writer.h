// Writes messages into buffers the caller owns: forwards one with edits, answers one, derives
// ACK and CANCEL from one. Nothing is allocated; nullopt always means "does not fit".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/output.h"
#include "firmware/wire/sip/constants.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// A list of edits to one parsed message, and the message with them. What is not edited comes out
// byte for byte, body included. Views handed in, and the message, live until write().
class Editor {
 public:
  explicit Editor(const Message& message) : message_(message) {}

  void set_request_uri(std::string_view uri);
  // A header right behind the start line; the first call comes out topmost.
  void prepend(HeaderId id, std::string_view value);
  // A header in front of the empty line, or with a name of the caller's.
  void append(HeaderId id, std::string_view value) { append(name_of(id), value); }
  void append(std::string_view name, std::string_view value);
  // `header` is an index into Message::headers(). The name stays as written.
  void replace(size_t header, std::string_view value);
  void remove(size_t header);
  void remove_all(HeaderId id);
  // Drops the first `count` values of a list header, and the line when none is left: a Via of
  // ours from a response, Routes of ours from a request.
  void drop_values(size_t header, size_t count = 1);
  // Text right behind the first value of a list header: ";received=192.0.2.1" in the top Via.
  void extend_first_value(size_t header, std::string_view text);
  // Replaces part of the message: `old` is a view into Message::whole.
  void replace_text(std::string_view old, std::string_view text);

  // Octets that write() needs.
  size_t size() const;
  std::optional<size_t> write(std::span<char> out) const;

 private:
  struct Edit {
    size_t begin;  // offsets into Message::whole
    size_t end;
    std::string_view name;  // not empty: "name: text CRLF"
    std::string_view text;
  };
  static constexpr size_t kMostEdits = 64;
  void add(Edit edit);
  size_t offset_of(const char* p) const { return static_cast<size_t>(p - message_.whole.data()); }

  const Message& message_;
  std::array<Edit, kMostEdits> edits_;  // by begin; equal ones in the order of the calls
  size_t edit_count_ = 0;
  bool overflowed_ = false;
};

struct HeaderText {
  std::string_view name;
  std::string_view value;
};

// An answer to `request` (RFC 3261 8.2.6): its Via values, From, To, Call-ID, CSeq, and Timestamp
// of a 100, then `headers`, and the body.
struct Response {
  uint16_t status = 0;
  std::string_view reason;      // empty: reason_of(status)
  std::string_view to_tag;      // added when the request's To has none and this is not a 100
  std::string_view via_suffix;  // behind the top Via value: ";received=192.0.2.1;rport=5061"
  std::span<const HeaderText> headers;
  std::string_view body = {};  // its Content-Type is among `headers`
};
std::optional<size_t> write_response(const Message& request, const Response& response,
                                     std::span<char> out);

// From an INVITE as it was sent: same Request-URI, top Via, Route, From, To, Call-ID and CSeq
// number (RFC 3261 9.1; 17.1.1.3: ACK of a final response that is no 2xx takes the response's To).
std::optional<size_t> write_cancel(const Message& invite, std::span<char> out);
std::optional<size_t> write_ack(const Message& invite, const Message& response,
                                std::span<char> out);

}  // namespace fedge::sip
