#include "firmware/http/response.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace fedge::http {

namespace {

struct Phrase {
  uint16_t status;
  std::string_view text;
};

constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

}  // namespace

std::string_view reason_phrase(uint16_t status) {
  const auto* found = std::ranges::find(kPhrases, status, &Phrase::status);
  return found == std::end(kPhrases) ? "Unknown" : found->text;
}

std::string serialize(const Response& response) {
  std::string out;
  auto add = std::back_inserter(out);
  const auto optional = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) fmt::format_to(add, "{}: {}\r\n", name, value);
  };
  fmt::format_to(add, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  optional("Content-Type", response.content_type);
  optional("ETag", response.etag);
  optional("Location", response.location);
  optional("Allow", response.allow);
  if (response.status == 401) optional("WWW-Authenticate", "Bearer realm=\"fedge\"");
  if (response.retry_after_s != 0)
    fmt::format_to(add, "Retry-After: {}\r\n", response.retry_after_s);
  // RFC 9110 section 8.6: 204 carries no length.
  if (response.status != 204) fmt::format_to(add, "Content-Length: {}\r\n", response.body.size());
  fmt::format_to(add, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
  fmt::format_to(add, "Connection: {}\r\n\r\n", response.keep_alive ? "keep-alive" : "close");
  if (!response.head && response.status != 204) out.append(response.body);
  return out;
}

std::string_view continue_response() { return "HTTP/1.1 100 Continue\r\n\r\n"; }

}  // namespace fedge::http
