// Calls whose media go through the box (M4): a partner outside calls a front end inside.
#pragma once

#include "dataplane/sip/anchor.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {

inline constexpr std::string_view kOurs = "10.2.0.1";        // inside
inline constexpr std::string_view kPublic = "198.51.100.1";  // outside, as the partner sees it

inline std::string sdp_of(const std::string& address, uint16_t port, const std::string& more = {}) {
  return "v=0\r\no=- 1 1 IN IP4 " + address + "\r\ns=-\r\nc=IN IP4 " + address +
         "\r\nt=0 0\r\nm=audio " + std::to_string(port) + " RTP/AVP 0\r\n" + more;
}

// Port of the nth m= line.
inline uint16_t port_of(const Message& message, size_t nth = 0) {
  const std::string body(message.body);
  size_t at = body.find("m=");
  for (; nth > 0 && at != body.npos; --nth) at = body.find("m=", at + 1);
  if (at == body.npos) return 0;
  return static_cast<uint16_t>(std::stoul(body.substr(body.find(' ', at) + 1)));
}

inline bool names(const Message& message, std::string_view text) {
  return message.body.find(text) != message.body.npos;
}

class AnchoredCalls : public World {
 protected:
  AnchoredCalls() { use({.anchor_ports = 64}); }
  void use(const WorldOptions& options) {
    sections = Sections(options);
    proxy.use(sections.view(), now);
  }
  static RequestText with_sdp(RequestText request, const std::string& sdp) {
    request.body = sdp;
    if (!sdp.empty()) request.headers += "Content-Type: application/sdp\r\n";
    return request;
  }
  static RequestText invite(const std::string& sdp = sdp_of("203.0.113.77", 4000)) {
    RequestText request;
    request.method = "INVITE";
    request.headers = "Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.7:5061;transport=tls>\r\n";
    return with_sdp(request, sdp);
  }
  void respond_sdp(Taken& request, uint16_t status, const std::string& sdp) {
    const Message& m = request.message();
    std::string text = "SIP/2.0 " + std::to_string(status) + " Answer\r\n";
    for (const Header& h : m.headers()) {
      const bool copied = h.id == HeaderId::via || h.id == HeaderId::from ||
                          h.id == HeaderId::call_id || h.id == HeaderId::cseq ||
                          h.id == HeaderId::record_route;
      if (copied) text += h.line;
      if (h.id == HeaderId::to) {
        text += "To: " + std::string(h.value) + (m.to_tag.empty() ? ";tag=b1\r\n" : "\r\n");
      }
    }
    text += "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(sdp.size()) +
            "\r\n\r\n" + sdp;
    Arrival arrival = request.next_hop == partner_edge ? from_partner() : from_fe1();
    arrival.connection = request.connection;
    receive(arrival, text);
  }
  // The INVITE as it is at the front end, after its 100.
  Taken start(const RequestText& request = invite()) {
    receive(from_partner(), request);
    take_response(kFromPartner, 100);
    Taken sent = take_request(fe1, Method::invite);
    out = value_of(sent.message(), HeaderId::record_route, 0);
    in = value_of(sent.message(), HeaderId::record_route, 1);
    return sent;
  }
  // A request of the caller's inside the dialog; of the callee's.
  RequestText from_caller(const std::string& method, const std::string& sdp = {}) const {
    RequestText request;
    request.method = method;
    request.branch = "z9hG4bK-c" + method + std::to_string(sdp.size());
    request.uri = "sip:bob@10.2.9.9:5061";
    request.to = "<sip:bob@example.com>;tag=b1";
    request.headers = "Route: " + in + ", " + out + "\r\nMax-Forwards: 70\r\n";
    return with_sdp(request, sdp);
  }
  RequestText from_callee(const std::string& method, const std::string& sdp = {}) const {
    RequestText request;
    request.method = method;
    request.branch = "z9hG4bK-d" + method + std::to_string(sdp.size());
    request.uri = "sip:alice@192.0.2.7:5061;transport=tls";
    request.from = "<sip:bob@example.com>;tag=b1";
    request.to = "<sip:alice@partner.example>;tag=a1";
    request.headers = "Route: " + out + ", " + in + "\r\nMax-Forwards: 70\r\n";
    return with_sdp(request, sdp);
  }
  const FakeOutbound::Anchored& last() const { return outbound.anchors.back(); }

  std::string out, in;  // our Record-Routes
};

}  // namespace fedge::sip
