#include "firmware/wire/sip/message.h"

#include <algorithm>

#include "firmware/wire/sip/constants.h"
#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {
namespace {

// One pass over a message: the first defect is kept, and reading goes on behind it as far as the
// bytes allow, because a refusal wants Via, From, To, Call-ID and CSeq.
class Parser {
 public:
  Parser(std::string_view bytes, Message& message)
      : p_(bytes.data()), end_(p_ + bytes.size()), bytes_(bytes), m_(message) {}

  Defect run(ParseEvents* events);

 private:
  void note(Defect defect) {
    if (defect_ == Defect::none) defect_ = defect;
  }
  bool take_line(std::string_view& line, bool with_folds);
  Defect read_start_line(std::string_view line);
  Defect read_request_line(std::string_view line);
  Defect read_status_line(std::string_view line);
  void read_header(const char* line, const char* value_end, const char* line_end);
  Defect read_value(const Header& header);
  Defect read_cseq(std::string_view value);
  bool seen_before(HeaderId id);
  void check_whole();

  const char* p_;
  const char* end_;
  std::string_view bytes_;
  Message& m_;
  Defect defect_ = Defect::none;
  uint32_t seen_ = 0;
  std::string_view cseq_method_;
};
static_assert(static_cast<unsigned>(HeaderId::other) < 32, "seen_ has a bit for each id");

// Header records behind header_count are left as they were: clearing them costs more than parsing.
void clear(Message& m) {
  m.is_request = false;
  m.method = Method::other;
  m.status = 0;
  m.header_count = 0;
  m.cseq = 0;
  m.max_forwards = -1;
  m.max_breadth = -1;
  m.content_length = 0;
  m.method_text = m.request_uri = m.reason = m.start_line = m.body = m.whole = {};
  m.call_id = m.from_tag = m.to_tag = {};
  m.target = {};
  m.via = {};
  m.from = m.to = {};
}

// Takes the next line without its CRLF; with folds, all the lines that continue it. False when
// the input ends before one does.
bool Parser::take_line(std::string_view& line, bool with_folds) {
  const char* first = p_;
  const char* q = p_;
  for (;;) {
    q = find_line_end(q, end_);
    if (q == end_) return false;
    const char* text_end = q;
    if (*q == '\r' && q + 1 != end_ && q[1] == '\n') {
      q += 2;
    } else {
      // A lone CR or LF: other parsers might see a line end here, so it is never let through.
      note(Defect::header);
      ++q;
      if (text_end[0] == '\r') continue;
    }
    if (with_folds && text_end != first && q != end_ && (*q == ' ' || *q == '\t')) continue;
    line = {first, static_cast<size_t>(text_end - first)};
    p_ = q;
    return true;
  }
}

Defect Parser::read_request_line(std::string_view line) {
  m_.is_request = true;
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  m_.method_text = line.substr(0, first);
  m_.method = method_of(m_.method_text);
  if (first == line.npos || first == last || !is_token(m_.method_text)) return Defect::start_line;
  m_.request_uri = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version.size() < 4 || !equal_ignoring_case(version.substr(0, 4), "SIP/"))
    return Defect::start_line;
  if (m_.request_uri.contains(' ')) return Defect::start_line;
  if (!equal_ignoring_case(version, kVersion)) return Defect::version;
  if (!parse_uri(m_.request_uri, m_.target)) return Defect::uri;
  if (m_.target.scheme == Scheme::other) return Defect::uri_scheme;
  // RFC 3261 19.1.1: headers are not allowed in a Request-URI.
  return m_.target.headers.empty() ? Defect::none : Defect::uri;
}

Defect Parser::read_status_line(std::string_view line) {
  if (!line.starts_with(' ')) return Defect::version;
  line.remove_prefix(1);
  const auto status = parse_number(line.substr(0, 3), 699);
  if (line.size() < 3 || !status || *status < 100) return Defect::start_line;
  m_.status = static_cast<uint16_t>(*status);
  line.remove_prefix(3);
  if (line.empty()) return Defect::none;
  if (line.front() != ' ') return Defect::start_line;
  m_.reason = line.substr(1);
  return Defect::none;
}

