#include "firmware/http/request.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

namespace fedge::http {

namespace beast = boost::beast::http;

namespace {

constexpr size_t kLastChunkSize = 5;  // "0", and two line ends

using Parser = beast::request_parser<beast::string_body>;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string field(const Parser& parser, beast::field name) {
  return std::string(view(parser.get()[name]));
}

bool iequals(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

}  // namespace

struct RequestParser::Impl {
  explicit Impl(const Limits& l) : limits(l) { reset(); }

  void reset() {
    parser.emplace();
    parser->header_limit(limits.header_bytes);
    parser->body_limit(limits.body_bytes);
    parser->eager(false);  // stop behind the header fields: trailers would join them
    request = {};
    checked_header = false;
  }

  Progress refuse(uint16_t code, std::string_view why) {
    status = code;
    reason = why;
    return Progress::bad;
  }
  Progress refuse(const boost::beast::error_code& error);
  Progress check_header();
  void take_header();
  Progress drive();

  Limits limits;
  std::optional<Parser> parser;
  Request request;      // all but the body: taken before trailers could change it
  std::string waiting;  // received and not parsed yet
  bool checked_header = false;
  uint16_t status = 0;
  std::string_view reason;
};

Progress RequestParser::Impl::refuse(const boost::beast::error_code& error) {
  if (error == beast::error::body_limit) return refuse(413, "the body is too large");
  if (error == beast::error::header_limit) {
    const bool in_target =
        parser->get().target().empty() && waiting.find('\n') == std::string::npos;
    return in_target ? refuse(414, "the request target is too long")
                     : refuse(431, "the header fields are too large");
  }
  if (error == beast::error::bad_version) return refuse(505, "only HTTP/1.0 and HTTP/1.1");
  if (error == beast::error::bad_transfer_encoding) {
    return refuse(400, "Transfer-Encoding contradicts another field, or is unknown");
  }
  if (error == beast::error::bad_content_length) {
    return refuse(400, "Content-Length is not one number");
  }
  if (error == beast::error::bad_chunk || error == beast::error::bad_chunk_extension) {
    return refuse(400, "the chunked body is malformed");
  }
  return refuse(400, "this is not an HTTP/1.1 request");
}

// What Beast leaves open (RFC 9112 sections 3.2 and 6.1, RFC 9110 section 10.1.1).
Progress RequestParser::Impl::check_header() {
  checked_header = true;
  const auto& message = parser->get();
  if (message.version() != 10 && message.version() != 11) {
    return refuse(505, "only HTTP/1.0 and HTTP/1.1");
  }
  if (!view(message.target()).starts_with('/')) {
    return refuse(400, "the request target must be a path");
  }
  uint32_t fields = 0;
  for ([[maybe_unused]] const auto& unused : message) ++fields;
  if (fields > limits.fields) return refuse(431, "too many header fields");
  const auto hosts = message.count(beast::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11)) {
    return refuse(400, "exactly one Host field is required");
  }
  for (const auto once : {beast::field::authorization, beast::field::if_match,
                          beast::field::content_type, beast::field::transfer_encoding}) {
    if (message.count(once) > 1) return refuse(400, "a field that may stand once stands twice");
  }
  const auto encoding = message[beast::field::transfer_encoding];
  if (!encoding.empty() && message.version() == 10) {
    return refuse(400, "HTTP/1.0 knows no transfer codings");
  }
  if (!encoding.empty() && !iequals(view(encoding), "chunked")) {
    return refuse(501, "only the chunked transfer coding is known");
  }
  const auto expect = message[beast::field::expect];
  if (expect.empty() || message.version() == 10) return Progress::need_more;
  if (!iequals(view(expect), "100-continue")) return refuse(417, "only Expect: 100-continue");
  return parser->is_done() ? Progress::need_more : Progress::need_continue;
}

void RequestParser::Impl::take_header() {
  const auto& message = parser->get();
  request.method = view(message.method_string());
  const std::string_view target = view(message.target());
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  request.authorization = field(*parser, beast::field::authorization);
  request.if_match = field(*parser, beast::field::if_match);
  request.content_type = field(*parser, beast::field::content_type);
  request.keep_alive = message.keep_alive();
}

Progress RequestParser::Impl::drive() {
  if (status != 0) return Progress::bad;
  bool wants_continue = false;
  while (!parser->is_done()) {
    // Beast asserts that it does not look at the last chunk again before five octets are there.
    if (parser->is_header_done() && parser->chunked() && waiting.starts_with('0') &&
        waiting.size() < kLastChunkSize) {
      return wants_continue ? Progress::need_continue : Progress::need_more;
    }
    boost::beast::error_code error;
    const size_t used = parser->put(boost::asio::buffer(waiting), error);
    waiting.erase(0, used);
    if (error && error != beast::error::need_more) return refuse(error);
    if (parser->is_header_done() && !checked_header) {
      const Progress checked = check_header();
      if (checked == Progress::bad) return checked;
      take_header();
      parser->eager(true);
      wants_continue = checked == Progress::need_continue && waiting.empty();
    }
    if (error == beast::error::need_more || (used == 0 && !parser->is_done())) {
      return wants_continue ? Progress::need_continue : Progress::need_more;
    }
    if (waiting.empty() && !parser->is_done()) {
      return wants_continue ? Progress::need_continue : Progress::need_more;
    }
  }
  return Progress::complete;
}

RequestParser::RequestParser(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

Progress RequestParser::feed(Bytes bytes) {
  impl_->waiting.append(as_text(bytes));
  // Robustness asked for by RFC 9112 section 2.2: empty lines before a request line.
  if (!impl_->parser->got_some()) {
    const size_t start = impl_->waiting.find_first_not_of("\r\n");
    impl_->waiting.erase(0, start);
  }
  if (impl_->waiting.empty() && !impl_->parser->is_done()) {
    return impl_->status != 0 ? Progress::bad : Progress::need_more;
  }
  return impl_->drive();
}

void RequestParser::hold(Bytes bytes) { impl_->waiting.append(as_text(bytes)); }

Request RequestParser::take() {
  Request out = std::move(impl_->request);
  out.body = std::move(impl_->parser->get().body());
  impl_->reset();
  return out;
}

bool RequestParser::in_request() const {
  return impl_->parser->got_some() || !impl_->waiting.empty();
}
bool RequestParser::headers_done() const { return impl_->parser->is_header_done(); }
const Request& RequestParser::head() const { return impl_->request; }
size_t RequestParser::buffered() const { return impl_->waiting.size(); }
size_t RequestParser::body_octets() const { return impl_->parser->get().body().size(); }
uint16_t RequestParser::status() const { return impl_->status; }
std::string_view RequestParser::reason() const { return impl_->reason; }

}  // namespace fedge::http
