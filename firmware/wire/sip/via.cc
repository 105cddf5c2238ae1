#include "firmware/wire/sip/via.h"

#include "firmware/wire/sip/constants.h"
#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/uri.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

bool Via::has_cookie() const {
  return branch.size() > kBranchCookie.size() &&
         equal_ignoring_case(branch.substr(0, kBranchCookie.size()), kBranchCookie);
}

// Takes `word` and the white space on both sides of it off p.
static bool take_word(const char*& p, const char* end, std::string_view word) {
  p = skip_spaces(p, end);
  if (static_cast<size_t>(end - p) < word.size() || !equal_ignoring_case({p, word.size()}, word))
    return false;
  p = skip_spaces(p + word.size(), end);
  return true;
}

// "SIP/2.0/" with white space wherever the grammar allows it (RFC 4475 3.1.1.1).
static bool take_protocol(const char*& p, const char* end) {
  constexpr std::string_view kUsual = "SIP/2.0/";
  if (end - p > 8 && std::memcmp(p, kUsual.data(), 8) == 0) {
    p += 8;
    return true;
  }
  return take_word(p, end, "SIP") && take_word(p, end, "/") && take_word(p, end, "2.0") &&
         take_word(p, end, "/");
}

static bool on_parameter(const Parameter& parameter, Via& out) {
  const auto named = [&](std::string_view name) {
    return equal_ignoring_case(parameter.name, name);
  };
  switch (parameter.name.size()) {
    case 5:
      if (named("rport")) {
        out.has_rport = true;
        out.rport = parameter.value;
      } else if (named("alias")) {
        out.has_alias = true;
      } else if (named("maddr")) {
        out.maddr = parameter.value;
      }
      return true;
    case 6:
      if (!named("branch")) return true;
      // Two branches would let two elements match two transactions.
      if (!out.branch.empty() || !is_token(parameter.value)) return false;
      out.branch = parameter.value;
      return out.branch.size() != kBranchCookie.size() ||
             !equal_ignoring_case(out.branch, kBranchCookie);
    case 8:
      if (!named("received")) return true;
      out.received = parameter.value;  // with or without brackets (RFC 5118 4.5)
      if (out.received.starts_with('[') && out.received.ends_with(']'))
        out.received = out.received.substr(1, out.received.size() - 2);
      return true;
    default:
      return true;
  }
}

bool parse_via(std::string_view value, Via& out) {
  out = {};
  out.value = value;
  const char* p = value.data();
  const char* end = p + value.size();
  if (!take_protocol(p, end)) return false;
  const char* transport = p;
  p = skip_class(p, end, kTokenChar);
  out.transport = {transport, static_cast<size_t>(p - transport)};
  const char* sent_by = skip_spaces(p, end);
  if (out.transport.empty() || sent_by == p) return false;
  const auto* semicolon =
      static_cast<const char*>(std::memchr(sent_by, ';', size_t(end - sent_by)));
  if (semicolon == nullptr) semicolon = end;
  if (!parse_host_port(trimmed_view(sent_by, semicolon), out.host, out.port, out.is_ipv6))
    return false;
  out.parameters = {semicolon, static_cast<size_t>(end - semicolon)};
  std::string_view rest = out.parameters;
  Parameter parameter;
  while (take_parameter(rest, parameter))
    if (!on_parameter(parameter, out)) return false;
  return rest.empty();
}

}  // namespace fedge::sip
