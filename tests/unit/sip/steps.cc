// The steps of RFC 3261 section 16 that the call flows beside this file do not show; README.md of
// dataplane/sip says which test shows which step.
#include "tests/unit/sip/world.h"

namespace fedge::sip {

namespace {

RequestText invite() {
  RequestText request;
  request.method = "INVITE";
  request.headers = "Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.7:5061;transport=tls>\r\n";
  return request;
}

}  // namespace

using Steps16_3 = World;

// The checks come in this order: what fails several hears of the first.
TEST_F(Steps16_3, R10_TheStepsComeInTheirOrder) {
  RequestText request;
  request.uri = "soap.beep://bob@example.com";
  request.headers = "Max-Forwards: 0\r\nProxy-Require: foo\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 416);
  request.uri = "tel:+15551234";
  receive(from_partner(), request);
  take_response(kFromPartner, 416);
  request.uri = "sip:bob@example.com";
  receive(from_partner(), request);
  take_response(kFromPartner, 483);
  request.headers = "Max-Forwards: 1\r\nProxy-Require: foo\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 420);
  expect_idle();
}

TEST_F(Steps16_3, R10_Step1_UnknownMethodsAndHeadersAreNoDefect) {
  RequestText request;
  request.method = "XYZZY";
  request.headers = "X-Odd: \"unbalanced\r\nRequire: nothing-we-know\r\nMax-Forwards: 70\r\n";
  receive(from_partner(), request);
  Taken sent = take();
  EXPECT_NE(sent.bytes.find("X-Odd: \"unbalanced\r\n"), std::string::npos);
  EXPECT_NE(sent.bytes.find("Require: nothing-we-know\r\n"), std::string::npos);
}

TEST_F(Steps16_3, R10_Step3_OptionsWithoutForwardsLeftIsNotOursToAnswer) {
  RequestText request;
  request.method = "OPTIONS";
  request.headers = "Max-Forwards: 0\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 483);
}

// We ask nobody for credentials: those for others pass.
TEST_F(Steps16_3, R10_Step6_CredentialsPassUntouched) {
  RequestText request;
  request.headers =
      "Max-Forwards: 70\r\nProxy-Authorization: Digest realm=\"inside\", nonce=\"1\"\r\n";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_NE(sent.bytes.find("Proxy-Authorization: Digest realm=\"inside\", nonce=\"1\"\r\n"),
            std::string::npos);
}

using Steps16_4 = World;

TEST_F(Steps16_4, R10_AnMaddrOfOursIsTakenOff) {
  RequestText request;
  request.uri = "sip:bob@example.com:5061;user=ip;maddr=198.51.100.1;transport=tls;x=y";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(sent.message().request_uri, "sip:bob@example.com;user=ip;x=y");
  request.uri = "sip:bob@example.com;maddr=10.1.0.1";
  request.branch = "z9hG4bK-2";
  receive(from_partner(), request);
  EXPECT_EQ(take_request(fe1, Method::message).message().request_uri, "sip:bob@example.com");
}

TEST_F(Steps16_4, R10_AnMaddrOfOursIsTakenOffBesideARouteOfOurs) {
  RequestText request;
  request.uri = "sip:bob@example.com;maddr=198.51.100.1";
  request.headers = "Max-Forwards: 70\r\nRoute: <sip:198.51.100.1:5061;lr>\r\n";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(sent.message().request_uri, "sip:bob@example.com");
  EXPECT_EQ(sent.message().find(HeaderId::route), nullptr);

  request.uri = "sip:alice@partner.example;maddr=10.2.0.1";
  request.headers =
      "Max-Forwards: 70\r\nRoute: <sip:10.2.0.1:5061;lr>, <sip:fe2.example.com;lr>\r\n";
  request.branch = "z9hG4bK-2";
  receive(from_fe1(), request);
  sent = take_request(fe2, Method::message);
  EXPECT_EQ(sent.message().request_uri, "sip:alice@partner.example");
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 0), "<sip:fe2.example.com;lr>");
}

