// SIP, SIPS and tel URIs as views (RFC 3261 19.1 and 25.1, RFC 3966).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fedge::sip {

enum class Scheme : uint8_t { sip, sips, tel, other };

struct Uri {
  Scheme scheme = Scheme::other;
  bool has_user = false;
  bool has_password = false;
  bool is_ipv6 = false;         // the host was an IPv6 reference
  uint16_t port = 0;            // 0 when absent
  std::string_view text;        // all of it
  std::string_view user;        // as written, escapes and all; of a tel URI the number
  std::string_view password;    // as written
  std::string_view host;        // without the brackets of an IPv6 reference
  std::string_view parameters;  // from the first ';' on, empty when there is none (see values.h)
  std::string_view headers;     // behind '?'; for scheme other: all behind the colon
};

// False when the text is no URI: bad scheme, white space, <>, controls, a host or port that is
// none. Unknown schemes are true with scheme other.
bool parse_uri(std::string_view text, Uri& uri);

// Host names and IPv4 by letters, digits, '.', '-' and '_'; a trailing dot is allowed.
bool is_host(std::string_view text);
// hostport = host [ ":" port ], IPv6 in brackets. False when the text is no such thing.
bool parse_host_port(std::string_view text, std::string_view& host, uint16_t& port, bool& is_ipv6);

// Takes "%41" for "A"; for users case counts, for hosts it does not (RFC 3261 19.1.4). A "%00"
// is an octet like any other.
bool equal_unescaped(std::string_view a, std::string_view b);
// Writes the unescaped text; nullopt when it does not fit or an escape is broken.
std::optional<std::string_view> unescape(std::string_view text, std::span<char> out);

}  // namespace fedge::sip
