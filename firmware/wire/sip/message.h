// One SIP message as views into the bytes it came in (RFC 3261 section 7 and 25). Parsing copies
// nothing and allocates nothing; what the proxy does not understand it can forward untouched.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/wire/sip/name_addr.h"
#include "firmware/wire/sip/uri.h"
#include "firmware/wire/sip/via.h"

namespace fedge::sip {

enum class Method : uint8_t {
  invite,
  ack,
  bye,
  cancel,
  options,
  register_,
  message,
  subscribe,
  notify,
  info,
  update,
  prack,
  refer,
  publish,
  service,
  benotify,
  negotiate,
  other,
};

// Headers a proxy looks at; compact forms (RFC 3261 section 7.3.3 and later) map to the same id.
enum class HeaderId : uint8_t {
  via,
  from,
  to,
  call_id,
  cseq,
  max_forwards,
  max_breadth,
  route,
  record_route,
  contact,
  content_length,
  content_type,
  require,
  proxy_require,
  supported,
  unsupported,
  expires,
  event,
  allow,
  user_agent,
  retry_after,
  timestamp,
  p_asserted_identity,
  ms_edge_proxy_message_trust,
  ms_diagnostics,
  other,
};

struct Header {
  HeaderId id = HeaderId::other;
  std::string_view name;   // as written
  std::string_view value;  // outer white space trimmed; folds still inside
  std::string_view line;   // the whole field as received: name to last CRLF, folds included
};

inline constexpr size_t kMostHeaders = 160;

struct Message {
  // Start line. For a request method_text, request_uri; for a response status, reason.
  bool is_request = false;
  Method method = Method::other;
  std::string_view method_text;  // of a response: from CSeq
  std::string_view request_uri;
  uint16_t status = 0;
  std::string_view reason;

  std::string_view start_line;  // with its CRLF
  std::array<Header, kMostHeaders> header_store;
  uint16_t header_count = 0;
  std::string_view body;
  std::string_view whole;  // start line to the end of the body

  // First value of each, empty when absent. parse() fills these.
  std::string_view call_id;
  uint32_t cseq = 0;
  std::string_view from_tag;
  std::string_view to_tag;
  int32_t max_forwards = -1;  // -1 when absent
  int32_t max_breadth = -1;   // RFC 5393; -1 when absent
  uint32_t content_length = 0;
  // What parse() read on its way. `target` is the Request-URI.
  Uri target;
  Via via;  // the topmost
  NameAddr from;
  NameAddr to;

  std::span<const Header> headers() const { return {header_store.data(), header_count}; }
  // The first header of that id, null when absent.
  const Header* find(HeaderId id) const;
};

// Why a message cannot be taken, with the status a request deserves. A response is dropped.
enum class Defect : uint8_t {
  none,
  start_line,
  version,
  header,
  too_many_headers,
  missing_header,
  duplicate_header,
  via,
  from_or_to,
  call_id,
  cseq,
  cseq_method_mismatch,
  max_forwards,
  max_breadth,
  content_length,
  uri,
  uri_scheme,
  too_large,  // of the stream framer
};

// 400, 505, 416, 501 …; 0 for none.
uint16_t status_for(Defect defect);
// For the reason phrase of a refusal and for logs: "CSeq is not a number below 2^31".
std::string_view text_of(Defect defect);

// Hears of a request while it is read: for who has to wait for something that the request line
// names, and may begin with it.
class ParseEvents {
 public:
  virtual ~ParseEvents() = default;
  // It is sound; of the message, only what it says is there.
  virtual void on_request_line(const Message& message) = 0;
  // A few headers later.
  virtual void on_headers() = 0;
};

// Parses one whole message that the framer cut out (head and body). Fills as much as could be
// read even when it reports a defect, so that a refusal can be answered.
Defect parse(std::string_view bytes, Message& message, ParseEvents* events = nullptr);

Method method_of(std::string_view text);

}  // namespace fedge::sip
