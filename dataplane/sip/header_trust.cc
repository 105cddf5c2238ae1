#include "dataplane/sip/header_trust.h"

#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

// RFC 3323 section 4.2: values between semicolons; "id" is RFC 3325's, "user" asks for no less.
bool has_privacy(std::string_view value) {
  while (!value.empty()) {
    const size_t end = value.find_first_of(";,");
    std::string_view one = value.substr(0, end);
    while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
    if (equal_ignoring_case(one, "id") || equal_ignoring_case(one, "user")) return true;
    value = end == value.npos ? std::string_view{} : value.substr(end + 1);
  }
  return false;
}

bool asks_for_privacy(const Message& message) {
  for (const Header& header : message.headers()) {
    if (header.id == HeaderId::other && equal_ignoring_case(header.name, "Privacy") &&
        has_privacy(header.value)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string write_message_trust(Origin origin, std::string_view our_fqdn) {
  std::string out = "ms-source-type=";
  out += origin == Origin::direct_partner ? "DirectPartner" : "AutoFederation";
  out += ";ms-ep-fqdn=";
  out += our_fqdn;
  out += ";ms-source-verified-user=verified;ms-source-network=federation";
  return out;
}

void edit_trust(Editor& editor, const Message& message, Origin from, Origin to,
                std::string_view message_trust) {
  if (is_trusted(from) && is_trusted(to)) return;
  const auto headers = message.headers();
  for (size_t i = 0; i < headers.size(); ++i) {
    switch (headers[i].id) {
      case HeaderId::p_asserted_identity:
        if (!is_trusted(from) || asks_for_privacy(message)) editor.remove(i);
        break;
      case HeaderId::ms_edge_proxy_message_trust:
        editor.remove(i);
        break;
      case HeaderId::ms_diagnostics:
        if (!is_trusted(to)) editor.remove(i);
        break;
      default:
        break;
    }
  }
  if (is_trusted(to)) editor.append(HeaderId::ms_edge_proxy_message_trust, message_trust);
}

std::string_view write_diagnosis(Diagnosis what, std::string_view our_fqdn, std::string_view reason,
                                 DiagnosisText& room) {
  Output out(room);
  out << static_cast<uint32_t>(what) << ";source=\"" << our_fqdn << "\";reason=\"" << reason << '"';
  return out.text();
}

}  // namespace fedge::sip
