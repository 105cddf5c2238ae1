// What framing, parsing and forwarding one message costs. An ordinary message parses in less than
// a microsecond, and every one in less time than Sofia-SIP takes for it:
// bar: parse_message/message 1000 ns
// bar: parse_message/response 1000 ns
// bar: parse_message/message 1 times sofia_sip/message
// bar: parse_message/response 1 times sofia_sip/response
// bar: parse_message/invite 1 times sofia_sip/invite
// bar: parse_message/subscribe 1 times sofia_sip/subscribe
// bar: parse_message/bye 1 times sofia_sip/bye
#include <benchmark/benchmark.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

#include <array>
#include <string>
#include <string_view>

#include "firmware/wire/sip/stream.h"
#include "firmware/wire/sip/writer.h"

namespace {

using namespace fedge::sip;

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

std::string with_body(std::string_view head, std::string_view body) {
  const std::string text = crlf(body);
  return crlf(head) + "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
}

const std::string kMessage = crlf(
    "MESSAGE sip:bob@example.com SIP/2.0\n"
    "Via: SIP/2.0/TLS sip.partner.net:5061;branch=z9hG4bK-524287-1---77aa01;rport\n"
    "Max-Forwards: 70\n"
    "From: \"Alice\" <sip:alice@partner.net>;tag=8acf12\n"
    "To: <sip:bob@example.com>\n"
    "Call-ID: 7d1cbb01a2@partner.net\n"
    "CSeq: 4711 MESSAGE\n"
    "Contact: <sip:alice@10.1.2.3:5061;transport=tls>\n"
    "Content-Type: text/plain\n"
    "Content-Length: 18\n"
    "\n"
    "See you at eleven.");

const std::string kResponse = crlf(
    "SIP/2.0 200 OK\n"
    "Via: SIP/2.0/TLS edge.example.com:5061;branch=z9hG4bKf00dd00d\n"
    "Via: SIP/2.0/TLS sip.partner.net:5061;branch=z9hG4bK-524287-1---77aa01;rport=40022;"
    "received=192.0.2.7\n"
    "Record-Route: <sip:edge.example.com:5061;transport=tls;lr>\n"
    "From: \"Alice\" <sip:alice@partner.net>;tag=8acf12\n"
    "To: <sip:bob@example.com>;tag=11d0\n"
    "Call-ID: 7d1cbb01a2@partner.net\n"
    "CSeq: 4711 MESSAGE\n"
    "Server: RTC/7.0\n"
    "Content-Length: 0\n"
    "\n");

// A Lync or Skype for Business INVITE as its edge sends it.
const std::string kInvite = with_body(
    "INVITE sip:bob@example.com SIP/2.0\n"
    "Record-Route: <sip:sip.partner.net:5061;transport=tls;epid=0f3c;lr>;tag=7C6B0E1F\n"
    "Via: SIP/2.0/TLS 192.0.2.7:50921;branch=z9hG4bK8A1BBBE1.6F0CC;branched=FALSE\n"
    "Via: SIP/2.0/TLS 10.1.2.10:59021;branch=z9hG4bKFA99A.EE.1;branched=FALSE;ms-received-port="
    "59021;ms-received-cid=2E00\n"
    "Via: SIP/2.0/TLS 10.1.2.77:51012;ms-received-port=51012;ms-received-cid=4B00\n"
    "Max-Forwards: 67\n"
    "From: \"Alice Example\"<sip:alice@partner.net>;tag=c0ffee1234;epid=0f3cd2ab91\n"
    "To: <sip:bob@example.com>\n"
    "Call-ID: 1d2cb52a5e5b4e2c9cc7e3ca7ad98dfe\n"
    "CSeq: 1 INVITE\n"
    "Contact: <sip:alice@partner.net;opaque=user:epid:AbCdEfGhIjKlMnOp;gruu>\n"
    "User-Agent: UCCAPI/16.0.4266.1001 OC/16.0.4266.1001 (Skype for Business)\n"
    "Supported: ms-dialog-route-set-update\n"
    "Supported: timer, histinfo, ms-safe-transfer, ms-sender, ms-early-media, 100rel, replaces\n"
    "Ms-Conversation-ID: 0bc1f6b5e39b4ad9a0a9d5df9d3b0a24\n"
    "ms-keep-alive: UAC;hop-hop=yes\n"
    "Allow: INVITE, BYE, ACK, CANCEL, INFO, MESSAGE, UPDATE, REFER, NOTIFY, PRACK\n"
    "P-Asserted-Identity: \"Alice Example\" <sip:alice@partner.net>\n"
    "ms-edge-proxy-message-trust: ms-source-type=EdgeProxyGenerated;ms-ep-fqdn=edge.partner.net;"
    "ms-source-verified-user=verified\n"
    "Content-Type: application/sdp\n",
    "v=0\no=- 0 0 IN IP4 192.0.2.7\ns=session\nc=IN IP4 192.0.2.7\nt=0 0\nm=message 5060 sip null\n"
    "a=accept-types:text/plain\n");

const std::string kSubscribe = crlf(
    "SUBSCRIBE sip:bob@example.com SIP/2.0\n"
    "Via: SIP/2.0/TLS 192.0.2.8:5061;branch=z9hG4bK4d3a8e1c\n"
    "From: <sip:carol@cups.example.net>;tag=4c1c7f\n"
    "To: <sip:bob@example.com>\n"
    "Call-ID: 5e3c1a80-5b2fe8ed-3@10.2.0.4\n"
    "CSeq: 101 SUBSCRIBE\n"
    "Max-Forwards: 69\n"
    "Contact: <sip:carol@10.2.0.4:5061;transport=tls>\n"
    "Expires: 7446\n"
    "Event: presence\n"
    "Accept: application/pidf+xml, application/cpim-pidf+xml\n"
    "User-Agent: Cisco-Systems-Partitioned 8.0\n"
    "Content-Length: 0\n"
    "\n");

const std::string kBye = crlf(
    "BYE sip:alice@10.1.2.3:5061;transport=tls SIP/2.0\n"
    "v: SIP/2.0/TLS fe01.example.com:5061;branch=z9hG4bK99.1.c0\n"
    "Route: <sip:edge.example.com:5061;transport=tls;lr>, <sip:sip.partner.net;lr>\n"
    "f: <sip:bob@example.com>;tag=11d0\n"
    "t: \"Alice\" <sip:alice@partner.net>;tag=8acf12\n"
    "i: 7d1cbb01a2@partner.net\n"
    "CSeq: 2 BYE\n"
    "Max-Forwards: 70\n"
    "l: 0\n"
    "\n");

void frame(benchmark::State& state, const std::string& text) {
  StreamFramer framer;
  for (auto _ : state) benchmark::DoNotOptimize(framer.next(text));
}

void parse_message(benchmark::State& state, const std::string& text) {
  static Message message;
  if (parse(text, message) != Defect::none) state.SkipWithError("the message does not parse");
  for (auto _ : state) benchmark::DoNotOptimize(parse(text, message));
}

// Sofia-SIP as its transport uses it: a message from octets, every header that it knows taken
// apart. It keeps what it finds in memory of its own, which is part of its price.
void sofia_sip(benchmark::State& state, const std::string& text) {
  const msg_mclass_t* const sip = sip_default_mclass();
  for (auto _ : state) {
    msg_t* const made = msg_make(sip, 0, text.data(), static_cast<ssize_t>(text.size()));
    const auto* const parsed = made == nullptr ? nullptr : sip_object(made);
    if (parsed == nullptr || parsed->sip_error != nullptr || parsed->sip_cseq == nullptr) {
      state.SkipWithError("the message does not parse");
    }
    msg_destroy(made);
  }
}

// All that forwarding does to the octets: frame, parse, edit, write.
void forward(benchmark::State& state, const std::string& text) {
  static Message message;
  StreamFramer framer;
  std::array<char, 8192> out;
  for (auto _ : state) {
    const Frame cut = framer.next(text);
    parse(std::string_view(text).substr(0, cut.size), message);
    Editor editor(message);
    if (message.is_request) {
      editor.prepend(HeaderId::via, "SIP/2.0/TLS edge.example.com:5061;branch=z9hG4bKf00dd00d");
      editor.prepend(HeaderId::record_route, "<sip:edge.example.com:5061;transport=tls;lr>");
      for (size_t i = 0; i < message.header_count; ++i) {
        const HeaderId id = message.header_store[i].id;
        if (id == HeaderId::max_forwards) editor.replace(i, "69");
        if (id == HeaderId::route) editor.drop_values(i);
        if (id == HeaderId::ms_edge_proxy_message_trust) editor.remove(i);
      }
    } else {
      editor.drop_values(0);
    }
    benchmark::DoNotOptimize(editor.write(out));
  }
}

BENCHMARK_CAPTURE(frame, message, kMessage);
BENCHMARK_CAPTURE(frame, invite, kInvite);
BENCHMARK_CAPTURE(sofia_sip, message, kMessage);
BENCHMARK_CAPTURE(sofia_sip, response, kResponse);
BENCHMARK_CAPTURE(sofia_sip, invite, kInvite);
BENCHMARK_CAPTURE(sofia_sip, subscribe, kSubscribe);
BENCHMARK_CAPTURE(sofia_sip, bye, kBye);
BENCHMARK_CAPTURE(parse_message, message, kMessage);
BENCHMARK_CAPTURE(parse_message, response, kResponse);
BENCHMARK_CAPTURE(parse_message, invite, kInvite);
BENCHMARK_CAPTURE(parse_message, subscribe, kSubscribe);
BENCHMARK_CAPTURE(parse_message, bye, kBye);
BENCHMARK_CAPTURE(forward, message, kMessage);
BENCHMARK_CAPTURE(forward, response, kResponse);
BENCHMARK_CAPTURE(forward, invite, kInvite);

}  // namespace

BENCHMARK_MAIN();
