// What the classifier answers, and the words its counters use.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/wire/ip/malformed.h"

namespace fedge::admission {

inline constexpr uint16_t kNoRealm = 0xffff;

// What a punted packet is to us; each will have a budget of its own. From `neighbour` on it is not
// punted as it came: a stranger's question may have to wait, a fragment until it is whole.
// A `relay` is to a port that may be a TCP relay's: whether it is now the fast path knows.
enum class Class : uint8_t { listener, relay, established, icmp, resolver, neighbour, fragment };
inline constexpr int kClassCount = 7;
std::string_view text(Class c);

// Who sent it.
enum class PeerClass : uint8_t { stranger, known, trusted };
inline constexpr int kPeerClassCount = 3;
std::string_view text(PeerClass c);

// Why a well-formed packet is not served.
enum class Refusal : uint8_t {
  unknown_realm,       // no realm has this VLAN on this port
  ether_type,          // neither IP nor ARP
  other_mac,           // not to the port's MAC, nor a broadcast or multicast that concerns us
  not_our_address,     // to an address that the realm does not have
  source_is_ours,      // claims to come from one of our own addresses
  protocol,            // an IP protocol that nothing here speaks
  tcp_closed_port,     // no listener, not the ephemeral range
  tcp_syn_ephemeral,   // a new connection to a port that only we open connections from
  udp_port,            // UDP that is nobody's answer
  media_udp,           // to a port of media, but with options or otherwise unusual
  arp_not_ours,        // about an address that is not ours
  arp_outside_subnet,  // sender is in none of the realm's subnets
  arp_conflict,        // somebody else says that our address is theirs
  nd_not_ours,
  nd_conflict,
  neighbour_flood,   // too many strangers ask for our addresses
  icmp_type,         // a type that a host does not answer here
  icmp_unrelated,    // an error about something we have not sent
  fragment_size,     // its packet would be larger than what is put together
  fragment_tiny,     // empty, or a first one without the whole transport header
  fragment_overlap,  // RFC 5722: nothing of its packet is used
  fragment_many,     // its packet came in too many
  fragment_crowded,  // newer ones needed the room
  fragment_timeout,  // the others did not come
  fragment_content,  // whole, but what may not come in fragments: neighbour discovery (RFC 6980)
  foreign_source,    // from the kernel, with an address or MAC that is not this realm's
};
inline constexpr int kRefusalCount = static_cast<int>(Refusal::foreign_source) + 1;
std::string_view text(Refusal r);

// Either malformed or refused, as one number: the index of its counter.
class Reason {
 public:
  Reason() = default;
  constexpr Reason(ip::Malformed m) : index_(static_cast<uint8_t>(m)) {}
  constexpr Reason(Refusal r)
      : index_(static_cast<uint8_t>(ip::kMalformedCount + static_cast<int>(r))) {}
  static constexpr Reason at(uint8_t index) { return Reason(index); }

  constexpr uint8_t index() const { return index_; }
  // False: nothing is wrong.
  constexpr explicit operator bool() const { return index_ != 0; }
  std::string_view text() const;
  friend bool operator==(Reason, Reason) = default;

 private:
  constexpr explicit Reason(uint8_t index) : index_(index) {}
  uint8_t index_ = 0;
};
inline constexpr int kReasonCount = ip::kMalformedCount + kRefusalCount;

struct Verdict {
  uint16_t realm = kNoRealm;  // index in the snapshot; also known for most drops
  Reason drop;                // when set, nothing below holds
  Class as = Class::listener;
  PeerClass peer = PeerClass::stranger;

  bool passes() const { return !drop; }
};

}  // namespace fedge::admission
