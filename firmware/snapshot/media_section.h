// The records of media, as sections.h has those of everything else: relay ports, who may use them,
// and keys of credentials.
#pragma once

#include <cstdint>

#include "firmware/net/address.h"
#include "firmware/snapshot/layout.h"

namespace fedge::snapshot {

// Relay ports: each address with each port of the range. Ports come in pairs, the even one first.
enum class PoolUse : uint8_t {
  turn,    // given to clients' allocations by the fast path
  anchor,  // given to anchored calls by signal
};
constexpr bool is_valid(PoolUse u) { return u <= PoolUse::anchor; }

struct MediaPool {
  Slice<IpAddress> addresses;  // of the realm's own; no two pools share address and port
  uint16_t realm;
  uint16_t first_port;  // even
  uint16_t last_port;   // odd, inclusive
  PoolUse use;
  uint8_t reserved = 0;
  template <class F>
  void each(F&& f) const {
    f(addresses), f(use);
  }
};

// Which peers may be relayed to, beside what is never allowed unless a rule here says so
// (loopback, own addresses …): the longest prefix decides.
struct PeerRule {
  Prefix prefix;
  uint8_t allow;  // 0 or 1
  template <class F>
  void each(F&& f) const {
    f(prefix);
  }
};

// A key that credentials are made with, derived from one A/V certificate's private key. New
// credentials come from the latest in force; all that are listed verify.
struct TokenKey {
  uint64_t key;            // which key of the process's key section: 32 octets
  int64_t effective_from;  // seconds since 1970; likewise the next
  int64_t expires;         // its certificate's end
  uint32_t id;             // stands in credentials: the same on every appliance of a pool
  uint32_t reserved = 0;
  template <class F>
  void each(F&&) const {}
};

// What MRAS tells clients to use, in this order: the listeners of service av by public address.
struct Media {
  static constexpr Kind kKind = Kind::media;
  Text turn_realm;  // REALM of TURN and MS-TURN
  Slice<MediaPool> pools;
  Slice<PeerRule> peer_rules;
  Slice<TokenKey> token_keys;  // sorted by effective_from
  Slice<Endpoint> alternates;  // ALTERNATE-SERVER while draining: one of a family, or none
  uint32_t max_sessions;       // TURN allocations and anchored streams together
  uint32_t max_sessions_per_user;
  uint32_t max_sessions_per_source;
  uint32_t kbps_per_session;  // each way; 0: no limit. Likewise the next two
  uint32_t kbps_per_user;
  uint32_t kbps_total;
  uint32_t credential_minutes;  // how long credentials last unless asked otherwise
  uint32_t lifetime_default_s;  // of an allocation
  uint32_t lifetime_max_s;
  uint32_t nonce_s;    // how long a nonce is good
  uint32_t silence_s;  // an anchored stream without a packet ends; 0: never
  uint8_t draining;    // 1: no new allocations, those that are there go on
  uint8_t relatch;     // 1: an anchored stream may move to another source within its prefix
  uint8_t reserved[2] = {};
  template <class F>
  void each(F&& f) const {
    f(turn_realm), f(pools), f(peer_rules), f(token_keys), f(alternates);
  }
};

}  // namespace fedge::snapshot