TEST_F(Steps16_4, R10_AnotherMaddrStays) {
  int n = 0;
  for (const std::string uri :
       {"sip:bob@example.com;maddr=192.0.2.99", "sip:bob@example.com:5070;maddr=198.51.100.1",
        "sip:bob@example.com;maddr=198.51.100.1;transport=tcp"}) {
    RequestText request;
    request.uri = uri;
    request.branch = "z9hG4bK-" + std::to_string(++n);
    receive(from_partner(), request);
    EXPECT_EQ(take_request(fe1, Method::message).message().request_uri, uri);
  }
}

TEST_F(Steps16_4, R10_AllRoutesOfOursAreTakenOffAndOthersStay) {
  RequestText request;
  request.to += ";tag=9";
  request.headers =
      "Route: <sip:10.2.0.1:5061;lr>\r\nX-Between: 1\r\nRoute: <sip:198.51.100.1:5061;lr>, "
      "<sip:fe2.example.com;lr>\r\nRoute: <sip:10.2.0.1:5061;lr>\r\n";
  receive(from_fe1(), request);
  Taken sent = take_request(fe2, Method::message);
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 0), "<sip:fe2.example.com;lr>");
  // Behind somebody else's it is theirs to bring back.
  EXPECT_EQ(value_of(sent.message(), HeaderId::route, 1), "<sip:10.2.0.1:5061;lr>");
}

using Steps16_5 = World;

TEST_F(Steps16_5, R10_TheUserComesBeforeTheDomain) {
  RequestText request;
  request.uri = "sip:carol@example.com";
  receive(from_partner(), request);
  take_request(imp, Method::message);
}

TEST_F(Steps16_5, R10_AnEmptyTargetSetIs404) {
  RequestText request;
  request.uri = "sip:bob@nowhere.example";
  request.from = "<sip:bob@example.com>;tag=1";
  receive(from_fe1(), request);
  take_response(kFromFe1, 404);
}

using Steps16_6 = World;

TEST_F(Steps16_6, R10_Step1_WhatIsNotOursToChangeIsTheSameOctets) {
  const std::string tail = "Subject:  two  spaces\r\nX-Folded: a\r\n  b\r\ni2: x\r\ns: compact\r\n";
  RequestText request;
  request.headers = "Max-Forwards: 70\r\n" + tail;
  request.body = std::string("\0\r\n\r\nbinary\xff", 13);
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_NE(sent.bytes.find(tail), std::string::npos);
  EXPECT_EQ(sent.message().body, request.body);
}

TEST_F(Steps16_6, R10_Step2_TheRequestUriStaysAsItIs) {
  RequestText request;
  request.uri = "SIP:b%6Fb@EXAMPLE.com;User=phone;x";
  receive(from_partner(), request);
  EXPECT_EQ(take_request(fe1, Method::message).message().request_uri, request.uri);
}

TEST_F(Steps16_6, R10_Step4_OnlyRequestsThatFormADialogAreRecorded) {
  const std::vector<std::pair<std::string, size_t>> methods = {
      {"INVITE", 2},  {"SUBSCRIBE", 2}, {"REFER", 2},   {"NOTIFY", 2}, {"UPDATE", 2},
      {"MESSAGE", 0}, {"OPTIONS", 0},   {"SERVICE", 0}, {"INFO", 0},   {"BYE", 0}};
  for (const auto& [method, records] : methods) {
    RequestText request;
    request.method = method;
    receive(from_partner(), request);
    if (method == "INVITE") take_response(kFromPartner, 100);
    Taken sent = take();
    EXPECT_EQ(count_of(sent.message(), HeaderId::record_route), records) << method;
  }
}

