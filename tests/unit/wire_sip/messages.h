// What the tests of the SIP codec share: ordinary messages, and text with "\n" for CRLF.
#pragma once

#include <string>
#include <string_view>

namespace fedge::sip::test {

inline std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

inline const std::string kMessage = crlf(
    "MESSAGE sip:bob@example.com SIP/2.0\n"
    "Via: SIP/2.0/TLS sip.partner.net:5061;branch=z9hG4bK77aa;alias, SIP/2.0/TLS "
    "10.1.2.3;branch=z9hG4bK1;received=192.0.2.9\n"
    "Max-Forwards: 69\n"
    "Route: <sip:edge.example.com;lr>, <sip:fe.example.com;lr>\n"
    "From: \"Alice, \\\"A\\\"\" <sip:alice@partner.net>;tag=a1;epid=99\n"
    "To: <sip:bob@example.com>\n"
    "Call-ID: 7d1c@partner.net\n"
    "CSeq: 4711 MESSAGE\n"
    "X-Unknown:   kept,  as it is  \n"
    "Content-Type: text/plain\n"
    "Content-Length: 5\n"
    "\n"
    "hello");

// kMessage with one piece replaced; Content-Length is left alone.
inline std::string with(std::string_view from, std::string_view to,
                        const std::string& base = kMessage) {
  std::string out = base;
  const size_t at = out.find(from);
  if (at != std::string::npos) out.replace(at, from.size(), crlf(to));
  return out;
}

}  // namespace fedge::sip::test
