// Domain names as configuration and SIP carry them.
#pragma once

#include <string>
#include <string_view>

namespace fedge {

// A host name of RFC 1123 section 2.1: labels of letters, digits and inner hyphens (underscores
// allowed in SRV owner names only), 1-63 octets each, 253 in all, no trailing dot, not an IP
// address.
bool is_dns_name(std::string_view text);
// ASCII lower case; names compare without case.
std::string lower_case(std::string_view text);
bool equal_names(std::string_view a, std::string_view b);

}  // namespace fedge
