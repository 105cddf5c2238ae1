#include "dataplane/sip/forwarding.h"

#include <arpa/inet.h>

#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

size_t find_header(const Message& message, HeaderId id) {
  const auto headers = message.headers();
  size_t i = 0;
  while (i < headers.size() && headers[i].id != id) ++i;
  return i;
}

void write_hex(Output& out, uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) out << "0123456789abcdef"[value >> shift & 15];
}

std::string_view write_via(const PathEnd& end, const Branch& branch, std::span<char> room) {
  BranchText text;
  Output out(room);
  out << end.side->via << write_branch(branch, text);
  return out.text();
}

// inet_ntop() prints version 4 by way of printf, which costs as much as the rest of a Via.
void write_address(Output& out, const IpAddress& address) {
  if (address.is_v6()) {
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(AF_INET6, address.octets.data(), text, sizeof text);
    out << std::string_view(text);
    return;
  }
  for (size_t i = 0; i < 4; ++i) {
    if (i != 0) out << '.';
    out << uint32_t{address.octets[i]};
  }
}

// The scheme follows the Request-URI's (RFC 3261 16.6 step 4).
std::string_view write_record(const PathEnd& end, std::string_view anchor, bool is_sips,
                              std::span<char> room) {
  Output out(room);
  out << (is_sips ? "<sips:" : "<sip:") << end.side->sent_by
      << (end.side->transport == snapshot::Transport::tls ? ";transport=tls;lr"
                                                          : ";transport=tcp;lr");
  if (end.next_hop != 0) {
    out << ';' << kNextHopParameter << '=';
    write_hex(out, end.next_hop);
    if (!end.mac.empty()) out << '.' << end.mac;
  }
  if (!anchor.empty()) out << ';' << kAnchorParameter << '=' << anchor;
  out << '>';
  return out.text();
}

// RFC 5393 5.3.3: every request that is forwarded says how far it may be forked.
void write_breadth(Editor& editor, const Message& request, uint32_t breadth, std::span<char> room) {
  if (request.max_breadth == static_cast<int32_t>(breadth)) return;
  Output text(room);
  text << breadth;
  if (request.max_breadth < 0) return editor.prepend(HeaderId::max_breadth, text.text());
  editor.replace(find_header(request, HeaderId::max_breadth), text.text());
}

// The "rport" that stands without a value among a Via's parameters; empty when there is none.
std::string_view find_empty_rport(const Via& via) {
  std::string_view rest = via.parameters;
  Parameter parameter;
  while (take_parameter(rest, parameter)) {
    if (equal_ignoring_case(parameter.name, "rport")) {
      return parameter.value.empty() ? parameter.name : std::string_view{};
    }
  }
  return {};
}

}  // namespace

bool is_recorded(Method method) {
  switch (method) {
    case Method::invite:
    case Method::subscribe:
    case Method::refer:
    case Method::notify:
    case Method::update:
      return true;
    default:
      return false;
  }
}

std::string_view received_parameter(const Message& request, const Endpoint& remote,
                                    std::span<char> room) {
  const Via& via = request.via;
  if (!via.received.empty()) return {};
  if (!via.has_rport) {
    const auto sent_by = IpAddress::parse(via.host);
    if (sent_by && *sent_by == remote.address) return {};
  }
  Output out(room);
  out << ";received=";
  write_address(out, remote.address);
  return out.text();
}

void edit_request(Editor& editor, const Message& request, const RouteSet& routes,
                  const Arrival& arrival, const PathEnd& in, const PathEnd& out,
                  const Leaving& leaving, ForwardRoom& room) {
  editor.prepend(HeaderId::via, write_via(out, leaving.branch, room.via));
  if (is_recorded(request.method)) {
    const bool sips = routes.request_uri.scheme == Scheme::sips;
    editor.prepend(HeaderId::record_route,
                   write_record(out, leaving.anchor, sips, room.record_out));
    editor.prepend(HeaderId::record_route, write_record(in, leaving.anchor, sips, room.record_in));
  }
  if (routes.is_void || routes.drop_count != 0 || routes.uri_from_route) {
    edit_routes(editor, request, routes, room.route);
  }
  const bool is_strict = !routes.is_void && routes.has_next && routes.next_is_strict;
  if (routes.maddr_is_ours && !routes.uri_from_route && !is_strict) {
    strip_maddr(editor, routes.request_uri);
  }
  Output max_forwards(room.max_forwards);
  if (request.max_forwards < 0) {
    max_forwards << uint32_t{kMaxForwards};
    editor.prepend(HeaderId::max_forwards, max_forwards.text());
  } else {
    max_forwards << static_cast<uint32_t>(request.max_forwards - 1);
    editor.replace(find_header(request, HeaderId::max_forwards), max_forwards.text());
  }
  write_breadth(editor, request, leaving.breadth, room.max_breadth);
  const auto received = received_parameter(request, arrival.remote, room.received);
  if (!received.empty()) {
    editor.extend_first_value(find_header(request, HeaderId::via), received);
  }
  if (const auto rport = find_empty_rport(request.via); !rport.empty()) {
    Output text(room.rport);
    text << "rport=" << arrival.remote.port;
    editor.replace_text(rport, text.text());
  }
}

// Our own Via and the outgoing Record-Route are the first lines of what we sent.
void edit_repeated(Editor& editor, const Message& sent, const PathEnd& out, const Leaving& leaving,
                   ForwardRoom& room) {
  editor.replace(0, write_via(out, leaving.branch, room.via));
  if (is_recorded(sent.method)) {
    const bool sips = sent.target.scheme == Scheme::sips;
    editor.replace(1, write_record(out, leaving.anchor, sips, room.record_out));
  }
  write_breadth(editor, sent, leaving.breadth, room.max_breadth);
}

void edit_response(Editor& editor, const Message& response) {
  editor.drop_values(find_header(response, HeaderId::via));
  // RFC 3261 16.7 step 6: 503 speaks of the next hop; our caller would take it for us.
  if (response.status == 503) {
    editor.replace_text(response.start_line, "SIP/2.0 500 Next hop is unavailable\r\n");
  }
}

}  // namespace fedge::sip
