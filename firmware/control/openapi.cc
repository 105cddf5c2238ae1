#include <array>
#include <set>

#include "firmware/base/json.h"
#include "firmware/control/resources.h"

namespace fedge::control {

namespace {

struct StatusText {
  uint16_t status;
  std::string_view text;
};

constexpr std::array kStatusTexts{
    StatusText{200, "Done."},
    StatusText{201, "Made."},
    StatusText{202, "Done here; the answer names what has not followed yet."},
    StatusText{204, "Removed."},
    StatusText{400, "The request is not well-formed."},
    StatusText{401, "No token, or an unknown one."},
    StatusText{403, "The token's role does not allow it."},
    StatusText{404, "There is no such thing."},
    StatusText{409, "It stands against something else; the answer says what."},
    StatusText{412, "It has changed since: If-Match does not match."},
    StatusText{413, "The body is too large."},
    StatusText{415, "The Content-Type is not one that this resource takes."},
    StatusText{422, "Well-formed, but it cannot work: every reason with its path."},
    StatusText{428, "If-Match is needed."},
    StatusText{500, "The box could not do it."},
    StatusText{502, "The program that should answer did not."},
    StatusText{503, "Not now: the box is starting, or its database is damaged."},
};

std::string_view text_of(uint16_t status) {
  for (const StatusText& s : kStatusTexts) {
    if (s.status == status) return s.text;
  }
  return "";
}

void write_schema(json::Writer& w, ParameterType type) {
  w.key("schema").begin_object();
  switch (type) {
    case ParameterType::number:
      w.member("type", "integer").member("minimum", 0);
      break;
    case ParameterType::duration:
      w.member("type", "string").member("pattern", "^(0|[0-9]+(ms|s|m|h))$");
      break;
    case ParameterType::flag:
    case ParameterType::text:
      w.member("type", "string");
      break;
  }
  w.end_object();
}

void write_parameters(json::Writer& w, const Resource& resource) {
  w.key("parameters").begin_array();
  std::string_view path = resource.path;
  for (size_t at = path.find('{'); at != std::string_view::npos; at = path.find('{', at + 1)) {
    const std::string_view name = path.substr(at + 1, path.find('}', at) - at - 1);
    w.begin_object().member("name", name).member("in", "path").member("required", true);
    write_schema(w, ParameterType::text);
    w.end_object();
  }
  for (const Parameter& p : resource.parameters) {
    w.begin_object().member("name", p.name).member("in", "query").member("required", p.needed);
    w.member("description", p.what);
    write_schema(w, p.type);
    w.end_object();
  }
  w.end_array();
}

void write_content(json::Writer& w, std::string_view type, std::string_view schema) {
  w.key(type).begin_object().key("schema").begin_object();
  w.member("$ref", "#/components/schemas/" + std::string(schema));
  w.end_object().end_object();
}

void write_body(json::Writer& w, const Resource& resource) {
  if (resource.body == BodyType::none) return;
  w.key("requestBody").begin_object();
  w.member("required", resource.body != BodyType::optional_topology);
  w.key("content").begin_object();
  switch (resource.body) {
    case BodyType::certificate:
      write_content(w, "application/json", "CertificateImport");
      break;
    case BodyType::trust:
      write_content(w, "application/json", "TrustImport");
      write_content(w, "application/x-pem-file", "Pem");
      break;
    case BodyType::credentials:
      write_content(w, "application/json", "CredentialsRequest");
      break;
    default:
      write_content(w, "application/json", "Topology");
  }
  w.end_object().end_object();
}

void write_answers(json::Writer& w, const Resource& resource) {
  std::set<uint16_t> statuses(resource.answers.begin(), resource.answers.end());
  statuses.insert({400, 500, 503});
  if (!resource.open) statuses.insert({401, 403});
  if (resource.body != BodyType::none) statuses.insert({413, 415});
  w.key("responses").begin_object();
  for (const uint16_t status : statuses) {
    w.key(std::to_string(status)).begin_object().member("description", text_of(status));
    if (status >= 400) {
      w.key("content").begin_object();
      write_content(w, "application/json", status == 422 ? "Errors" : "Error");
      w.end_object();
    }
    w.end_object();
  }
  w.end_object();
}

void write_operation(json::Writer& w, const Resource& resource) {
  std::string method(resource.method);
  for (char& c : method) c = static_cast<char>(c | 0x20);
  w.key(method).begin_object().member("summary", resource.what);
  w.member("x-role", store::name(resource.role));
  if (resource.open) w.key("security").begin_array().end_array();
  write_parameters(w, resource);
  write_body(w, resource);
  write_answers(w, resource);
  w.end_object();
}

constexpr std::string_view kComponents = R"({
"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
"schemas": {
 "Topology": {"type": "object", "description": "See GET /v1/topology/schema."},
 "CertificateImport": {"type": "object", "required": ["chain", "key"],
  "additionalProperties": false, "properties": {
   "chain": {"type": "string", "description": "PEM, leaf first"},
   "key": {"type": "string", "description": "PEM, not encrypted"},
   "effective_from": {"type": "string", "format": "date-time"}}},
 "TrustImport": {"type": "object", "required": ["pem"], "additionalProperties": false,
  "properties": {"pem": {"type": "string"}}},
 "Pem": {"type": "string"},
 "CredentialsRequest": {"type": "object", "required": ["identity"],
  "additionalProperties": false, "properties": {
   "identity": {"type": "string", "minLength": 1, "maxLength": 255,
    "description": "whom they are for; quotas go by it"},
   "minutes": {"type": "integer", "minimum": 1, "maximum": 259200,
    "description": "how long they last; left out: as configured"},
   "form": {"type": "string", "enum": ["token", "timestamp"], "default": "token",
    "description": "timestamp: EXPIRY:IDENTITY with an HMAC-SHA1, as many TURN clients expect"}}},
 "Error": {"type": "object", "properties": {"error": {"type": "object", "properties": {
   "where": {"type": "string"}, "what": {"type": "string"}, "remedy": {"type": "string"}}}}},
 "Errors": {"type": "object", "properties": {"errors": {"type": "array", "items": {
   "type": "object", "properties": {"path": {"type": "string"}, "found": {"type": "string"},
   "allowed": {"type": "string"}, "remedy": {"type": "string"}}}}}}}})";

}  // namespace

std::string openapi_document() {
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("openapi", "3.0.3");
  w.key("info").begin_object().member("title", "fedge").member("version", "1");
  w.member("description", "Federation edge: topology, certificates, status.").end_object();
  w.key("security").begin_array().begin_object().key("token").begin_array().end_array();
  w.end_object().end_array();
  w.key("paths").begin_object();
  std::set<std::string_view> written;
  for (const Resource& first : resources()) {
    if (!written.insert(first.path).second) continue;
    w.key(first.path).begin_object();
    for (const Resource& resource : resources()) {
      if (resource.path == first.path) write_operation(w, resource);
    }
    w.end_object();
  }
  w.end_object();
  w.key("components").raw(kComponents);
  w.end_object();
  return w.take();
}

}  // namespace fedge::control
