// Whom an allocation may exchange packets with: CreatePermission (RFC 8656 section 10) and
// ChannelBind (section 12).
#include "dataplane/media/turn_server.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

using stun::Error;
using stun::Type;

namespace {

constexpr Duration kPermission = 300s;  // RFC 8656 section 9
constexpr Duration kChannel = 600s;     // section 12

}  // namespace

bool TurnServer::has_family(uint32_t session, bool is_v4) const {
  const SessionDetails& details = sessions_.details(session);
  return details.relay.is_v4() == is_v4 ||
         (details.second_relay && details.second_relay.is_v4() == is_v4);
}

// Nothing: it may be a peer.
std::optional<Error> TurnServer::judge_peer(const Exchange& exchange, const Endpoint& peer) const {
  if (!has_family(exchange.session, peer.address.is_v4()))
    return Error::peer_address_family_mismatch;
  // An IPv4 address in IPv6's clothes is none of either family's peers.
  if (peer.address.is_v6() && Address::of(peer.address).is_v4()) return Error::forbidden;
  const Plan& plan = exchange.plan;
  const PeerVerdict verdict = plan.judge_peer(peer.address);
  if (verdict == PeerVerdict::denied) return Error::forbidden;
  // Datagrams to an address of ours reach relay ports only. What front connects to, the kernel
  // serves: our listeners stand there as well.
  if (verdict == PeerVerdict::our_relay &&
      exchange.message.is(stun::Method::connect, stun::Class::request)) {
    const int relay = plan.find_relay(Address::of(peer.address));
    if (!plan.locals()[static_cast<size_t>(relay)].has_relay_port(peer.port))
      return Error::forbidden;
  }
  return std::nullopt;
}

// All or none.
size_t TurnServer::on_create_permission(Exchange& exchange) {
  const stun::Message& message = exchange.message;
  std::array<Address, stun::kMostAttributes> peers;
  size_t count = 0;
  for (const stun::Attribute& a : message.attributes()) {
    if (a.type != static_cast<uint16_t>(Type::xor_peer_address)) continue;
    const auto peer = stun::read_xor_address(message.value(a), message.transaction);
    if (!peer) return refuse(exchange, Error::bad_request);
    if (const auto error = judge_peer(exchange, *peer)) return refuse(exchange, *error);
    peers[count++] = Address::of(peer->address);
  }
  if (count == 0) return refuse(exchange, Error::bad_request);

  const uint32_t session = exchange.session;
  const uint32_t first_before = sessions_.record(session).first_peer;
  for (size_t i = 0; i < count; ++i) {
    if (sessions_.permit(session, peers[i], exchange.now + kPermission)) continue;
    // New ones stand in front of what was there.
    while (sessions_.record(session).first_peer != first_before)
      sessions_.remove_peer(session, sessions_.record(session).first_peer);
    return refuse(exchange, Error::insufficient_capacity);
  }
  stun::Writer writer = begin(exchange, stun::Class::success);
  return succeed(exchange, writer);
}

size_t TurnServer::on_channel_bind(Exchange& exchange) {
  const stun::Message& message = exchange.message;
  std::optional<uint16_t> channel;
  std::optional<Endpoint> peer;
  if (const auto value = message.find_value(Type::channel_number))
    channel = turn::read_channel_number(*value);
  if (const auto value = message.find_value(Type::xor_peer_address))
    peer = stun::read_xor_address(*value, message.transaction);
  const bool is_tcp =
      (sessions_.record(exchange.session).flags & session_flag::kTcpRelay) != 0;  // RFC 6062
  if (!channel || !turn::is_channel(*channel) || !peer || peer->port == 0 || is_tcp)
    return refuse(exchange, Error::bad_request);
  if (const auto error = judge_peer(exchange, *peer)) return refuse(exchange, *error);
  switch (sessions_.bind_channel(exchange.session, *channel, Address::of(peer->address), peer->port,
                                 exchange.now + kPermission, exchange.now + kChannel)) {
    case Sessions::Bind::mismatch:
      return refuse(exchange, Error::bad_request);
    case Sessions::Bind::full:
      return refuse(exchange, Error::insufficient_capacity);
    case Sessions::Bind::ok:
      break;
  }
  stun::Writer writer = begin(exchange, stun::Class::success);
  return succeed(exchange, writer);
}

}  // namespace fedge::media
