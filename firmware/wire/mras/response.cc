#include "firmware/wire/mras/response.h"

namespace fedge::mras {

namespace {

constexpr std::string_view kServerVersion = kVersions.back().text;

// Section 3.1.5.2.2.
std::string_view version_for(const Request& request, Reason reason) {
  if (reason == Reason::request_malformed || request.version_text.empty()) return kServerVersion;
  if (reason != Reason::version_mismatch) return request.version_text;
  std::string_view highest = kVersions.front().text;
  for (const SpokenVersion& spoken : kVersions)
    if (spoken.version < request.version) highest = spoken.text;
  return highest;
}

// A client of the first version knows no serverVersion (section 3.1.5.3).
bool tells_server_version(const Request& request, Reason reason) {
  return reason == Reason::request_malformed || request.version != kVersions.front().version;
}

}  // namespace

ResponseWriter::ResponseWriter(std::span<char> out, const Request& request, Reason reason)
    : writer_(out) {
  // Of a malformed request nothing is repeated (section 2.2.3.1.2); of one too large to be read
  // there is nothing to repeat.
  const auto repeat = [&](std::string_view name, std::string_view value) {
    if (reason != Reason::request_malformed && !value.empty()) writer_.attribute(name, value);
  };
  writer_.declare().open("response").attribute("xmlns", kNamespace);
  repeat("requestID", request.id);
  writer_.attribute("version", version_for(request, reason));
  if (tells_server_version(request, reason)) writer_.attribute("serverVersion", kServerVersion);
  repeat("to", request.to);
  repeat("from", request.from);
  writer_.attribute("reasonPhrase", text(reason));
}

void ResponseWriter::add_relay(const MediaRelay& relay) {
  writer_.open("mediaRelay").element("location", text(relay.location));
  writer_.element(relay.is_address ? "directIPAddress" : "hostName", relay.host);
  if (relay.udp_port) writer_.element("udpPort", *relay.udp_port);
  if (relay.tcp_port) writer_.element("tcpPort", *relay.tcp_port);
  writer_.close();
}

void ResponseWriter::add(const Credentials& credentials) {
  writer_.open("credentialsResponse").attribute("credentialsRequestID", credentials.id);
  writer_.open("credentials")
      .element("username", credentials.username)
      .element("password", credentials.password)
      .element("duration", credentials.minutes);
  if (!credentials.realm.empty()) writer_.element("realm", credentials.realm);
  writer_.close().open("mediaRelayList");
  for (const MediaRelay& relay : credentials.relays) add_relay(relay);
  writer_.close().close();
}

std::optional<size_t> ResponseWriter::finish() { return writer_.close().size(); }

}  // namespace fedge::mras
