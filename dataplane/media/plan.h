// What one snapshot says about media, compiled for workers: immutable, swapped between two packets.
// Keys are derived off the path, too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/media/address.h"
#include "firmware/base/result.h"
#include "firmware/pki/seal.h"
#include "firmware/snapshot/reader.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::media {

// One of our addresses and what media serves on it.
struct LocalAddress {
  Address address;
  Address public_address;  // what clients and peers are told; the same without NAT
  uint16_t realm = 0;
  uint16_t port = 0;  // of the box
  uint16_t vlan = 0;
  // Of its relay ports, over all its pools: slots [first_slot, first_slot + last_port - first_port]
  // of the port table. Without any first_port is above last_port.
  uint16_t first_port = 1;
  uint16_t last_port = 0;
  uint32_t first_slot = 0;
  uint64_t mac_word = 0;             // of the port, as to_mac_word() makes it
  std::vector<uint16_t> turn_ports;  // UDP listeners of service av

  bool has_relay_port(uint16_t p) const { return p >= first_port && p <= last_port; }
  uint32_t slot(uint16_t relay_port) const { return first_slot + relay_port - first_port; }
  bool serves(uint16_t p) const {
    for (const uint16_t turn : turn_ports) {
      if (turn == p) return true;
    }
    return false;
  }
};

struct RealmMedia {
  std::string name;
  uint16_t mtu = 1500;
  uint8_t dscp = 46;
};

// Relay ports of one address: slots [first_slot, first_slot + ports).
struct RelayRange {
  uint32_t first_slot = 0;
  uint16_t first_port = 0;
  uint16_t last_port = 0;
  uint16_t local = 0;  // place among Plan::locals
  snapshot::PoolUse use{};
};

struct TokenSecret {
  uint32_t id = 0;
  int64_t effective_from = 0;
  int64_t expires = 0;
  pki::Secret key;  // 32 octets
};

// A port of the box, as the edge opened it.
struct BoxPort {
  std::string device;  // the board's name, as in Port.device of the realms section
  ip::Mac mac{};
};

struct PlanSections {
  const snapshot::Section<snapshot::Realms>& realms;
  const snapshot::Section<snapshot::Listeners>& listeners;
  const snapshot::Section<snapshot::Media>& media;
  std::span<const pki::PrivateKey> keys;  // of the process's key section
};

enum class PeerVerdict : uint8_t {
  allowed,
  denied,     // 403
  our_relay,  // one of our own relay addresses, or its public translation: reached inside
};

class Plan {
 public:
  // Fails with a sentence for the operator. `sequence` counts up with every plan; records keep its
  // low 32 bits, never 0.
  static Result<std::unique_ptr<const Plan>> build(const PlanSections& sections,
                                                   std::span<const BoxPort> ports,
                                                   uint32_t sequence);
  // Nothing is ours. What a box runs before its first snapshot.
  static std::unique_ptr<const Plan> none();

  uint32_t sequence() const { return sequence_; }
  // Limits, lifetimes, switches as they are configured.
  const snapshot::Media& limits() const { return limits_; }
  std::string_view turn_realm() const { return turn_realm_; }
  std::span<const LocalAddress> locals() const { return locals_; }
  std::span<const RealmMedia> realms() const { return realms_; }
  std::span<const RelayRange> ranges() const { return ranges_; }
  uint32_t slots() const { return slots_; }  // of all ranges
  std::span<const TokenSecret> secrets() const { return secrets_; }
  const Endpoint& alternate(uint8_t family) const {
    return family == 4 ? alternate_v4_ : alternate_v6_;
  }

  // The place of one of our addresses that media serves, -1 when it is none. On each packet's path.
  int find_local(uint16_t port, uint16_t vlan, const Address& address) const {
    const uint32_t wire = uint32_t{port} << 16 | vlan;
    for (uint32_t at = hash(wire, address) & mask_;; at = (at + 1) & mask_) {
      const Place& place = places_[at];
      if (place.local < 0) return -1;
      if (place.address == address && place.wire == wire) return place.local;
    }
  }
  // An address with relay ports, by itself or by its public translation, in any realm; -1: none.
  int find_relay(const Address& address) const;
  // The place of the address in that realm by name, as a record of an earlier plan has it.
  int find_local(std::string_view realm, const Address& address) const;
  // What policy says of a peer (M5): ours, denied by nature (loopback, link-local, multicast,
  // unspecified, broadcast, mapped and translated forms of these, every own address), or what the
  // longest rule says; private and other special-purpose prefixes (RFC 6890) are denied unless a
  // rule allows. Not on each packet's path: records remember it for one plan.
  PeerVerdict judge_peer(const IpAddress& peer) const;
  // One of our addresses, or its public form, on which nothing is relayed.
  bool is_own_but_no_relay(const IpAddress& address) const;

 private:
  friend class PlanBuilder;  // plan.cc
  struct Place {
    Address address;
    uint32_t wire = 0;
    int32_t local = -1;
  };
  static uint32_t hash(uint32_t wire, const Address& address) {
    return static_cast<uint32_t>(fold_product(address.words[0] ^ wire ^ 0xd6e8feb86659fd93u,
                                              address.words[1] ^ 0x9e3779b97f4a7c15u));
  }
  Plan() = default;
  uint32_t sequence_ = 0;
  snapshot::Media limits_{};
  std::string turn_realm_;
  std::vector<LocalAddress> locals_;
  std::vector<Place> places_;  // open hash
  uint32_t mask_ = 0;
  std::vector<IpAddress> own_;                  // every address of ours, public ones too; sorted
  std::vector<snapshot::PeerRule> peer_rules_;  // longest prefix first, ours and special ones
  std::vector<RealmMedia> realms_;
  std::vector<RelayRange> ranges_;
  uint32_t slots_ = 0;
  std::vector<TokenSecret> secrets_;
  Endpoint alternate_v4_, alternate_v6_;
};

}  // namespace fedge::media
