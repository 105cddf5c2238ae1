// One Via value (RFC 3261 20.42, RFC 3581, RFC 5923).
#pragma once

#include <cstdint>
#include <string_view>

namespace fedge::sip {

struct Via {
  std::string_view value;      // all of it, trimmed
  std::string_view transport;  // as written: "TLS"
  std::string_view host;       // of sent-by, without the brackets of an IPv6 reference
  uint16_t port = 0;           // 0 when absent
  bool is_ipv6 = false;
  bool has_rport = false;
  bool has_alias = false;
  std::string_view parameters;  // from the first ';' on (see values.h)
  std::string_view branch;      // empty when absent: RFC 2543
  std::string_view received;    // without the brackets of an IPv6 reference
  std::string_view rport;       // empty when it has no value
  std::string_view maddr;

  // True when the branch starts with the cookie of RFC 3261 and so identifies the transaction.
  bool has_cookie() const;
};

// One value, as take_value() gives it. Any protocol name and version but SIP/2.0 is false, and so
// is a branch that is the cookie and nothing more.
bool parse_via(std::string_view value, Via& out);

}  // namespace fedge::sip
