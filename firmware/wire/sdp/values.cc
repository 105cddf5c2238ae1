#include "firmware/wire/sdp/values.h"

#include <arpa/inet.h>

#include <charconv>

namespace fedge::sdp {

namespace {

// Takes the next token off `rest`; tokens are parted by one space. False when it is empty.
bool take_token(std::string_view& rest, std::string_view& token) {
  const size_t space = rest.find(' ');
  token = rest.substr(0, space);
  rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  return !token.empty();
}

template <class T>
bool read_number(std::string_view text, T& number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end && !text.empty();
}

// The IPv4 or IPv6 address, or a name: letters, digits, dots, hyphens and underscores.
bool is_name(std::string_view text) {
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_') return false;
  }
  return !text.empty();
}

bool ends_with_scope(std::string_view scope) {
  for (const char c : scope)
    if (c != '/' && !(c >= '0' && c <= '9')) return false;
  return true;
}

}  // namespace

std::optional<Connection> read_connection(std::string_view value) {
  std::string_view rest = value;
  std::string_view network;
  std::string_view type;
  std::string_view address;
  if (!take_token(rest, network) || !take_token(rest, type) || !take_token(rest, address) ||
      !rest.empty())
    return std::nullopt;
  const bool is_v4 = type == "IP4";
  if (network != "IN" || (!is_v4 && type != "IP6")) return std::nullopt;
  Connection connection;
  const size_t slash = std::min(address.find('/'), address.size());
  connection.host = address.substr(0, slash);
  connection.scope = address.substr(slash);
  if (!ends_with_scope(connection.scope)) return std::nullopt;
  if (const auto parsed = IpAddress::parse(connection.host)) {
    if (parsed->is_v4() != is_v4) return std::nullopt;
    connection.address = *parsed;
  } else if (!is_name(connection.host)) {
    return std::nullopt;
  }
  return connection;
}

std::optional<Origin> read_origin(std::string_view value) {
  Origin origin;
  std::string_view rest = value;
  if (!take_token(rest, origin.username) || !take_token(rest, origin.session_id) ||
      !take_token(rest, origin.version))
    return std::nullopt;
  origin.address_text = rest;
  const auto connection = read_connection(rest);
  if (!connection || !connection->scope.empty()) return std::nullopt;
  origin.connection = *connection;
  return origin;
}

std::optional<MediaLine> read_media_line(std::string_view value) {
  MediaLine media;
  std::string_view rest = value;
  if (!take_token(rest, media.kind) || !take_token(rest, media.port_text) ||
      !take_token(rest, media.protocol) || rest.empty())
    return std::nullopt;
  media.formats = rest;
  const size_t slash = media.port_text.find('/');
  if (!read_number(media.port_text.substr(0, slash), media.port)) return std::nullopt;
  if (slash == std::string_view::npos) return media;
  if (!read_number(media.port_text.substr(slash + 1), media.port_count) || media.port_count == 0)
    return std::nullopt;
  return media;
}

std::optional<RtcpPort> read_rtcp(std::string_view value) {
  RtcpPort rtcp;
  std::string_view rest = value;
  std::string_view port;
  if (!take_token(rest, port) || !read_number(port, rtcp.port)) return std::nullopt;
  if (rest.empty()) return rtcp;
  rtcp.connection = read_connection(rest);
  if (!rtcp.connection) return std::nullopt;
  return rtcp;
}

std::optional<RtpMap> read_rtpmap(std::string_view value) {
  RtpMap map;
  std::string_view rest = value;
  std::string_view type;
  std::string_view mapping;
  if (!take_token(rest, type) || !take_token(rest, mapping)) return std::nullopt;
  if (!read_number(type, map.payload_type) || map.payload_type > 127) return std::nullopt;
  const size_t slash = mapping.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  map.encoding = mapping.substr(0, slash);
  std::string_view clock = mapping.substr(slash + 1);
  clock = clock.substr(0, clock.find('/'));  // channels may follow
  if (map.encoding.empty() || !read_number(clock, map.clock)) return std::nullopt;
  return map;
}

std::optional<Candidate> read_candidate(std::string_view value) {
  Candidate candidate;
  std::string_view rest = value;
  std::string_view component;
  std::string_view priority;
  std::string_view port;
  std::string_view keyword;
  if (!take_token(rest, candidate.foundation) || !take_token(rest, component) ||
      !take_token(rest, candidate.transport) || !take_token(rest, priority) ||
      !take_token(rest, candidate.host) || !take_token(rest, port) || !take_token(rest, keyword) ||
      keyword != "typ" || !take_token(rest, candidate.type))
    return std::nullopt;
  if (!read_number(component, candidate.component) || !read_number(priority, candidate.priority) ||
      !read_number(port, candidate.port))
    return std::nullopt;
  if (const auto address = IpAddress::parse(candidate.host)) {
    candidate.address = *address;
  } else if (!is_name(candidate.host)) {
    return std::nullopt;
  }
  candidate.extensions = rest;
  if (take_token(rest, keyword) && keyword == "raddr") {
    if (!take_token(rest, candidate.related_host)) return std::nullopt;
    candidate.extensions = rest;
    if (take_token(rest, keyword) && keyword == "rport") {
      if (!take_token(rest, port) || !read_number(port, candidate.related_port))
        return std::nullopt;
      candidate.extensions = rest;
    }
  }
  return candidate;
}

std::optional<Direction> direction_of(std::string_view attribute_name) {
  if (attribute_name == "sendrecv") return Direction::sendrecv;
  if (attribute_name == "sendonly") return Direction::sendonly;
  if (attribute_name == "recvonly") return Direction::recvonly;
  if (attribute_name == "inactive") return Direction::inactive;
  return std::nullopt;
}

void write_address(Output& out, const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  const int family = address.is_v4() ? AF_INET : AF_INET6;
  if (inet_ntop(family, address.octets.data(), text, sizeof text) != nullptr)
    out << std::string_view(text);
}

void write_connection(Output& out, const IpAddress& address) {
  out << (address.is_v4() ? std::string_view("IN IP4 ") : std::string_view("IN IP6 "));
  write_address(out, address);
}

}  // namespace fedge::sdp
