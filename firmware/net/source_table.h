// How many connections each source has, counted by realm and address (an IPv6 source is its /64).
// Fixed size: accepting never allocates. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "firmware/net/address.h"

namespace fedge {

// What counts as one source: an IPv4 address, an IPv6 /64.
IpAddress source_of(const IpAddress& address);

class SourceTable {
 public:
  // Room for `most` sources at once.
  explicit SourceTable(uint32_t most);
  // Makes room for more; never less.
  void grow(uint32_t most);

  uint32_t connections(uint16_t realm, const IpAddress& address) const;
  // False when the table is full (only for a new source).
  bool add(uint16_t realm, const IpAddress& address);
  void remove(uint16_t realm, const IpAddress& address);

 private:
  struct Source {
    IpAddress address;  // family 0: unused
    uint16_t realm = 0;
    uint32_t connections = 0;
  };
  size_t slot_of(uint16_t realm, const IpAddress& key) const;
  void erase(size_t slot);

  std::vector<Source> slots_;  // open addressing, linear probing, at most half full
  uint32_t used_ = 0;
};

}  // namespace fedge
