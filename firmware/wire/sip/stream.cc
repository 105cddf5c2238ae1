#include "firmware/wire/sip/stream.h"

#include <algorithm>

#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

Frame StreamFramer::next(std::string_view buffered) {
  if (skipping_ > 0) {
    if (buffered.empty()) return {Frame::Kind::need_more, 0, 1, Defect::none};
    const size_t size = std::min(skipping_, buffered.size());
    skipping_ -= size;
    return {Frame::Kind::skip, size, 0, Defect::none};
  }
  if (!inside_message()) {
    if (buffered.empty()) return {Frame::Kind::need_more, 0, 1, Defect::none};
    if (buffered.front() == '\r') return frame_empty_lines(buffered);
    half_ping_ = false;
    // Cheaper than waiting for the end of a head that will never come: TLS in TLS, binary noise.
    if (!is(buffered.front(), kTokenChar))
      return finish({Frame::Kind::bad, 0, 0, Defect::start_line});
  }
  return body_known_ ? frame_body(buffered.size()) : frame_head(buffered);
}

// RFC 5626 4.4.1: CRLFCRLF is a ping, a lone CRLF its pong; RFC 3261 7.5: CRLF in front of a start
// line is skipped. The halves of a ping are consumed as they come, so an idle connection holds
// no octets.
Frame StreamFramer::frame_empty_lines(std::string_view buffered) {
  if (buffered.size() < 2) return {Frame::Kind::need_more, 0, 1, Defect::none};
  if (buffered[1] != '\n') return finish({Frame::Kind::bad, 0, 0, Defect::start_line});
  if (half_ping_ && !pong_expected_) {
    half_ping_ = false;
    return {Frame::Kind::ping, 2, 0, Defect::none};
  }
  if (buffered.starts_with(kPing)) return {Frame::Kind::ping, kPing.size(), 0, Defect::none};
  if (pong_expected_) {
    pong_expected_ = false;
    return {Frame::Kind::pong, 2, 0, Defect::none};
  }
  half_ping_ = true;
  return {Frame::Kind::skip, 2, 0, Defect::none};
}

Frame StreamFramer::frame_head(std::string_view buffered) {
  const size_t limit = std::min(buffered.size(), limits_.head);
  while (scanned_ < limit) {
    const char* from = buffered.data() + scanned_;
    const auto* lf = static_cast<const char*>(std::memchr(from, '\n', limit - scanned_));
    if (lf == nullptr) {
      scanned_ = limit;
      break;
    }
    const auto at = static_cast<size_t>(lf - buffered.data());
    if (at == line_ || buffered[at - 1] != '\r')
      return finish({Frame::Kind::bad, 0, 0, Defect::header});
    const std::string_view line = buffered.substr(line_, at - 1 - line_);
    scanned_ = line_ = at + 1;
    const Defect defect = on_line(line);
    if (line.empty()) head_ = scanned_;
    if (defect != Defect::none) return finish({Frame::Kind::bad, head_, 0, defect});
    if (line.empty()) return frame_body(buffered.size());
  }
  if (buffered.size() >= limits_.head) return finish({Frame::Kind::bad, 0, 0, Defect::too_large});
  return {Frame::Kind::need_more, 0, 1, Defect::none};
}

Frame StreamFramer::frame_body(size_t buffered) {
  body_known_ = true;
  if (length_ > limits_.message || head_ + length_ > limits_.message) {
    if (length_ > limits_.skipped) return finish({Frame::Kind::bad, head_, 0, Defect::too_large});
    skipping_ = length_;
    return finish({Frame::Kind::oversized, head_, 0, Defect::too_large});
  }
  const size_t size = head_ + length_;
  if (buffered < size) return {Frame::Kind::need_more, 0, size - buffered, Defect::none};
  return finish({Frame::Kind::message, size, 0, Defect::none});
}

// One line of the head without its CRLF. A defect found early is told only at the head's end, so
// that the request can be answered: until then length_defect_ keeps it.
Defect StreamFramer::on_line(std::string_view line) {
  if (!line.empty() && (line.front() == ' ' || line.front() == '\t')) {
    if (in_length_) on_length(line);
    return Defect::none;
  }
  if (in_length_ && !length_seen_) length_defect_ = Defect::content_length;
  in_length_ = false;
  if (line.empty()) return length_seen_ ? length_defect_ : Defect::content_length;
  if ((line.front() | 0x20) != 'c' && (line.front() | 0x20) != 'l') return Defect::none;
  const char* end = line.data() + line.size();
  const char* name_end = skip_class(line.data(), end, kTokenChar);
  if (header_id_of({line.data(), static_cast<size_t>(name_end - line.data())}) !=
      HeaderId::content_length)
    return Defect::none;
  const char* colon = skip_spaces(name_end, end);
  if (colon == end || *colon != ':') return Defect::none;  // parse() refuses the line
  if (length_seen_) length_defect_ = Defect::content_length;
  in_length_ = true;
  on_length({colon + 1, static_cast<size_t>(end - colon - 1)});
  return Defect::none;
}

void StreamFramer::on_length(std::string_view text) {
  text = trim(text);
  if (text.empty()) return;
  const auto number = parse_number(text, INT32_MAX);
  if (!number || length_seen_) length_defect_ = Defect::content_length;
  length_ = number.value_or(0);
  length_seen_ = true;
}

// Ready for the next message.
Frame StreamFramer::finish(Frame frame) {
  scanned_ = line_ = head_ = length_ = 0;
  length_seen_ = in_length_ = body_known_ = half_ping_ = false;
  length_defect_ = Defect::none;
  return frame;
}

}  // namespace fedge::sip
