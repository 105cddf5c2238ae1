// What the classifier looks things up in, compiled from one snapshot. Immutable once built.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/snapshot/reader.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::admission {

// Local TCP ports of connections that we open (DESIGN 1): the kernel's ip_local_port_range.
inline constexpr uint16_t kEphemeralFirst = 10240;
inline constexpr uint16_t kEphemeralLast = 49151;

// A port of the box as the fast path has opened it; frames name it by its place in the list.
struct BoxPort {
  std::string name;  // the board's, as in Port.device of the realms section
  ip::Mac mac{};
};

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;  // inclusive
  bool contains(uint16_t port) const { return port >= first && port <= last; }
};

// One of our addresses in one realm.
struct Local {
  uint16_t realm = 0;
  Prefix prefix;                     // with the length of its subnet
  std::vector<uint16_t> tcp_ports;   // of listeners, sorted
  std::vector<PortRange> media_udp;  // of media's listeners and relay ports
  std::vector<PortRange> relay_tcp;  // that clients may have a TCP relay on (RFC 6062)
  bool listens(uint16_t port) const;
  bool is_media(uint16_t udp_port) const;
  bool may_relay(uint16_t tcp_port) const;
};

struct RealmEntry {
  std::string name;
  uint16_t port = 0;  // place in the list of BoxPort
  uint16_t vlan = 0;
  uint16_t mtu = 0;
  ip::Mac mac{};
  std::vector<Prefix> subnets;  // the link-local one included
};

// Hash set of (realm, address), built once.
class AddressIndex {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  // Keys must be distinct; the value is the place in the list.
  explicit AddressIndex(std::span<const std::pair<uint16_t, IpAddress>> keys = {});
  uint32_t find(uint16_t realm, const IpAddress& address) const;

 private:
  struct Bucket {
    IpAddress address;
    uint16_t realm = 0;
    uint32_t value = kNone;
  };
  size_t first(uint16_t realm, const IpAddress& address) const;
  std::vector<Bucket> buckets_;
};

// A server whose UDP answers are let in.
struct UdpServer {
  uint16_t realm = 0;
  Endpoint endpoint;
};

struct Sections {
  const snapshot::Section<snapshot::Realms>& realms;
  const snapshot::Section<snapshot::Listeners>& listeners;
  const snapshot::Section<snapshot::Routing>& routing;
  const snapshot::Section<snapshot::Resolver>& resolver;
  const snapshot::Section<snapshot::Media>* media = nullptr;  // null: there is no media
};

class Tables {
 public:
  // Fails with a sentence for the operator when a realm's port is not one of the box's, two realms
  // share port and tag, or the realm of a listener, next hop or name server does not exist.
  static Result<std::unique_ptr<const Tables>> build(const Sections& sections,
                                                     std::span<const BoxPort> ports);

  // Without a realm: everything is dropped. What a box runs before its first snapshot.
  static std::unique_ptr<const Tables> none() { return std::unique_ptr<const Tables>(new Tables); }

  std::span<const RealmEntry> realms() const { return realms_; }

  // kNoRealm when there is none.
  uint16_t find_realm(uint16_t port, uint16_t vlan) const;
  uint16_t find_realm(std::string_view name) const;
  const Local* find_local(uint16_t realm, const IpAddress& address) const {
    const uint32_t at = locals_index_.find(realm, address);
    return at == AddressIndex::kNone ? nullptr : &locals_[at];
  }
  bool in_subnet(uint16_t realm, const IpAddress& address) const;
  // The configuration names it: a next hop's address, a name server, a router.
  bool is_named(uint16_t realm, const IpAddress& address) const {
    return named_.find(realm, address) != AddressIndex::kNone;
  }
  bool is_udp_server(uint16_t realm, const Endpoint& endpoint) const;
  bool is_udp_server(uint16_t realm, const IpAddress& address) const;  // of whatever port

 private:
  Tables() = default;
  Status add_realms(const Sections& sections, std::span<const BoxPort> ports);
  Status add_listeners(const Sections& sections);
  Status add_pools(const snapshot::Section<snapshot::Media>& media);
  Status add_named(const Sections& sections);
  void add_local(uint16_t realm, const Prefix& address);

  std::vector<RealmEntry> realms_;
  std::vector<std::vector<uint16_t>> by_vlan_;  // of each port; empty when it has no realm
  std::vector<Local> locals_;
  AddressIndex locals_index_;
  AddressIndex named_;
  std::vector<UdpServer> udp_servers_;
};

// The link-local address that the kernel gives an interface of this MAC (RFC 4291 appendix A).
IpAddress link_local_of(const ip::Mac& mac);

}  // namespace fedge::admission
