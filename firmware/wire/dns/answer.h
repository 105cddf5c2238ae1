// What a response says about its question: records with a time to live, or that there are none.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/net/address.h"
#include "firmware/wire/dns/message.h"

namespace fedge::dns {

// An SRV record (RFC 2782).
struct Service {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  Name target;  // the root: the service is decidedly not offered
  friend bool operator==(const Service&, const Service&) = default;
};

enum class Outcome : uint8_t {
  found,    // at least one record of the type asked for
  alias,    // `name` is another name of what was asked for; the message does not say more
  no_name,  // NXDOMAIN: nothing of that name, of any type
  no_data,  // the name has no record of that type
  failed,   // the server could not or would not say; `rcode` tells why
};

struct Answer {
  Outcome outcome = Outcome::failed;
  Rcode rcode = Rcode::no_error;  // with the four bits of the header and OPT's eight
  // Seconds: the least along the chain and the records; for none, the least of the SOA's TTL and
  // its MINIMUM (RFC 2308 section 5), zero without a SOA.
  uint32_t ttl = 0;
  Name name;  // at the end of the CNAME chain
  // At most kMostRecords of what was asked for, each once, in the server's order.
  std::vector<IpAddress> addresses;
  std::vector<Service> services;
  std::vector<Name> names;
};

// Nothing when the message is malformed: a record over the end, data of the wrong length, two OPT
// records. Records about other names are not believed (the additional section is only OPT).
std::optional<Answer> read_answer(Bytes message, const Envelope& envelope);

}  // namespace fedge::dns
