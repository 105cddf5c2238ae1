#include "firmware/http/response.h"

#include <fmt/format.h>

#include <iterator>

namespace fedge::http {

std::string_view reason_phrase(uint16_t status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
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
