// One request of the REST interface as control sees it, and its answer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/result.h"
#include "firmware/control/query.h"
#include "firmware/store/store.h"

namespace fedge::control {

struct Reply {
  uint16_t status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string etag;      // with its quotes
  std::string location;  // path of what was made
  std::string allow;     // with 405: the methods there are
};

using Respond = std::function<void(Reply)>;

struct Request {
  std::string method, path, token, if_match, content_type, body;
  bool has_body = false;
  bool announces = false;  // the body is still to come: whether it may is the question
  Query query;
  std::vector<std::string> names;  // what stood for each {name} of the resource's pattern
  store::Actor actor;
  // For handlers that answer later. To be called once; the client may have gone by then.
  Respond respond;
};

// What a handler gives back: the answer, or nothing when it keeps `respond` for later.
using Answer = std::optional<Reply>;
inline constexpr std::nullopt_t later = std::nullopt;

Reply json_reply(std::string body, uint16_t status = 200);
// {"error":{"where","what","remedy"}}
Reply error_reply(uint16_t status, const Error& error);
Reply error_reply(uint16_t status, std::string where, std::string what, std::string remedy = {});

}  // namespace fedge::control
