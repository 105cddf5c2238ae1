// The next hops of one snapshot by name, by address and by key. Built at publish; a look-up is a
// binary search.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/header_trust.h"
#include "firmware/snapshot/reader.h"

namespace fedge::sip {

class NextHops {
 public:
  NextHops() = default;
  NextHops(const snapshot::Section<snapshot::Routing>& routing,
           const snapshot::Section<snapshot::Realms>& realms);

  // Names a next hop across publishes and restarts: a hash of host, port, transport, realm
  // name and way of look-up. 0 only for kNoNextHop.
  uint32_t key(uint32_t next_hop) const { return next_hop < keys_.size() ? keys_[next_hop] : 0; }
  // kNoNextHop when the snapshot has none of that key.
  uint32_t find_key(uint32_t key) const;
  // By host name or by address of one of its endpoints; among several with that host, one with
  // that port (0: any) is preferred, then `likely`: realms may share a subnet. kNoNextHop when
  // there is none.
  uint32_t find_host(std::string_view host, uint16_t port, uint32_t likely = kNoNextHop) const;
  // The edge of a partner, as opposed to one of the organisation's own systems.
  bool is_partner(uint32_t next_hop) const { return !is_trusted(origins_[next_hop]); }
  Origin origin(uint32_t next_hop) const { return origins_[next_hop]; }

 private:
  struct Entry {
    uint64_t hash;
    uint32_t next_hop;
    uint16_t port;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  std::vector<uint32_t> keys_;
  std::vector<Entry> by_key_;
  std::vector<Entry> by_host_;  // names and addresses
  std::vector<Origin> origins_;
};

// Of a host as SIP URIs write it: the same for every way to write one address or name.
uint64_t hash_of_host(std::string_view host);

}  // namespace fedge::sip
