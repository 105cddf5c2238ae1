// Responses that count, and how far.
#include "tests/unit/sip/world.h"

namespace fedge::sip {

using Responses = World;

// It says nothing to the caller, but that the callee is there.
TEST_F(Responses, R10_AnOversizedProvisionalIsNoSilence) {
  RequestText invite;
  invite.method = "INVITE";
  receive(from_partner(), invite);
  take_response(kFromPartner, 100);
  Taken sent = take_request(fe1, Method::invite);
  std::string text = "SIP/2.0 183 Large\r\n";
  for (const Header& h : sent.message().headers()) {
    if (h.id != HeaderId::max_forwards && h.id != HeaderId::content_length) text += h.line;
  }
  text += "Content-Length: 100000\r\n\r\n";
  Message response;  // keeps views into it
  parse(text, response);
  proxy.on_malformed(from_fe1(), response, Defect::too_large, now);
  for (int i = 0; i < 30; ++i) pass(1s);
  EXPECT_TRUE(outbound.empty());  // nothing to the caller, and nobody else is asked
  respond(sent, 200);
  take_response(kFromPartner, 200);
}

// What a partner sends on reaches others, who read our branch there.
TEST_F(Responses, T4_R10_AStrangerAnswersOnlyWhereItWasAsked) {
  RequestText request;
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  const auto answer_from = [&](Arrival arrival) {
    std::string text = "SIP/2.0 200 OK\r\n";
    for (const Header& h : sent.message().headers()) {
      if (h.id != HeaderId::max_forwards) text += h.line;
    }
    receive(arrival, text + "\r\n");
  };
  answer_from(from_stranger());
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"stray_response\"}"), 1u);
  Arrival asked = from_stranger();  // a next hop that no peer is
  asked.connection = sent.connection;
  answer_from(asked);
  take_response(kFromPartner, 200);

  request.branch = "z9hG4bK-2";
  receive(from_partner(), request);
  sent = take_request(fe1, Method::message);
  answer_from(from_fe1());  // RFC 3261 18.2.2: over another connection
  take_response(kFromPartner, 200);
}

}  // namespace fedge::sip