TEST_F(Steps16_6, R10_Step4_RecordRoutesOfOthersStayBelowOurs) {
  RequestText request = invite();
  request.headers += "Record-Route: <sip:before.partner.example;lr>\r\n";
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken sent = take_request(fe1, Method::invite);
  EXPECT_EQ(value_of(sent.message(), HeaderId::record_route, 2), "<sip:before.partner.example;lr>");
}

TEST_F(Steps16_6, R10_Step5_NoOtherHeadersAreAdded) {
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  // Via, Max-Breadth, and ms-edge-proxy-message-trust (T6).
  const std::string text = RequestText{}.text();
  const auto lines = [](std::string_view t) { return std::count(t.begin(), t.end(), '\n'); };
  EXPECT_EQ(lines(sent.bytes), lines(text) + 3);
}

TEST_F(Steps16_6, R10_Step8_ABranchForEachTransaction) {
  receive(from_partner(), RequestText{});
  RequestText second;
  second.branch = "z9hG4bK-b";
  receive(from_partner(), second);
  Taken a = take_request(fe1, Method::message);
  Taken b = take_request(fe1, Method::message);
  EXPECT_NE(a.message().via.branch, b.message().via.branch);
  EXPECT_TRUE(a.message().via.branch.starts_with("z9hG4bK"));
  // What it was routed by is the same, and that part of the branch too (RFC 5393 4.2.2).
  EXPECT_EQ(a.message().via.branch.substr(33), b.message().via.branch.substr(33));
}

TEST_F(Steps16_6, R10_Step9_ContentLengthStaysTrue) {
  RequestText request;
  request.body = "four";
  receive(from_partner(), request);
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(sent.message().content_length, 4u);
  EXPECT_EQ(count_of(sent.message(), HeaderId::content_length), 1u);
}

TEST_F(Steps16_6, R10_Step10_SentOnAConnectionToTheTarget) {
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  EXPECT_EQ(sent.next_hop, fe1);
  EXPECT_NE(sent.token, 0u);
}

// Timer C runs for INVITE that has a provisional response, and for nothing else.
TEST_F(Steps16_6, R10_Step11_TimerCIsForInviteOnly) {
  RequestText request = invite();
  receive(from_partner(), request);
  take_response(kFromPartner, 100);
  Taken sent = take_request(fe1, Method::invite);
  respond(sent, 100);
  pass(184s);
  EXPECT_TRUE(outbound.empty());
  pass(2s);
  take_request(fe1, Method::cancel);
}

class Steps16_7 : public World {
 public:
  Taken start() {
    receive(from_partner(), invite());
    take_response(kFromPartner, 100);
    return take_request(fe1, Method::invite);
  }
};

TEST_F(Steps16_7, R10_Step1_AResponseOfNoTransactionGoesNowhere) {
  Taken sent = start();
  std::string other = sent.bytes;
  const size_t at = other.find("branch=") + 7 + 7 + 9;  // a digit of the nonce
  other[at] = other[at] == '0' ? '1' : '0';
  Taken forged;
  forged.next_hop = fe1;
  forged.connection = sent.connection;
  forged.bytes = other;
  respond(forged, 200);
  EXPECT_TRUE(outbound.empty());
}

TEST_F(Steps16_7, R10_Step2_100DoesNotResetTimerC) {
  Taken sent = start();
  respond(sent, 180);
  take_response(kFromPartner, 180);
  pass(100s);
  respond(sent, 100);
  pass(86s);
  take_request(fe1, Method::cancel);
}

TEST_F(Steps16_7, R10_Step5_NoProvisionalButToInvite) {
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  respond(sent, 183);  // RFC 4320 4.1
  EXPECT_TRUE(outbound.empty());
  pass(3501ms);
  Taken trying = take_response(kFromPartner, 100);
  EXPECT_EQ(count_of(trying.message(), HeaderId::via), 1u);
  EXPECT_TRUE(trying.message().to_tag.empty());
  pass(10s);
  EXPECT_TRUE(outbound.empty());  // once
  respond(sent, 200);
  take_response(kFromPartner, 200);
  expect_idle();
}

