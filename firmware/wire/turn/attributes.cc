#include "firmware/wire/turn/attributes.h"

#include <array>

namespace fedge::turn {

using stun::Type;

static uint32_t top_octet(uint8_t value) { return uint32_t{value} << 24; }

std::optional<uint16_t> read_channel_number(Bytes value) {
  if (value.size() != 4) return std::nullopt;
  return load_be16(value.data());  // two octets RFFU behind it: ignored
}

std::optional<bool> read_even_port(Bytes value) {
  if (value.size() != 1) return std::nullopt;
  return (value[0] & std::byte{0x80}) != std::byte{0};
}

std::optional<uint8_t> read_transport(Bytes value) {
  if (value.size() != 4) return std::nullopt;
  return std::to_integer<uint8_t>(value[0]);
}

std::optional<uint8_t> read_address_family(Bytes value) {
  if (value.size() != 4) return std::nullopt;
  return std::to_integer<uint8_t>(value[0]);
}

std::optional<AddressError> read_address_error(Bytes value) {
  const auto error = stun::read_error_code(value);  // the same but for the family in front
  if (!error) return std::nullopt;
  return AddressError{std::to_integer<uint8_t>(value[0]), *error};
}

std::optional<Icmp> read_icmp(Bytes value) {
  if (value.size() != 8) return std::nullopt;
  const uint16_t both = load_be16(&value[2]);
  return Icmp{static_cast<uint8_t>(both >> 9), static_cast<uint16_t>(both & 0x1ff),
              load_be32(&value[4])};
}

void add_channel_number(stun::Writer& writer, uint16_t channel) {
  writer.add_number(Type::channel_number, uint32_t{channel} << 16);
}

void add_even_port(stun::Writer& writer, bool reserve_next) {
  const std::byte octet{reserve_next ? uint8_t{0x80} : uint8_t{0}};
  writer.add(Type::even_port, Bytes(&octet, 1));
}

void add_transport(stun::Writer& writer, uint8_t protocol) {
  writer.add_number(Type::requested_transport, top_octet(protocol));
}

void add_address_family(stun::Writer& writer, Type type, stun::Family family) {
  writer.add_number(type, top_octet(static_cast<uint8_t>(family)));
}

void add_address_error(stun::Writer& writer, stun::Family family, stun::Error error) {
  const auto code = static_cast<uint16_t>(error);
  writer.add_number(Type::address_error_code, top_octet(static_cast<uint8_t>(family)) |
                                                  uint32_t{code} / 100 << 8 | code % 100u);
}

void add_icmp(stun::Writer& writer, const Icmp& icmp) {
  std::array<std::byte, 8> value{};
  store_be16(&value[2], static_cast<uint16_t>((icmp.type & 0x7f) << 9 | (icmp.code & 0x1ff)));
  store_be32(&value[4], icmp.data);
  writer.add(Type::icmp, value);
}

// What authenticates any request (RFC 8489 section 9.2).
static bool is_of_credentials(Type type) {
  switch (type) {
    case Type::username:
    case Type::userhash:
    case Type::realm:
    case Type::nonce:
    case Type::password_algorithm:
    case Type::message_integrity:
    case Type::message_integrity_sha256:
      return true;
    default:
      return false;
  }
}

bool understands_binding(uint16_t type) {
  switch (static_cast<Type>(type)) {
    case Type::change_request:
    case Type::response_port:
    case Type::padding:
      return true;
    default:
      return is_of_credentials(static_cast<Type>(type));
  }
}

bool understands_allocate(uint16_t type) {
  switch (static_cast<Type>(type)) {
    case Type::lifetime:
    case Type::requested_transport:
    case Type::requested_address_family:
    case Type::even_port:
    case Type::dont_fragment:
    case Type::reservation_token:
      return true;
    default:
      return is_of_credentials(static_cast<Type>(type));
  }
}

bool understands_refresh(uint16_t type) {
  const auto t = static_cast<Type>(type);
  return t == Type::lifetime || t == Type::requested_address_family || is_of_credentials(t);
}

bool understands_create_permission(uint16_t type) {
  const auto t = static_cast<Type>(type);
  return t == Type::xor_peer_address || is_of_credentials(t);
}

bool understands_channel_bind(uint16_t type) {
  const auto t = static_cast<Type>(type);
  return t == Type::xor_peer_address || t == Type::channel_number || is_of_credentials(t);
}

bool understands_connect(uint16_t type) { return understands_create_permission(type); }

bool understands_connection_bind(uint16_t type) {
  const auto t = static_cast<Type>(type);
  return t == Type::connection_id || is_of_credentials(t);
}

bool understands_send(uint16_t type) {
  const auto t = static_cast<Type>(type);
  return t == Type::xor_peer_address || t == Type::data || t == Type::dont_fragment ||
         is_of_credentials(t);
}

std::optional<SendIndication> read_send_indication(const stun::Message& message) {
  SendIndication send;
  bool has_peer = false;
  bool has_data = false;
  // One pass: this is the path of every packet of a client without channels.
  for (const stun::Attribute& a : message.attributes()) {
    switch (static_cast<Type>(a.type)) {
      case Type::xor_peer_address: {
        if (has_peer) break;
        const auto peer = stun::read_xor_address(message.value(a), message.transaction);
        if (!peer) return std::nullopt;
        send.peer = *peer;
        has_peer = true;
        break;
      }
      case Type::data:
        if (!has_data) send.data = message.value(a);
        has_data = true;
        break;
      case Type::dont_fragment:
        send.dont_fragment = true;
        break;
      default:
        if (stun::is_comprehension_required(a.type) && !understands_send(a.type))
          return std::nullopt;
    }
  }
  if (!has_peer || !has_data) return std::nullopt;
  return send;
}

bool write_data_head(MutableBytes out, const stun::Transaction& transaction, const Endpoint& peer,
                     size_t size) {
  return stun::Writer(out, stun::Method::data, stun::Class::indication, transaction)
      .add_xor_address(Type::xor_peer_address, peer)
      .end_with_head(Type::data, size);
}

}  // namespace fedge::turn
