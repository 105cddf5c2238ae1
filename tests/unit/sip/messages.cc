// MESSAGE and its like, there and back: validation, forwarding, answers of our own.
#include "tests/unit/sip/world.h"

namespace fedge::sip {

using Messages = World;

TEST_F(Messages, R10_16_6_ForwardsAMessageAndItsAnswer) {
  RequestText request;
  request.headers = "Max-Forwards: 70\r\nX-Unknown:  kept  as is \r\nv: SIP/2.0/TCP 10.9.9.9\r\n";
  request.body = "hello\r\n";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  const Message& m = sent.message();
  EXPECT_EQ(m.request_uri, "sip:bob@example.com");
  EXPECT_EQ(m.max_forwards, 69);
  EXPECT_EQ(count_of(m, HeaderId::via), 3u);
  EXPECT_TRUE(
      value_of(m, HeaderId::via).starts_with("SIP/2.0/TLS 10.2.0.1:5061;alias;branch=z9hG4bK"));
  EXPECT_EQ(value_of(m, HeaderId::via, 1),
            "SIP/2.0/TLS a.partner.example:5061;branch=z9hG4bK-a;received=203.0.113.5");
  EXPECT_EQ(count_of(m, HeaderId::record_route), 0u);
  EXPECT_NE(sent.bytes.find("X-Unknown:  kept  as is \r\n"), std::string::npos);
  EXPECT_EQ(m.body, "hello\r\n");

  respond(sent, 200, "Contact: <sip:bob@fe1.example.com>\r\n");
  Taken answer = take_response(kFromPartner, 200);
  EXPECT_EQ(count_of(answer.message(), HeaderId::via), 2u);
  EXPECT_EQ(value_of(answer.message(), HeaderId::contact), "<sip:bob@fe1.example.com>");
  expect_idle();
  EXPECT_EQ(counter("fedge_signal_requests_total{method=\"message\"}"), 1u);
  EXPECT_EQ(counter("fedge_signal_responses_total{class=\"2xx\"}"), 1u);
  pass(101ms);  // overload control looks at windows of 100 ms
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST_F(Messages, R10_16_7_3_AResponseWithoutItsSendersViaGoesNowhere) {
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  const std::string ours(value_of(sent.message(), HeaderId::via));
  std::string text = "SIP/2.0 200 OK\r\nVia: " + ours + "\r\n";
  for (const HeaderId id : {HeaderId::from, HeaderId::to, HeaderId::call_id, HeaderId::cseq}) {
    text += std::string(sent.message().find(id)->line);
  }
  receive(from_fe1(), text + "Content-Length: 0\r\n\r\n");
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"malformed_response\"}"), 1u);
  respond(sent, 200);
  take_response(kFromPartner, 200);
}

// A refusal is acknowledged; a 2xx is not, so that the callee gives the call up. No other target
// gets a request that this one has served.
TEST_F(Messages, R10_AnOversizedResponseEndsItsTransaction) {
  for (const uint16_t status : {200, 486}) {
    RequestText invite;
    invite.method = "INVITE";
    invite.branch += std::to_string(status);
    receive(from_partner(), invite);
    take_response(kFromPartner, 100);
    Taken sent = take();
    std::string text = "SIP/2.0 " + std::to_string(status) + " Large\r\n";
    for (const Header& h : sent.message().headers()) {
      if (h.id != HeaderId::max_forwards) text += h.line;
    }
    text += "\r\n";
    Message response;  // keeps views into it
    ASSERT_EQ(parse(text, response), Defect::none);
    proxy.on_malformed(from_fe1(), response, Defect::too_large, now);
    if (status >= 300) {
      EXPECT_EQ(take().message().method, Method::ack);
    }
    take_response(kFromPartner, 502);
    EXPECT_TRUE(outbound.empty());
  }
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"oversized_response\"}"), 2u);
  EXPECT_EQ(counter("fedge_signal_transactions{side=\"client\"}"), 0u);
}

