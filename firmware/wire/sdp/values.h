// The values of lines that name addresses, ports and clocks. Readers give nothing for a value of
// another form; views are into the text handed in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/base/output.h"
#include "firmware/net/address.h"

namespace fedge::sdp {

// "IN IP4 192.0.2.1": of c=, at the end of o= and of a=rtcp.
struct Connection {
  IpAddress address;       // none when the address is a host name
  std::string_view host;   // the address as written, without TTL and count
  std::string_view scope;  // "/127" or "/127/3" behind a multicast address, or empty
};
std::optional<Connection> read_connection(std::string_view value);

// o= (RFC 8866 section 5.2).
struct Origin {
  std::string_view username;
  std::string_view session_id;
  std::string_view version;
  std::string_view address_text;  // from "IN" on
  Connection connection;
};
std::optional<Origin> read_origin(std::string_view value);

// m= (section 5.14).
struct MediaLine {
  std::string_view kind;       // "audio"
  std::string_view port_text;  // "49170" or "49170/2"
  uint16_t port = 0;
  uint16_t port_count = 1;
  std::string_view protocol;  // "RTP/SAVP"
  std::string_view formats;
};
std::optional<MediaLine> read_media_line(std::string_view value);

// a=rtcp (RFC 3605): without an address it is the media's.
struct RtcpPort {
  uint16_t port = 0;
  std::optional<Connection> connection;
};
std::optional<RtcpPort> read_rtcp(std::string_view value);

// a=rtpmap: the clock that jitter counts in.
struct RtpMap {
  uint8_t payload_type = 0;
  std::string_view encoding;
  uint32_t clock = 0;
};
std::optional<RtpMap> read_rtpmap(std::string_view value);

// a=candidate (RFC 8839 section 5.1). Candidates of older drafts give nothing.
struct Candidate {
  std::string_view foundation;
  uint32_t component = 0;  // 1 RTP, 2 RTCP
  std::string_view transport;
  uint32_t priority = 0;
  std::string_view host;
  IpAddress address;  // none for a host name, as mDNS candidates have
  uint16_t port = 0;
  std::string_view type;          // "host", "srflx", "prflx", "relay"
  std::string_view related_host;  // of raddr, or empty
  uint16_t related_port = 0;
  std::string_view extensions;  // from behind the type and raddr, rport on
};
std::optional<Candidate> read_candidate(std::string_view value);

enum class Direction : uint8_t { sendrecv, sendonly, recvonly, inactive };
std::optional<Direction> direction_of(std::string_view attribute_name);

// "IN IP6 2001:db8::1".
void write_connection(Output& out, const IpAddress& address);
// RFC 5952, without allocating.
void write_address(Output& out, const IpAddress& address);

}  // namespace fedge::sdp