TEST_F(Steps16_7, R10_Step6_TheBestOfAllTargetsTriedInTurn) {
  Taken sent = start();
  respond(sent, 408, "X-First: yes\r\n");
  take_request(fe1, Method::ack);
  Taken second = take_request(fe2, Method::invite);
  respond(second, 503);
  take_request(fe2, Method::ack);
  Taken answer = take_response(kFromPartner, 408);
  EXPECT_NE(answer.bytes.find("X-First: yes\r\n"), std::string::npos);
}

TEST_F(Steps16_7, R10_Step6_AnAnswerIsBetterThanNoConnection) {
  receive(from_partner(), RequestText{});
  Taken sent = take_request(fe1, Method::message);
  respond(sent, 503, "Warning: 399 fe1 \"full\"\r\n");
  Taken second = take_request(fe2, Method::message);
  proxy.on_send_failed(second.token, SendFailure::connect_refused, now);
  Taken answer = take_response(kFromPartner, 500);
  EXPECT_NE(answer.bytes.find("Warning: 399 fe1"), std::string::npos);
  expect_idle();
}

TEST_F(Steps16_7, R10_Step8And9_TheResponsePassesAsItIs) {
  Taken sent = start();
  const std::string extra = "Server:  x  y\r\nX-Odd: 1\r\nContact: <sip:bob@10.2.9.9>\r\n";
  respond(sent, 180, extra);
  Taken ringing = take_response(kFromPartner, 180);
  EXPECT_NE(ringing.bytes.find(extra), std::string::npos);
  EXPECT_EQ(ringing.message().to_tag, "b1");
  EXPECT_EQ(count_of(ringing.message(), HeaderId::record_route), 2u);
  EXPECT_EQ(value_of(ringing.message(), HeaderId::via),
            "SIP/2.0/TLS a.partner.example:5061;branch=z9hG4bK-a;received=203.0.113.5");
}

class Steps17_2_1 : public Steps16_7 {};

TEST_F(Steps17_2_1, R10_ARepeatedInviteHearsItsRefusalAgain) {
  Taken sent = start();
  respond(sent, 486, "X-Why: told\r\n");
  take_request(fe1, Method::ack);
  Taken answer = take_response(kFromPartner, 486);
  receive(from_partner(), invite());
  EXPECT_EQ(take_response(kFromPartner, 486).bytes, answer.bytes);
  RequestText ack = invite();
  ack.method = "ACK";
  receive(from_partner(), ack);
  expect_idle();
}

TEST_F(Steps17_2_1, R10_AlsoOneOfOurOwn) {
  outbound.outcomes[fe1] = outbound.outcomes[fe2] = SendOutcome::gone;
  receive(from_partner(), invite());
  take_response(kFromPartner, 100);
  Taken answer = take_response(kFromPartner, 500);
  receive(from_partner(), invite());
  EXPECT_EQ(take_response(kFromPartner, 500).bytes, answer.bytes);
  pass(33s);
  expect_idle();
}

// RFC 6026 7.1: a repeated INVITE behind a 2xx is absorbed; the 2xx is the callee's to repeat.
TEST_F(Steps17_2_1, R10_6026_ARepeatedInviteBehindASuccessIsAbsorbed) {
  Taken sent = start();
  respond(sent, 200);
  take_response(kFromPartner, 200);
  receive(from_partner(), invite());
  EXPECT_TRUE(outbound.empty());
}

using Steps16_11 = World;

TEST_F(Steps16_11, R10_AnAckIsForwardedWithoutStateAndWithoutABranchOfOurs) {
  RequestText ack = invite();
  ack.method = "ACK";
  receive(from_partner(), ack);
  Taken sent = take_request(fe1, Method::ack);
  EXPECT_EQ(sent.token, 0u);
  EXPECT_EQ(count_of(sent.message(), HeaderId::via), 2u);
  expect_idle();
}

}  // namespace fedge::sip
