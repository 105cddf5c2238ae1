#include "dataplane/sip/route_set.h"

#include <charconv>

#include "firmware/wire/sip/constants.h"
#include "firmware/wire/sip/name_addr.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

// What our parameter in the URI says; nothing when it carries none.
void read_key(const Uri& uri, RouteSet& out) {
  out.key = 0;
  out.mac = {};
  const auto text = find_parameter(uri.parameters, kNextHopParameter);
  if (!text) return;
  const size_t dot = text->find('.');
  const std::string_view digits = text->substr(0, dot);
  uint32_t key = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), key, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return;
  out.key = key;
  if (dot != text->npos) out.mac = text->substr(dot + 1);
}

// Any value may become the Request-URI, where headers and foreign schemes (whose text counts as
// headers) are not allowed: what we sent could not be read again.
bool read_value(std::string_view value, Uri& uri) {
  NameAddr name;
  return parse_name_addr(value, name) && parse_uri(name.uri, uri) && uri.headers.empty();
}

// Takes the values of one header; the first of somebody else ends what is ours.
RouteDefect read_header(const Message& request, uint16_t header, const Identity& identity,
                        RouteSet& out) {
  std::string_view rest = request.headers()[header].value;
  std::string_view value;
  uint16_t dropped = 0;
  out.last_header = header;
  out.last_header_values = 0;
  while (take_value(rest, value)) {
    ++out.last_header_values;
    out.last_value = value;
    if (out.has_next) continue;
    Uri uri;
    if (!read_value(value, uri)) return RouteDefect::malformed;
    if (identity.is_ours(uri.host, uri.port)) {
      ++out.own;
      read_key(uri, out);
      ++dropped;
      continue;
    }
    out.has_next = true;
    out.next = uri;
    out.next_is_strict = !find_parameter(uri.parameters, "lr").has_value();
    if (out.next_is_strict) ++dropped;  // it becomes the Request-URI
  }
  if (dropped == 0) return RouteDefect::none;
  if (out.drop_count == RouteSet::kMostDrops) return RouteDefect::too_many;
  out.drops[out.drop_count++] = {header, dropped};
  return RouteDefect::none;
}

// RFC 3261 16.4: the maddr is an address of ours, and the request came to the port and over the
// transport beside it.
bool has_own_maddr(const Uri& uri, const Arrival& arrival, const Identity& identity) {
  if (uri.parameters.empty()) return false;
  const auto maddr = find_parameter(uri.parameters, "maddr");
  if (!maddr || maddr->empty()) return false;
  const bool is_tls = arrival.transport == snapshot::Transport::tls;
  if (const auto transport = find_parameter(uri.parameters, "transport")) {
    if (!equal_ignoring_case(*transport, is_tls ? "tls" : "tcp")) return false;
  }
  const uint16_t port = uri.port != 0 ? uri.port : is_tls ? kTlsPort : kPort;
  return port == arrival.local.port && identity.is_ours(*maddr, port);
}

// RFC 3261 16.4: the Request-URI is one that we put into a Record-Route, so the request comes
// from a strict router and its real Request-URI is the last Route.
RouteDefect undo_strict_route(RouteSet& out) {
  if (out.own == 0) read_key(out.request_uri, out);
  ++out.own;
  if (!read_value(out.last_value, out.request_uri)) return RouteDefect::malformed;
  out.uri_from_route = true;
  if (out.has_next && out.next.text.data() == out.request_uri.text.data()) out.has_next = false;
  return RouteDefect::none;
}

void drop_last_value(Editor& editor, const Message& request, const RouteSet& routes) {
  const std::string_view all = request.headers()[routes.last_header].value;
  const auto at = static_cast<size_t>(routes.last_value.data() - all.data());
  editor.replace_text(all.substr(all.rfind(',', at)), {});
}

}  // namespace

RouteDefect read_route_set(const Message& request, const Arrival& arrival, const Identity& identity,
                           RouteSet& out) {
  out.request_uri = request.target;
  out.maddr_is_ours = has_own_maddr(request.target, arrival, identity);
  for (uint16_t i = 0; i < request.header_count; ++i) {
    if (request.header_store[i].id != HeaderId::route) continue;
    if (const auto d = read_header(request, i, identity, out); d != RouteDefect::none) return d;
  }
  if (out.last_value.empty()) return RouteDefect::none;
  const Uri& uri = out.request_uri;
  if (find_parameter(uri.parameters, kNextHopParameter) && identity.is_ours(uri.host, uri.port)) {
    return undo_strict_route(out);
  }
  return RouteDefect::none;
}

void edit_routes(Editor& editor, const Message& request, const RouteSet& routes,
                 std::span<char> room) {
  if (routes.is_void) {
    editor.remove_all(HeaderId::route);
    if (routes.uri_from_route) editor.set_request_uri(routes.request_uri.text);
    return;
  }
  bool last_is_gone = false;
  uint16_t dropped_of_last = 0;
  for (uint16_t i = 0; i < routes.drop_count; ++i) {
    const auto& drop = routes.drops[i];
    if (drop.header == routes.last_header) dropped_of_last = drop.count;
    editor.drop_values(drop.header, drop.count);
  }
  if (routes.uri_from_route) {
    last_is_gone = dropped_of_last + 1 >= routes.last_header_values;
    if (last_is_gone) {
      editor.remove(routes.last_header);
    } else {
      drop_last_value(editor, request, routes);
    }
  }
  if (routes.has_next && routes.next_is_strict) {
    editor.set_request_uri(routes.next.text);
    Output text(room);
    text << '<' << routes.request_uri.text << '>';
    editor.append(HeaderId::route, text.text());
  } else if (routes.uri_from_route) {
    editor.set_request_uri(routes.request_uri.text);
  }
}

void strip_maddr(Editor& editor, const Uri& uri) {
  if (uri.port != 0) {
    // What stands between the host and the parameters.
    const char* const host_end = uri.host.data() + uri.host.size() + (uri.is_ipv6 ? 1 : 0);
    editor.replace_text({host_end, static_cast<size_t>(uri.parameters.data() - host_end)}, {});
  }
  std::string_view rest = uri.parameters;
  Parameter parameter;
  for (const char* begin = rest.data(); take_parameter(rest, parameter); begin = rest.data()) {
    if (!equal_ignoring_case(parameter.name, "maddr") &&
        !equal_ignoring_case(parameter.name, "transport")) {
      continue;
    }
    const char* const end =
        rest.empty() ? uri.parameters.data() + uri.parameters.size() : rest.data();
    editor.replace_text({begin, static_cast<size_t>(end - begin)}, {});
  }
}

}  // namespace fedge::sip
