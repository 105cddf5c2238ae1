// What crosses between inside and outside in headers that only mean something between systems that
// trust each other (T6).
#include "dataplane/sip/header_trust.h"

#include "tests/unit/sip/world.h"

namespace fedge::sip {

namespace {

constexpr std::string_view kTrust =
    "ms-source-type=DirectPartner;ms-ep-fqdn=sip.example.com;"
    "ms-source-verified-user=verified;ms-source-network=federation";
constexpr auto kIdentity = HeaderId::p_asserted_identity;
constexpr auto kMessageTrust = HeaderId::ms_edge_proxy_message_trust;
constexpr auto kDiagnostics = HeaderId::ms_diagnostics;

RequestText to_partner(const std::string& headers) {
  RequestText text;
  text.uri = "sip:alice@partner.example";
  text.from = "<sip:bob@example.com>;tag=b1";
  text.to = "<sip:alice@partner.example>";
  text.headers = "Max-Forwards: 70\r\n" + headers;
  return text;
}

}  // namespace

class HeaderTrust : public World {};

TEST_F(HeaderTrust, T6_NothingThatAPartnerClaimsGetsIn) {
  for (const std::string claim :
       {"ms-edge-proxy-message-trust: ms-source-type=AuthorizedServer\r\n",
        "MS-Edge-Proxy-Message-Trust:ms-source-type=AuthorizedServer\r\n",
        "ms-edge-proxy-message-trust \t : ms-source-type=AuthorizedServer\r\n",
        "ms-edge-proxy-message-trust\t:\r\n ms-source-type=AuthorizedServer;\r\n\tms-ep-fqdn=x\r\n",
        "P-Asserted-Identity: <sip:boss@example.com>\r\n",
        "p-asserted-identity\t:\r\n <sip:boss@example.com>\r\nP-ASSERTED-IDENTITY : "
        "<tel:+1>\r\n"}) {
    RequestText text;
    text.headers += claim;
    receive(from_partner(), text);
    Taken sent = take_request(fe1, Method::message);
    EXPECT_EQ(count_of(sent.message(), kIdentity), 0u) << claim;
    EXPECT_EQ(count_of(sent.message(), kMessageTrust), 1u) << claim;
    EXPECT_EQ(value_of(sent.message(), kMessageTrust), kTrust) << claim;
    EXPECT_EQ(sent.bytes.find("AuthorizedServer"), std::string::npos) << claim;
    EXPECT_EQ(sent.bytes.find("boss"), std::string::npos) << claim;
    respond(sent, 200);
    take_response(kFromPartner, 200);
  }
}

TEST_F(HeaderTrust, T6_WhatIsOursStaysInside) {
  receive(from_fe1(), to_partner("ms-edge-proxy-message-trust: ms-source-type=AuthorizedServer\r\n"
                                 "ms-diagnostics: 1000;reason=\"internal\"\r\n"
                                 "P-Asserted-Identity: <sip:bob@example.com>\r\n"));
  Taken sent = take_request(partner_edge, Method::message);
  EXPECT_EQ(count_of(sent.message(), kMessageTrust), 0u);
  EXPECT_EQ(count_of(sent.message(), kDiagnostics), 0u);
  // The partner's edge checks who we say it is (RFC 3325).
  EXPECT_EQ(count_of(sent.message(), kIdentity), 1u);
}

TEST_F(HeaderTrust, T6_PrivacyKeepsTheIdentityInside) {
  for (const std::string privacy : {"id", "ID", "header; id", "user;critical", " user "}) {
    receive(from_fe1(), to_partner("Privacy: " + privacy +
                                   "\r\nP-Asserted-Identity: <sip:bob@example.com>\r\n"));
    Taken sent = take_request(partner_edge, Method::message);
    EXPECT_EQ(count_of(sent.message(), kIdentity), 0u) << privacy;
    respond(sent, 200);
    take_response(kFromFe1, 200);
  }
  receive(from_fe1(),
          to_partner("Privacy: none\r\nP-Asserted-Identity: <sip:bob@example.com>\r\n"));
  Taken sent = take_request(partner_edge, Method::message);
  EXPECT_EQ(count_of(sent.message(), kIdentity), 1u);
}

TEST_F(HeaderTrust, T6_ResponsesCrossByTheSameRules) {
  for (const uint16_t status : {200, 404}) {
    // Of a partner: marked, its reason kept, its identity not believed.
    receive(from_fe1(), to_partner(""));
    Taken asked = take_request(partner_edge, Method::message);
    respond(asked, status,
            "P-Asserted-Identity: <sip:eve@example.com>\r\n"
            "ms-edge-proxy-message-trust: ms-source-type=AuthorizedServer\r\n"
            "ms-diagnostics: 1003;reason=\"theirs\"\r\n");
    Taken in = take_response(kFromFe1, status);
    EXPECT_EQ(count_of(in.message(), kIdentity), 0u);
    EXPECT_EQ(value_of(in.message(), kMessageTrust), kTrust);
    EXPECT_EQ(count_of(in.message(), kMessageTrust), 1u);
    EXPECT_EQ(count_of(in.message(), kDiagnostics), 1u);
    // Of ours: nothing about us leaves.
    receive(from_partner(), RequestText{});
    Taken inside = take_request(fe1, Method::message);
    respond(inside, status,
            "ms-edge-proxy-message-trust: ms-source-type=AuthorizedServer\r\n"
            "MS-Diagnostics : 1003;source=\"fe1.example.com\"\r\n");
    Taken out = take_response(kFromPartner, status);
    EXPECT_EQ(count_of(out.message(), kMessageTrust), 0u);
    EXPECT_EQ(count_of(out.message(), kDiagnostics), 0u);
    EXPECT_EQ(out.bytes.find("fe1"), std::string::npos);
    pass(40s);
  }
}

TEST_F(HeaderTrust, T6_BetweenOurOwnNothingChanges) {
  RequestText text;
  text.uri = "sip:x@imp.example.com";
  text.from = "<sip:bob@example.com>;tag=b1";
  text.headers +=
      "ms-edge-proxy-message-trust: ms-source-type=AuthorizedServer\r\n"
      "P-Asserted-Identity: <sip:bob@example.com>\r\n";
  receive(from_fe1(), text);
  Taken sent = take_request(imp, Method::message);
  EXPECT_EQ(value_of(sent.message(), kMessageTrust), "ms-source-type=AuthorizedServer");
  EXPECT_EQ(count_of(sent.message(), kIdentity), 1u);
}

TEST_F(HeaderTrust, T6_OurOwnRefusalsSayWhyInsideOnly) {
  RequestText nowhere;
  nowhere.uri = "sip:x@nowhere.example";
  nowhere.from = "<sip:bob@example.com>;tag=b1";
  receive(from_fe1(), nowhere);
  EXPECT_EQ(value_of(take_response(kFromFe1, 404).message(), kDiagnostics),
            "1017;source=\"sip.example.com\";reason=\"No route to this domain\"");
  nowhere.from = "<sip:alice@partner.example>;tag=a1";
  receive(from_partner(), nowhere);
  EXPECT_EQ(count_of(take_response(kFromPartner, 403).message(), kDiagnostics), 0u);
  // Nobody at the other end.
  outbound.outcomes = {
      {partner_edge, SendOutcome::gone}, {fe1, SendOutcome::gone}, {fe2, SendOutcome::gone}};
  receive(from_fe1(), to_partner(""));
  EXPECT_EQ(value_of(take_response(kFromFe1, 500).message(), kDiagnostics),
            "1047;source=\"sip.example.com\";reason=\"No next hop could be reached\"");
  receive(from_partner(), RequestText{});
  EXPECT_EQ(count_of(take_response(kFromPartner, 500).message(), kDiagnostics), 0u);
}

}  // namespace fedge::sip
