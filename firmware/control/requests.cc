// The way of a request: from agent's message through the table to a handler, and back.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "firmware/base/log.h"
#include "firmware/control/control.h"
#include "firmware/control/resources.h"
#include "firmware/pki/certificate.h"
#include "firmware/topology/topology.h"

namespace fedge::control {

using link::Process;

namespace {

constexpr size_t kMostSmallBody = 1u << 20;

bool same_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return difference == 0;
}

std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return type;
}

// The answer to a body of the wrong kind or size; nothing when it may pass.
std::optional<Reply> check_body(const Resource& resource, const Request& request) {
  if (resource.body == BodyType::none) {
    if (!request.has_body) return std::nullopt;
    return error_reply(400, "body", "this call takes none", "send it without a body");
  }
  if (!request.has_body) {
    if (resource.body == BodyType::optional_topology && request.content_type.empty()) {
      return std::nullopt;
    }
    return error_reply(400, "body", "there is none", "send the document as the body");
  }
  const bool small =
      resource.body != BodyType::topology && resource.body != BodyType::optional_topology;
  const size_t most = small ? kMostSmallBody : topology::kMostBody;
  if (request.body.size() > most) {
    return error_reply(413, "body", fmt::format("{} octets", request.body.size()),
                       fmt::format("at most {} are taken", most));
  }
  const std::string type = media_type(request.content_type);
  if (type == "application/json") return std::nullopt;
  if (resource.body == BodyType::trust && type == "application/x-pem-file") return std::nullopt;
  return error_reply(415, "Content-Type", "found \"" + request.content_type + "\"",
                     "send application/json");
}

std::optional<Reply> check_parameters(const Resource& resource, const Query& query) {
  std::string known;
  for (const Parameter& p : resource.parameters) {
    known.append(known.empty() ? "" : ", ").append(p.name);
    if (p.needed && query.find(p.name) == nullptr) {
      return error_reply(400, "query parameter " + std::string(p.name), "it is missing",
                         std::string(p.what));
    }
  }
  for (const auto& [name, value] : query.all()) {
    const auto same = [&](const Parameter& p) { return p.name == name; };
    if (std::ranges::any_of(resource.parameters, same)) continue;
    return error_reply(400, "query parameter " + name, "this call does not have it",
                       known.empty() ? "it takes none" : "it takes " + known);
  }
  return std::nullopt;
}

Reply no_resource(const Match& match, const Request& request) {
  if (match.allow.empty()) {
    return error_reply(404, request.path, "there is no such resource",
                       "GET /v1/openapi.json lists them all");
  }
  Reply reply = error_reply(405, request.path, request.method + " is not for this resource",
                            "it has " + match.allow);
  reply.allow = match.allow;
  return reply;
}

}  // namespace

void Control::on_agent_link(Fd socket) {
  agent_ =
      std::make_unique<link::Channel>(loop_, Process::control, Process::agent, std::move(socket));
  ++agent_links_;
  agent_->start([this](link::Received r) { on_agent_message(r); }, [](const std::string&) {});
}

void Control::on_agent_message(link::Received received) {
  auto message = link::decode<link::ApiRequest>(received.payload);
  if (!message) return;
  Request request;
  request.method = std::move(message->method);
  request.path = std::move(message->path);
  request.token = std::move(message->token);
  request.if_match = std::move(message->if_match);
  request.content_type = std::move(message->content_type);
  request.actor.client = std::move(message->client);
  request.announces = message->announces;
  request.has_body = message->announces;
  const uint64_t link = agent_links_;
  const uint64_t id = message->id;
  request.respond = [this, link, id](const Reply& reply) { send_reply(link, id, reply); };
  if (!received.fds.empty()) {
    auto body = Mapping::read_only(received.fds[0].get());
    if (!body || !is_sealed(received.fds[0].get())) {
      return request.respond(error_reply(500, "body", "it did not arrive whole", "send it again"));
    }
    request.body = as_text(body->bytes());
    request.has_body = !request.body.empty();
  }
  auto query = Query::parse(message->query);
  if (!query) return request.respond(error_reply(400, query.error()));
  request.query = std::move(*query);
  on_request(std::move(request));
}

void Control::send_reply(uint64_t link, uint64_t id, const Reply& reply) {
  if (reply.status != 100) {
    count(fmt::format("fedge_control_requests_total{{status=\"{}\"}}", reply.status));
  }
  if (link != agent_links_ || !agent_) return;
  const link::ApiReply message{id,         reply.status,   reply.content_type,
                               reply.etag, reply.location, reply.allow};
  if (reply.body.empty()) return (void)agent_->send(message);
  auto body = make_sealed_memfd("reply", as_bytes(reply.body));
  if (!body) return log::error("control", "{}", body.error().text());
  const int fd = body->get();
  (void)agent_->send(message, {&fd, 1});
}

std::optional<store::Administrator> Control::find_administrator(std::string_view token) {
  if (token.empty()) return std::nullopt;
  const std::string hash = pki::sha256_hex(as_bytes(token));
  std::optional<store::Administrator> found;
  for (const store::Administrator& a : database_.administrators()) {
    if (same_text(a.token_sha256, hash)) found = a;
  }
  return found;
}

void Control::note_first_use(const store::Administrator& administrator) {
  if (administrator.used || database_.store() == nullptr) return;
  if (!database_.store()->mark_token_used(administrator.name)) return;
  database_.read_administrators();
  ::unlink((options_.state + "/first-token").c_str());
}

void Control::on_request(Request request) {
  Match match = find_resource(request.method, request.path);
  const Resource* resource = match.resource;
  if (resource == nullptr || !resource->open) {
    const auto administrator = find_administrator(request.token);
    if (!administrator) {
      return request.respond(
          error_reply(401, "Authorization",
                      request.token.empty() ? "there is no bearer token" : "the token is not known",
                      "send the header \"Authorization: Bearer TOKEN\""));
    }
    note_first_use(*administrator);
    request.actor.name = administrator->name;
    if (resource == nullptr) return request.respond(no_resource(match, request));
    if (!permits(administrator->role, resource->role)) {
      return request.respond(error_reply(
          403, request.path, fmt::format("your role is {}", store::name(administrator->role)),
          fmt::format("this needs {}", store::name(resource->role))));
    }
  }
  request.names = std::move(match.names);
  if (auto wrong = check_parameters(*resource, request.query)) return request.respond(*wrong);
  if (auto wrong = check_body(*resource, request)) return request.respond(*wrong);
  if (request.announces) return request.respond(json_reply({}, 100));
  check_database();  // the last copy may have found damage
  if (resource->needs_database && configuration_ == nullptr) {
    return request.respond(error_reply(503, not_ready()));
  }
  Answer answer = resource->handle(*this, request);
  const bool good = check_database();
  if (!good && answer && resource->needs_database) answer = error_reply(503, not_ready());
  if (answer) request.respond(*answer);
}

}  // namespace fedge::control