TEST_F(Messages, R10_UnknownMethodsAreForwarded) {
  for (const std::string method : {"SERVICE", "BENOTIFY", "XYZZY"}) {
    RequestText request;
    request.method = method;
    receive(from_partner(), request);
    Taken sent = take();
    EXPECT_EQ(sent.next_hop, fe1);
    EXPECT_EQ(sent.message().method_text, method);
    respond(sent, 202);
    take_response(kFromPartner, 202);
  }
  expect_idle();
}

// What names a transaction is of any length, also where parts just do not fit together any more.
TEST_F(Messages, R10_17_2_3_MatchesRequestsWhateverTheLengthOfTheirParts) {
  for (size_t size = 1; size < 1600; ++size) {
    RequestText request;
    request.branch = "before-rfc3261";  // matched by Request-URI, tag, Call-ID, CSeq and Via
    request.uri = "sip:bob@example.com;x=" + std::string(size, 'x');
    receive(from_stranger(), request);
    take_response(kFromStranger, 403);
    request.branch = "z9hG4bK" + std::string(size, 'b');
    receive(from_stranger(), request);
    take_response(kFromStranger, 403);
  }
  RequestText first;
  first.branch = "z9hG4bK" + std::string(1000, 'b');
  receive(from_partner(), first);
  Taken sent = take_request(fe1, Method::message);
  receive(from_partner(), first);
  EXPECT_EQ(counter("fedge_signal_repeated_requests_total"), 1u);
  RequestText second = first;
  second.branch.back() = 'c';
  receive(from_partner(), second);
  Taken other = take_request(fe1, Method::message);
  respond(sent, 200);
  take_response(kFromPartner, 200);
  respond(other, 200);
  take_response(kFromPartner, 200);
  expect_idle();
}

TEST_F(Messages, R11_MixesFamilies) {
  Sections mixed(WorldOptions{.mixed_families = true});
  proxy.use(mixed.view(), now);
  RequestText request;
  request.method = "SUBSCRIBE";
  receive(from_partner(), request);
  Taken sent = take_request(fe6, Method::subscribe);
  EXPECT_TRUE(value_of(sent.message(), HeaderId::via)
                  .starts_with("SIP/2.0/TLS [2001:db8:2::1]:5061;alias;branch="));
  EXPECT_TRUE(value_of(sent.message(), HeaderId::record_route)
                  .starts_with("<sip:[2001:db8:2::1]:5061;transport=tls;lr;nh="));
  EXPECT_TRUE(value_of(sent.message(), HeaderId::record_route, 1)
                  .starts_with("<sip:198.51.100.1:5061;transport=tls;lr;nh="));
}

TEST_F(Messages, R10_3581_FillsReceivedAndRport) {
  RequestText request;
  request.via_parameters = ";rport;x=y";
  receive(from_partner(), request);
  Taken sent = take();
  EXPECT_EQ(value_of(sent.message(), HeaderId::via, 1),
            "SIP/2.0/TLS a.partner.example:5061;branch=z9hG4bK-a;rport=40000;x=y;"
            "received=203.0.113.5");
  request.uri = "sip:bob@nowhere.example";
  request.branch = "z9hG4bK-b";
  receive(from_partner(), request);
  Taken refusal = take_response(kFromPartner, 403);
  EXPECT_EQ(value_of(refusal.message(), HeaderId::via),
            "SIP/2.0/TLS a.partner.example:5061;branch=z9hG4bK-b;rport=40000;x=y;"
            "received=203.0.113.5");
}

TEST_F(Messages, R10_16_3_MaxForwardsEnds) {
  RequestText request;
  request.headers = "Max-Forwards: 0\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 483);
  expect_idle();
}

TEST_F(Messages, R10_16_6_MaxForwardsIsAdded) {
  RequestText request;
  request.headers = "";
  receive(from_partner(), request);
  Taken sent = take();
  EXPECT_EQ(sent.message().max_forwards, 70);
}

