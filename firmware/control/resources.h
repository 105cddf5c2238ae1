// Every resource of the REST interface, once: method, path, who may call it, what it takes and
// what it answers. The dispatcher works from this table and the OpenAPI document is written from
// it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/control/request.h"

namespace fedge::control {

class Control;

// What a parameter's text is.
enum class ParameterType : uint8_t { text, number, duration, flag };

struct Parameter {
  std::string_view name;
  ParameterType type = ParameterType::text;
  bool needed = false;
  std::string_view what;
};

enum class BodyType : uint8_t {
  none,
  topology,
  optional_topology,
  certificate,
  trust,
  credentials
};

struct Resource {
  std::string_view method;
  std::string_view path;  // a segment {name} stands for any text
  store::Role role;       // least role
  bool open = false;      // answered without a token
  bool needs_database = true;
  BodyType body = BodyType::none;
  std::string_view what;
  std::span<const Parameter> parameters;  // of the query
  std::span<const uint16_t> answers;      // statuses beside those that any resource has
  Answer (*handle)(Control& control, Request& request) = nullptr;
};

std::span<const Resource> resources();

// The resource of a path and method, with what stood for its names; or which methods there are.
struct Match {
  const Resource* resource = nullptr;
  std::vector<std::string> names;
  std::string allow;  // "GET, PUT": what the path has, when the method is not among them
};
Match find_resource(std::string_view method, std::string_view path);

// True when `have` may call what needs `need`.
bool permits(store::Role have, store::Role need);

// The OpenAPI 3 document of the table.
std::string openapi_document();

}  // namespace fedge::control
