// HTTP/1.1 responses to bytes (RFC 9112).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fedge::http {

struct Response {
  uint16_t status = 200;
  std::string_view content_type{};  // left out when empty
  std::string_view etag{};
  std::string_view location{};
  std::string_view allow{};
  uint32_t retry_after_s = 0;
  bool keep_alive = true;
  bool head = false;  // answering HEAD: Content-Length of the body, and no body
  std::string_view body{};
};

std::string_view reason_phrase(uint16_t status);
// Status line, fields (Content-Length always, no caching) and body.
std::string serialize(const Response& response);
std::string_view continue_response();

}  // namespace fedge::http
