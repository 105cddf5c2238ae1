// Cuts a TCP or TLS stream into messages and keep-alives (RFC 3261 18.3 and 7.5, RFC 5626 3.5.1
// and 4.4.1). It holds no octets, only how far it has looked, so a slow sender costs no more than
// a fast one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "firmware/wire/sip/constants.h"

namespace fedge::sip {

struct Frame {
  enum class Kind : uint8_t {
    need_more,  // nothing whole yet; `wanted` more octets at least
    message,    // `size` octets are one message: hand them to parse()
    ping,       // a keep-alive of `size` octets: answer kPong
    pong,       // the awaited answer to our own ping
    skip,       // empty lines in front of a message, or the body of an oversized one
    oversized,  // `size` octets are the head of a message above the limit; its body is skipped
    bad,        // no message can be cut out: answer if `size` is not 0, then close
  };
  Kind kind = Kind::need_more;
  // What the caller consumes. Of `oversized` and `bad`: the whole head when there is one; parse()
  // fills a Message from it that a refusal can be made from.
  size_t size = 0;
  size_t wanted = 0;
  Defect defect = Defect::none;
};

struct StreamLimits {
  size_t head = kMostHead;
  size_t message = kMostMessage;  // head and body
  size_t skipped = kMostSkipped;  // a body that is read and thrown away, so that the stream lives
};

// A message that parse() refuses leaves the stream in order: it was framed by its own
// Content-Length. After `bad` there is no telling where the next message would start.
class StreamFramer {
 public:
  StreamFramer() = default;
  explicit StreamFramer(StreamLimits limits) : limits_(limits) {}

  // `buffered` starts at the first octet not consumed. The caller consumes Frame::size octets
  // before the next call and may call again at once while the kind is not need_more; between
  // calls it may move the octets but not change them.
  Frame next(std::string_view buffered);

  // We have sent a ping: a lone CRLF is now its pong.
  void expect_pong() { pong_expected_ = true; }
  bool pong_expected() const { return pong_expected_; }
  // True in the middle of a message: the time allowed for it is running.
  bool inside_message() const { return scanned_ > 0 || skipping_ > 0; }

 private:
  Frame frame_empty_lines(std::string_view buffered);
  Frame frame_head(std::string_view buffered);
  Frame frame_body(size_t buffered);
  Defect on_line(std::string_view line);
  void on_length(std::string_view text);
  Frame finish(Frame frame);

  StreamLimits limits_;
  size_t scanned_ = 0;   // octets of the head looked at
  size_t line_ = 0;      // where the line being looked at starts
  size_t head_ = 0;      // size of the head once known
  size_t length_ = 0;    // Content-Length
  size_t skipping_ = 0;  // octets of an oversized body still to come
  bool length_seen_ = false;
  bool in_length_ = false;  // the last line was Content-Length or a fold of it
  Defect length_defect_ = Defect::none;
  bool body_known_ = false;
  bool half_ping_ = false;
  bool pong_expected_ = false;
};

}  // namespace fedge::sip
