#include "firmware/topology/pattern.h"

#include <algorithm>
#include <utility>

#include "firmware/net/address.h"
#include "firmware/net/dns_name.h"

namespace fedge::topology {
namespace {

// ".com.domaina" → "domaina.com", ".com.domaina.*" → "*.domaina.com".
std::string reversed(std::string_view pattern) {
  std::string out;
  for (;;) {
    const size_t dot = pattern.rfind('.');
    out.append(pattern.substr(dot + 1));
    if (dot == 0) return out;
    out += '.';
    pattern = pattern.substr(0, dot);
  }
}

// RFC 3261 section 25.1: unreserved, escaped and user-unreserved characters.
bool is_user(std::string_view user) {
  constexpr std::string_view kMarks = "-_.!~*'()&=+$,;?/%";
  return !user.empty() && std::ranges::all_of(user, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// A name as it is, an address in the one spelling that the look-up asks for; empty for neither.
std::string normal_host(std::string_view host) {
  if (const auto address = IpAddress::parse(host)) return address->text();
  return is_dns_name(host) ? std::string(host) : std::string();
}

}  // namespace

std::optional<std::string> normal_pattern(std::string_view text, RouteType type) {
  std::string pattern = lower_case(text);
  if (pattern.size() > 320) return std::nullopt;
  if (type == RouteType::user) {
    const size_t at = pattern.rfind('@');
    if (at == std::string::npos || !is_user(std::string_view(pattern).substr(0, at))) {
      return std::nullopt;
    }
    const std::string host = normal_host(std::string_view(pattern).substr(at + 1));
    if (host.empty()) return std::nullopt;
    return pattern.replace(at + 1, std::string::npos, host);
  }
  std::string plain = pattern.starts_with('.') ? reversed(pattern) : std::move(pattern);
  const std::string_view domain =
      plain.starts_with("*.") ? std::string_view(plain).substr(2) : std::string_view(plain);
  if (domain.size() == plain.size())
    plain = normal_host(plain);
  else if (!is_dns_name(domain))
    plain.clear();
  return plain.empty() ? std::nullopt : std::optional(std::move(plain));
}

}  // namespace fedge::topology
