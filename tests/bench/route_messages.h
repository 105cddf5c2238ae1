// A proxy whose routing table is the one under test, and messages that end where it has decided:
// the route that every one of them finds leads back to where it came from (482), so that nothing
// is forwarded and no transaction stays. A stranger's message is refused as far on, but before a
// route is looked up: what the two differ in is what the message pays for its route.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "dataplane/sip/proxy.h"
#include "firmware/base/timers.h"
#include "tests/unit/snapshot/samples.h"

namespace fedge::bench {

class RouteMessages {
 public:
  explicit RouteMessages(const snapshot::Section<snapshot::Routing>& routing)
      : proxy_({65536, 65536}, wheel_, outbound_, counters_, 0x5eed) {
    proxy_.use({&appliance_.section, &realms_.section, &listeners_.section, &routing,
                &signalling_.section},
               now_);
    arrival_.connection = 1;
    arrival_.realm = arrival_.listener = 0;
    arrival_.local = snapshot::endpoint("10.1.0.1:5061");
    arrival_.remote = snapshot::endpoint("10.2.0.2:40000");
  }

  // One MESSAGE to alice@domain, from its octets to the answer.
  void pass(std::string_view domain, sip::PeerKind from) {
    arrival_.peer = {
        from, "fe1.example.com", {}, from == sip::PeerKind::inside ? 0 : sip::kNoNextHop};
    char* at = std::ranges::copy(kBefore, text_.data()).out;
    at = std::ranges::copy(domain, at).out;
    at = std::ranges::copy(kBehind, at).out;
    sip::parse({text_.data(), at}, message_, from == sip::PeerKind::inside ? &proxy_ : nullptr);
    proxy_.on_message(arrival_, message_, now_);
  }
  // The status of the last answer.
  std::string_view status() const { return outbound_.status; }

 private:
  template <class Root>
  struct Opened {
    explicit Opened(std::string from)
        : bytes(std::move(from)), section(*snapshot::Section<Root>::open(as_bytes(bytes))) {}
    std::string bytes;
    snapshot::Section<Root> section;
  };
  struct Answers final : sip::Outbound {
    sip::SendOutcome send(sip::ConnectionId, std::string_view bytes) override {
      status = bytes.substr(8, 3);
      return sip::SendOutcome::sent;
    }
    sip::SendResult send_to_next_hop(uint32_t, std::string_view, sip::SendToken) override {
      return {};
    }
    std::string_view status;
  };

  static constexpr std::string_view kBefore = "MESSAGE sip:alice@";
  static constexpr std::string_view kBehind =
      " SIP/2.0\r\n"
      "Via: SIP/2.0/TLS fe1.example.com:5061;branch=z9hG4bK-524287-1---77aa01;rport\r\n"
      "Max-Forwards: 70\r\n"
      "From: \"Bob\" <sip:bob@example.com>;tag=8acf12\r\n"
      "To: <sip:alice@example.net>\r\n"
      "Call-ID: 7d1cbb01a2@example.com\r\n"
      "CSeq: 4711 MESSAGE\r\n"
      "Contact: <sip:bob@10.2.0.3:5061;transport=tls>\r\n"
      "Content-Type: text/plain\r\n"
      "Content-Length: 18\r\n"
      "\r\n"
      "See you at eleven.";

  Instant now_{};
  TimerWheel wheel_{now_};
  Counters counters_;
  Answers outbound_;
  Opened<snapshot::Appliance> appliance_{snapshot::sample_appliance()};
  Opened<snapshot::Realms> realms_{snapshot::sample_realms()};
  Opened<snapshot::Listeners> listeners_{snapshot::sample_listeners()};
  Opened<snapshot::Signalling> signalling_{snapshot::sample_signalling()};
  sip::Proxy proxy_;
  sip::Arrival arrival_;
  sip::Message message_;
  std::array<char, 1024> text_;
};

}  // namespace fedge::bench
