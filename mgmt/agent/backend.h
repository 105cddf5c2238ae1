// What the HTTPS side needs of whoever answers: the seam between server and link, and what tests
// replace.
#pragma once

#include <cstdint>
#include <string>

#include "firmware/http/request.h"

namespace fedge::agent {

struct Reply {
  uint16_t status = 500;
  std::string content_type, etag, location, allow;
  std::string body;
  uint32_t retry_after_s = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Takes the request; Server::deliver(id, …) follows, now or later. False when nobody is there
  // to answer.
  virtual bool ask(uint64_t id, http::Request request, const std::string& client) = 0;
  // The same of a request whose body is still to come: 100 lets it, anything else is the answer.
  virtual bool announce(uint64_t id, const http::Request& head, const std::string& client) = 0;
};

// {"error":{"where","what","remedy"}} with that status.
Reply error_reply(uint16_t status, std::string_view where, std::string_view what,
                  std::string_view remedy);

}  // namespace fedge::agent
