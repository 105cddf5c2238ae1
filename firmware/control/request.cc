#include "firmware/control/request.h"

#include "firmware/base/json.h"

namespace fedge::control {

Reply json_reply(std::string body, uint16_t status) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

Reply error_reply(uint16_t status, const Error& error) {
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("error").begin_object();
  w.member("where", error.where).member("what", error.what).member("remedy", error.remedy);
  w.end_object().end_object();
  return json_reply(w.take(), status);
}

Reply error_reply(uint16_t status, std::string where, std::string what, std::string remedy) {
  return error_reply(status, Error{std::move(where), std::move(what), std::move(remedy)});
}

}  // namespace fedge::control
