// HTTP/1.1 requests out of a byte stream, without sockets (RFC 9112). Boost.Beast parses; this
// holds the limits, refuses what could be read in two ways (request smuggling), and says with
// which status a bad request deserves to be answered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"

namespace fedge::http {

struct Limits {
  uint32_t header_bytes = 16 * 1024;  // start line and all fields
  uint32_t fields = 100;
  uint64_t body_bytes = 1024 * 1024;
};

struct Request {
  std::string method;  // as sent
  std::string path;    // origin form, as sent (percent-encoded), without the query
  std::string query;   // behind the '?', empty when there is none
  std::string authorization;
  std::string if_match;
  std::string content_type;
  std::string body;
  bool keep_alive = false;
};

enum class Progress : uint8_t {
  need_more,      // nothing wrong so far
  need_continue,  // the client waits for "100 Continue": send it, then feed on; told once
  complete,       // request() is whole; bytes behind it are kept for the next one
  bad,            // status() and reason(); the connection cannot go on
};

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // Takes all of `bytes`. What belongs to a later (pipelined) request waits inside. Call it with
  // nothing after take() to go on with what waits.
  Progress feed(Bytes bytes);
  // Keeps bytes for a later feed(): what arrives while a request is still being answered.
  void hold(Bytes bytes);
  // The whole request; the parser is ready for the next one.
  Request take();

  // True between the first octet of a request and its last: what a time limit is about.
  bool in_request() const;
  bool headers_done() const;
  // Once they are: the request as far as it is there, without its body.
  const Request& head() const;
  // Octets that wait inside, bounded by the limits and what one feed() brought.
  size_t buffered() const;
  // Octets of the body that have arrived so far.
  size_t body_octets() const;
  uint16_t status() const;          // of bad: 400, 413, 414, 417, 431, 501, 505
  std::string_view reason() const;  // of bad, for a person

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fedge::http
