// What TURN's attributes say (RFC 8656 section 18, RFC 6062 section 6.2). As in
// wire/stun/attributes.h a reader gives nothing for a value of the wrong form or length; what the
// server makes of it is the RFC's 400.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/bytes.h"
#include "firmware/wire/stun/attributes.h"
#include "firmware/wire/stun/writer.h"
#include "firmware/wire/turn/constants.h"

namespace fedge::turn {

// CHANNEL-NUMBER: any number; is_channel() says whether it may be bound.
std::optional<uint16_t> read_channel_number(Bytes value);
// EVEN-PORT: true when the next higher port is to be reserved as well (R).
std::optional<bool> read_even_port(Bytes value);
// REQUESTED-TRANSPORT: an IP protocol number.
std::optional<uint8_t> read_transport(Bytes value);
// REQUESTED- and ADDITIONAL-ADDRESS-FAMILY as on the wire: it may be one nobody knows, which is
// 440 and not 400 (section 7.2).
std::optional<uint8_t> read_address_family(Bytes value);
constexpr bool is_family(uint8_t number, stun::Family family) {
  return number == static_cast<uint8_t>(family);
}
// RESERVATION-TOKEN.
inline std::optional<uint64_t> read_token(Bytes value) { return stun::read_long_number(value); }

// ADDRESS-ERROR-CODE (section 18.12): why one family of a dual allocation failed.
struct AddressError {
  uint8_t family = 0;
  stun::ErrorCode error;
};
std::optional<AddressError> read_address_error(Bytes value);

// ICMP (section 18.13): what a peer's path answered; `data` as RFC 8656 section 11.5 has it.
struct Icmp {
  uint8_t type = 0;   // seven bits
  uint16_t code = 0;  // nine bits
  uint32_t data = 0;
};
std::optional<Icmp> read_icmp(Bytes value);

// Writing what stun::Writer has no form for.
void add_channel_number(stun::Writer& writer, uint16_t channel);
void add_even_port(stun::Writer& writer, bool reserve_next);
void add_transport(stun::Writer& writer, uint8_t protocol);
void add_address_family(stun::Writer& writer, stun::Type type, stun::Family family);
void add_address_error(stun::Writer& writer, stun::Family family, stun::Error error);
void add_icmp(stun::Writer& writer, const Icmp& icmp);

// What a server of ours understands in a request or indication of that method: the others that
// must be understood are a 420 (RFC 8489 section 6.3.1). For stun::find_not_understood().
bool understands_binding(uint16_t type);
bool understands_allocate(uint16_t type);
bool understands_refresh(uint16_t type);
bool understands_create_permission(uint16_t type);
bool understands_channel_bind(uint16_t type);
bool understands_connect(uint16_t type);
bool understands_connection_bind(uint16_t type);
// Indications with anything else are dropped (RFC 8489 section 6.3.2).
bool understands_send(uint16_t type);

// --- Send and Data indications, the path of every packet without a channel ----------------------

struct SendIndication {
  Endpoint peer;
  Bytes data;
  bool dont_fragment = false;
};
// Nothing when XOR-PEER-ADDRESS or DATA is missing or malformed, or something unknown must be
// understood: it is dropped (section 11.2).
std::optional<SendIndication> read_send_indication(const stun::Message& message);

// Everything in front of the data of a Data indication (section 11.3), to be put before a payload
// where it lies; padding_of(size) zero octets belong behind it.
inline constexpr size_t kDataHeadSizeIpv4 = 20 + 12 + 4;
inline constexpr size_t kDataHeadSizeIpv6 = 20 + 24 + 4;
inline size_t data_head_size(const IpAddress& peer) {
  return peer.is_v4() ? kDataHeadSizeIpv4 : kDataHeadSizeIpv6;
}
// `out` has data_head_size() octets. False when the message would be longer than its length field
// can say.
bool write_data_head(MutableBytes out, const stun::Transaction& transaction, const Endpoint& peer,
                     size_t size);

}  // namespace fedge::turn