Defect Parser::read_start_line(std::string_view line) {
  if (line.size() >= 7 && equal_ignoring_case(line.substr(0, 7), kVersion))
    return read_status_line(line.substr(7));
  return read_request_line(line);
}

// RFC 3261 7.3.1: these stand in a message once.
bool Parser::seen_before(HeaderId id) {
  const uint32_t bit = 1u << static_cast<unsigned>(id);
  const bool before = (seen_ & bit) != 0;
  seen_ |= bit;
  switch (id) {
    case HeaderId::from:
    case HeaderId::to:
    case HeaderId::call_id:
    case HeaderId::cseq:
    case HeaderId::max_forwards:
    case HeaderId::content_length:
    case HeaderId::content_type:
    case HeaderId::max_breadth:
      return before;
    default:
      return false;
  }
}

Defect Parser::read_cseq(std::string_view value) {
  size_t digits = 0;
  while (digits < value.size() && value[digits] >= '0' && value[digits] <= '9') ++digits;
  const auto number = parse_number(value.substr(0, digits), kMostCseq);
  cseq_method_ = trim(value.substr(digits));
  if (!number || !is_token(cseq_method_) || !is(value[digits], kSpaceChar)) return Defect::cseq;
  m_.cseq = *number;
  return Defect::none;
}

// RFC 3261 25.1 callid, read loosely: one word without white space or controls.
bool is_call_id(std::string_view value) {
  for (const char c : value)
    if (static_cast<uint8_t>(c) <= ' ' || c == 0x7f) return false;
  return !value.empty();
}

Defect Parser::read_value(const Header& header) {
  switch (header.id) {
    case HeaderId::via:
      if (!m_.via.value.empty()) return Defect::none;
      return parse_via(first_value(header.value), m_.via) ? Defect::none : Defect::via;
    case HeaderId::from:
      if (!parse_name_addr(header.value, m_.from)) return Defect::from_or_to;
      m_.from_tag = m_.from.tag;
      return Defect::none;
    case HeaderId::to:
      if (!parse_name_addr(header.value, m_.to)) return Defect::from_or_to;
      m_.to_tag = m_.to.tag;
      return Defect::none;
    case HeaderId::call_id:
      m_.call_id = header.value;
      return is_call_id(header.value) ? Defect::none : Defect::call_id;
    case HeaderId::cseq:
      return read_cseq(header.value);
    case HeaderId::max_forwards: {
      const auto number = parse_number(header.value, 255);
      if (!number) return Defect::max_forwards;
      m_.max_forwards = static_cast<int32_t>(*number);
      return Defect::none;
    }
    case HeaderId::max_breadth: {
      const auto number = parse_number(header.value, INT32_MAX);
      if (!number) return Defect::max_breadth;
      m_.max_breadth = static_cast<int32_t>(*number);
      return Defect::none;
    }
    case HeaderId::content_length: {
      const auto number = parse_number(header.value, INT32_MAX);
      if (!number) return Defect::content_length;
      m_.content_length = *number;
      return Defect::none;
    }
    default:
      return Defect::none;
  }
}

void Parser::read_header(const char* line, const char* value_end, const char* line_end) {
  const char* name_end = skip_class(line, value_end, kTokenChar);
  const char* colon = name_end;
  while (colon != value_end && (*colon == ' ' || *colon == '\t')) ++colon;
  if (name_end == line || colon == value_end || *colon != ':') return note(Defect::header);
  if (m_.header_count == kMostHeaders) return note(Defect::too_many_headers);
  Header& header = m_.header_store[m_.header_count++];
  header.name = {line, static_cast<size_t>(name_end - line)};
  header.value = trimmed_view(skip_spaces(colon + 1, value_end), value_end);
  header.line = {line, static_cast<size_t>(line_end - line)};
  header.id = header_id_of(header.name);
  if (header.id == HeaderId::other) return;
  if (seen_before(header.id)) return note(Defect::duplicate_header);
  if (const Defect defect = read_value(header); defect != Defect::none) note(defect);
}

