// Descriptions that tests share.
#pragma once

#include <string>
#include <string_view>

namespace fedge::sdp::test {

// Lines with LF as the wire has them.
inline std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

// Audio and video with ICE, rtcp beside and muxed, as an offer behind a NAT looks.
inline const std::string kOffer = crlf(
    "v=0\n"
    "o=- 4 7 IN IP4 10.1.2.3\n"
    "s=session\n"
    "c=IN IP4 10.1.2.3\n"
    "b=CT:99980\n"
    "t=0 0\n"
    "a=x-unknown:  kept,  as it is \n"
    "m=audio 50020 RTP/SAVP 8 97 101\n"
    "a=candidate:1 1 UDP 2130706431 10.1.2.3 50020 typ host\n"
    "a=candidate:1 2 UDP 2130705918 10.1.2.3 50021 typ host\n"
    "a=candidate:2 1 UDP 1694498815 192.0.2.9 61000 typ srflx raddr 10.1.2.3 rport 50020 "
    "generation 0\n"
    "a=ice-ufrag:qkEP\n"
    "a=ice-pwd:ed6f9GuHjLcoCN6sC/Eh7fVl\n"
    "a=rtcp:50021 IN IP4 10.1.2.3\n"
    "a=rtpmap:97 opus/48000/2\n"
    "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:WnDmqkqtmjS1B1Ae|2^31\n"
    "a=sendonly\n"
    "m=video 50030/2 RTP/AVP 34\n"
    "i=a camera\n"
    "a=rtcp-mux\n");

}  // namespace fedge::sdp::test