TEST_F(Messages, R10_16_3_ProxyRequireIsRefused) {
  RequestText request;
  request.headers = "Proxy-Require: foo, bar\r\n";
  receive(from_partner(), request);
  Taken answer = take_response(kFromPartner, 420);
  EXPECT_EQ(value_of(answer.message(), HeaderId::unsupported), "foo, bar");
}

TEST_F(Messages, R10_16_3_MalformedIsAnswered) {
  RequestText request;
  std::string text = request.text();
  text.replace(text.find("SIP/2.0"), 7, "SIP/7.0");
  receive(from_partner(), text);
  take_response(kFromPartner, 505);
  request.uri = "soap.beep://bob@example.com";
  receive(from_partner(), request);
  take_response(kFromPartner, 416);
  expect_idle();
}

TEST_F(Messages, R10_16_3_UriWithoutHostIsRefused) {
  RequestText request;
  request.uri = "tel:+15551234";
  receive(from_partner(), request);
  take_response(kFromPartner, 416);
}

TEST_F(Messages, R10_NegotiateIsRefusedBeforeMaxForwards) {
  RequestText request;
  request.method = "NEGOTIATE";
  request.headers = "Max-Forwards: 0\r\n";
  receive(from_partner(), request);
  Taken answer = take_response(kFromPartner, 405);
  EXPECT_NE(value_of(answer.message(), HeaderId::allow).find("INVITE"), std::string::npos);
  receive(from_stranger(), request);
  take_response(kFromStranger, 405);
}

TEST_F(Messages, R7_16_3_LoopIsDetected) {
  receive(from_partner(), RequestText{});
  Taken sent = take();
  // The front end sends it back as it is: another hop in between would add its Via on top.
  std::string back = sent.bytes;
  back.insert(back.find("Via:"), "Via: SIP/2.0/TLS fe1.example.com;branch=z9hG4bK-fe\r\n");
  receive(from_fe2(), back);
  take_response(kFromFe2, 482);
  // Routed by something else, it is a spiral and goes on.
  back.replace(back.find("sip:bob@"), 8, "sip:rob@");
  receive(from_fe2(), back);
  take_request(fe1, Method::message);
}

TEST_F(Messages, R10_OptionsToOurselvesIsAnswered) {
  RequestText request;
  request.method = "OPTIONS";
  for (const std::string uri :
       {"sip:sip.example.com", "sip:198.51.100.1:5061", "sip:10.2.0.1:5061;transport=tls"}) {
    request.uri = uri;
    receive(from_partner(), request);
    Taken answer = take_response(kFromPartner, 200);
    EXPECT_FALSE(value_of(answer.message(), HeaderId::allow).empty());
    EXPECT_FALSE(answer.message().to_tag.empty());
  }
  request.uri = "sip:bob@example.com";
  receive(from_partner(), request);
  take_request(fe1, Method::options);
  request.uri = "sip:sip.example.com";
  request.branch = "z9hG4bK-b";
  receive(from_stranger(), request);
  take_response(kFromStranger, 403);
}

TEST_F(Messages, T4_StrangersAndForeignDomainsAreRefused) {
  receive(from_stranger(), RequestText{});
  Taken answer = take_response(kFromStranger, 403);
  EXPECT_EQ(answer.message().reason, "No partner entry for this certificate");
  RequestText request;
  request.from = "<sip:mallory@elsewhere.example>;tag=1";
  receive(from_partner(), request);
  take_response(kFromPartner, 403);
  EXPECT_EQ(counter("fedge_signal_refused_total{reason=\"stranger\"}"), 1u);
  EXPECT_EQ(counter("fedge_signal_refused_total{reason=\"partner_domain\"}"), 1u);
  expect_idle();
}

