// Headers that mean something only between systems that trust each other (T6): who sent it
// (P-Asserted-Identity, RFC 3325), how much the edge believes of that
// (ms-edge-proxy-message-trust, [MS-SIPRE]), and why a request failed (ms-diagnostics,
// [MS-OCER]). What comes from outside claims none of it; what goes outside tells none of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/writer.h"

namespace fedge::sip {

// Who is behind a next hop, as ms-edge-proxy-message-trust calls its source.
enum class Origin : uint8_t {
  inside,          // one of our own systems: trusted
  direct_partner,  // an edge that the partner's entry names
  found_partner,   // one that DNS has named
};
constexpr bool is_trusted(Origin origin) { return origin == Origin::inside; }

// What ms-edge-proxy-message-trust says of a partner's message: only `origin` outside.
std::string write_message_trust(Origin origin, std::string_view our_fqdn);

// A request or a response on its way from one to the other. `message_trust`: the above, of `from`.
void edit_trust(Editor& editor, const Message& message, Origin from, Origin to,
                std::string_view message_trust);

// Why we refused or gave up, for our own systems: `1017;source="edge.example.com";reason="…"`.
// Codes are those of the systems we replace, where they have one.
enum class Diagnosis : uint16_t {
  no_route = 1017,     // cannot route from and to these
  not_allowed = 1027,  // this kind of request, to or from federated partners
  unreachable = 1047,  // no connection to the next hop, or it was not who it should be
  no_answer = 1034,    // it was silent, or gave no reason
};
using DiagnosisText = std::array<char, 400>;
std::string_view write_diagnosis(Diagnosis what, std::string_view our_fqdn, std::string_view reason,
                                 DiagnosisText& room);

}  // namespace fedge::sip