void Parser::check_whole() {
  constexpr auto bit = [](HeaderId id) { return 1u << static_cast<unsigned>(id); };
  constexpr uint32_t kMandatory = bit(HeaderId::via) | bit(HeaderId::from) | bit(HeaderId::to) |
                                  bit(HeaderId::call_id) | bit(HeaderId::cseq);
  if ((seen_ & kMandatory) != kMandatory) note(Defect::missing_header);
  if (!m_.is_request) {
    m_.method_text = cseq_method_;
    m_.method = method_of(cseq_method_);
  } else if (cseq_method_ != m_.method_text) {
    note(Defect::cseq_method_mismatch);
  }
  const auto left = static_cast<size_t>(end_ - p_);
  size_t size = left;
  if ((seen_ & bit(HeaderId::content_length)) != 0) {
    if (m_.content_length > left) note(Defect::content_length);
    size = std::min<size_t>(m_.content_length, left);
  }
  m_.body = {p_, size};
  m_.whole = {bytes_.data(), static_cast<size_t>(p_ - bytes_.data()) + size};
}

Defect Parser::run(ParseEvents* events) {
  constexpr uint16_t kFewHeaders = 4;
  clear(m_);
  m_.whole = bytes_;
  std::string_view line;
  const char* first = p_;
  if (!take_line(line, false)) return Defect::start_line;
  m_.start_line = {first, static_cast<size_t>(p_ - first)};
  if (const Defect defect = read_start_line(line); defect != Defect::none) note(defect);
  if (defect_ != Defect::none || !m_.is_request) events = nullptr;
  if (events != nullptr) events->on_request_line(m_);
  for (;;) {
    first = p_;
    if (!take_line(line, true)) {  // no empty line at the end of the head
      note(Defect::header);
      p_ = end_;
      break;
    }
    if (line.empty()) break;
    read_header(first, line.data() + line.size(), p_);
    if (events != nullptr && m_.header_count == kFewHeaders) events->on_headers();
  }
  check_whole();
  return defect_;
}

}  // namespace

const Header* Message::find(HeaderId id) const {
  for (const Header& header : headers())
    if (header.id == id) return &header;
  return nullptr;
}

uint16_t status_for(Defect defect) {
  switch (defect) {
    case Defect::none:
      return 0;
    case Defect::version:
      return 505;
    case Defect::uri_scheme:
      return 416;
    case Defect::too_large:
    case Defect::too_many_headers:
      return 513;
    default:
      return 400;
  }
}

std::string_view text_of(Defect defect) {
  switch (defect) {
    case Defect::none:
      return "no defect";
    case Defect::start_line:
      return "the start line is not that of a SIP message";
    case Defect::version:
      return "the version is not SIP/2.0";
    case Defect::header:
      return "a header line is malformed";
    case Defect::too_many_headers:
      return "there are more than 160 header lines";
    case Defect::missing_header:
      return "Via, From, To, Call-ID or CSeq is missing";
    case Defect::duplicate_header:
      return "a header that must stand once stands twice";
    case Defect::via:
      return "the topmost Via is malformed";
    case Defect::from_or_to:
      return "From or To is malformed";
    case Defect::call_id:
      return "Call-ID is malformed";
    case Defect::cseq:
      return "CSeq is not a number below 2^31 and a method";
    case Defect::cseq_method_mismatch:
      return "the method of CSeq is not that of the request";
    case Defect::max_forwards:
      return "Max-Forwards is not a number up to 255";
    case Defect::max_breadth:
      return "Max-Breadth is not a number";
    case Defect::content_length:
      return "Content-Length is missing, no number, or more than there is";
    case Defect::uri:
      return "the Request-URI is malformed";
    case Defect::uri_scheme:
      return "the scheme of the Request-URI is not sip, sips or tel";
    case Defect::too_large:
      return "the message is larger than allowed";
  }
  return "unknown defect";
}

Defect parse(std::string_view bytes, Message& message, ParseEvents* events) {
  return Parser(bytes, message).run(events);
}

}  // namespace fedge::sip