TEST_F(Messages, R10_RepetitionIsAbsorbed) {
  receive(from_partner(), RequestText{});
  take();
  receive(from_partner(), RequestText{});
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(proxy.server_transactions(), 1u);
  // Another method with the same branch is another transaction; so is another peer's.
  RequestText other;
  other.method = "INFO";
  receive(from_partner(), other);
  take_request(fe1, Method::info);
}

// The caller's connection broke: the answer goes where the caller asked again.
TEST_F(Messages, R10_18_2_2_ARepetitionOnANewConnectionIsAnsweredThere) {
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  Arrival again = from_partner();
  again.connection = 77;
  receive(again, RequestText{});
  respond(sent, 200);
  take_response(77, 200);
  expect_idle();
}

TEST_F(Messages, R10_17_2_3_MatchesWithoutCookie) {
  RequestText request;
  request.branch = "1";
  receive(from_partner(), request);
  take();
  receive(from_partner(), request);
  EXPECT_TRUE(outbound.empty());
  request.uri = "sip:bert@example.com";
  receive(from_partner(), request);
  take_request(fe1, Method::message);
}

TEST_F(Messages, R10_StrayResponsesGoNowhere) {
  receive(from_partner(), RequestText{});
  Taken sent = take();
  respond(sent, 200);
  take_response(kFromPartner, 200);
  respond(sent, 200);
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(counter("fedge_signal_dropped_total{what=\"stray_response\"}"), 1u);
}

TEST_F(Messages, R10_ResponseTakesAnotherConnectionToTheSamePeer) {
  receive(from_partner(), RequestText{});
  Taken sent = take();
  outbound.send_outcomes[kFromPartner] = SendOutcome::gone;
  respond(sent, 200);
  Taken answer = take();
  EXPECT_EQ(answer.next_hop, partner_edge);
  EXPECT_EQ(answer.token, 0u);
}

TEST_F(Messages, R10_LargeBodiesPass) {
  RequestText request;
  request.body = std::string(60000, 'x');
  receive(from_partner(), request);
  Taken sent = take();
  EXPECT_EQ(sent.message().body, request.body);
  respond(sent, 200);
  take_response(kFromPartner, 200);
  expect_idle();
}

class Full : public World {
 public:
  Full() : World(Capacity{4, 65536}) {}
};

TEST_F(Full, R10_RefusesWithoutStateWhenFull) {
  RequestText request;
  for (int i = 0; i < 4; ++i) {
    request.branch = "z9hG4bK-" + std::to_string(i);
    receive(from_partner(), request);
    take_request(fe1, Method::message);
  }
  request.branch = "z9hG4bK-4";
  receive(from_partner(), request);
  Taken answer = take_response(kFromPartner, 503);
  expect_retry_after(answer.message());
  EXPECT_EQ(proxy.server_transactions(), 4u);
}

TEST_F(Full, R10_MemoryComesBack) {
  for (int i = 0; i < 300; ++i) {
    RequestText request;
    request.branch = "z9hG4bK-" + std::to_string(i);
    request.body = std::string(i % 3 == 0 ? 100 : i % 3 == 1 ? 5000 : 50000, 'x');
    receive(from_partner(), request);
    Taken sent = take_request(fe1, Method::message);
    if (i % 2 == 0) {
      respond(sent, 200);
      take_response(kFromPartner, 200);
    } else {
      respond(sent, 503);
      Taken again = take_request(fe2, Method::message);
      respond(again, 200);
      take_response(kFromPartner, 200);
    }
  }
  expect_idle();
}

TEST_F(Full, R10_AcceptedCallsMakeRoom) {
  RequestText request;
  request.method = "INVITE";
  for (int i = 0; i < 20; ++i) {
    request.branch = "z9hG4bK-" + std::to_string(i);
    receive(from_partner(), request);
    take_response(kFromPartner, 100);
    Taken sent = take_request(fe1, Method::invite);
    respond(sent, 200);
    take_response(kFromPartner, 200);
  }
  EXPECT_EQ(proxy.server_transactions(), 4u);
  pass(33s);
  expect_idle();
}

}  // namespace fedge::sip
