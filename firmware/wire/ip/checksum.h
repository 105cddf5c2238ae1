// The Internet checksum (RFC 1071), whole and incremental (RFC 1624).
#pragma once

#include <cstdint>

#include "firmware/base/bytes.h"
#include "firmware/net/address.h"

namespace fedge::ip {

// Ones' complement sum of 16-bit words in network order, not folded; an odd last octet counts as
// the high half of a word. Runs may be chained when all but the last have an even length.
uint64_t checksum_add(uint64_t sum, Bytes bytes);
// Folds and complements: the value as it stands in the header, in host order.
uint16_t checksum_finish(uint64_t sum);

inline uint16_t checksum(Bytes bytes) { return checksum_finish(checksum_add(0, bytes)); }
// Over a header that carries its checksum: zero when it is right.
inline bool checksum_is_right(Bytes bytes) { return checksum(bytes) == 0; }

// Of TCP, UDP or ICMPv6 with its pseudo header (RFC 9293 3.1, RFC 8200 8.1). `segment` is the
// transport header and payload, its checksum field zero to compute, in place to verify.
uint16_t transport_checksum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                            Bytes segment);

// RFC 1624 equation 3: the checksum after a word of the data changed from `before` to `after`.
// Values in host order.
uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after);
// The same for an address rewritten in a pseudo header; both of one family.
uint16_t checksum_update(uint16_t checksum, const IpAddress& before, const IpAddress& after);

}  // namespace fedge::ip
