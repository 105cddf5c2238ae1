// What this edge is called in SIP, per side: what stands in Via and Record-Route, and which hosts
// in a Route or Request-URI mean ourselves. Built at publish.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/header_trust.h"
#include "dataplane/sip/proxy.h"

namespace fedge::sip {

// One address of ours as the systems on that side reach it: the public address where there is
// one, and a listener's port.
struct Side {
  std::string via;      // "SIP/2.0/TLS 192.0.2.1:5061;alias;branch="
  std::string sent_by;  // "192.0.2.1:5061", "[2001:db8::1]:5061"
  snapshot::Transport transport = snapshot::Transport::tls;
};

class Identity {
 public:
  Identity() = default;
  explicit Identity(const SnapshotView& snapshot);

  // The side a message arrived on, and the side of a connection that we dial.
  const Side& side_of(const Arrival& arrival) const;
  const Side& side_of(uint16_t realm, snapshot::Transport transport, bool is_v6) const;
  // Whether a hostport is one of our sides, or our name with the port of one. Port 0 stands for
  // 5060 and 5061.
  bool is_ours(std::string_view host, uint16_t port) const;
  // The value of ms-edge-proxy-message-trust for what came from there.
  std::string_view message_trust(Origin origin) const {
    return message_trust_[static_cast<size_t>(origin)];
  }
  const std::string& fqdn() const { return fqdn_; }

 private:
  struct Name {
    uint64_t host;
    uint16_t port;
    friend auto operator<=>(const Name&, const Name&) = default;
  };
  void add_listeners(const SnapshotView& snapshot);
  void add_realms(const SnapshotView& snapshot);
  Side make_realm_side(const SnapshotView& snapshot, uint16_t realm, snapshot::Transport transport,
                       bool is_v6);
  void add_names(const IpAddress& address, const IpAddress& seen, uint16_t port);

  std::string fqdn_;
  std::array<std::string, 3> message_trust_;  // by Origin
  Side nowhere_;                              // stands in for a realm that is none
  std::vector<Side> listeners_;
  std::vector<Side> realms_;  // four each: TCP and TLS over IPv4, then over IPv6
  std::vector<Name> names_;
};

}  // namespace fedge::sip
