// How answers are put together: what every one has, and what strangers may get (answer_limit.h).
#include "dataplane/media/turn_server.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

using stun::Error;
using stun::Type;

stun::Writer TurnServer::begin(const Exchange& exchange, stun::Class message_class) {
  return stun::Writer(scratch_, exchange.message, message_class);
}

bool TurnServer::may_answer(Exchange& exchange) {
  if (!exchange.over_udp() || strangers_.take(exchange.request.client, exchange.now)) return true;
  ++counts_.limited;
  return false;
}

// Over the request, if a stranger may have that much.
size_t TurnServer::finish(Exchange& exchange, stun::Writer& writer) {
  const Request& request = exchange.request;
  if (exchange.is_proven && !credentials_.sign(writer, exchange.user))
    return drop(exchange, Reason::above_mtu);
  if (exchange.message.has(Type::fingerprint)) writer.add_fingerprint();
  size_t most = request.room;
  if (exchange.over_udp() && !exchange.is_proven)
    most = std::min(most, largest_answer(request.message.size(), request.client.is_v4()));
  const auto size = writer.size();
  if (!size || *size > most) return drop(exchange, Reason::above_mtu);
  std::memcpy(request.message.data(), writer.written().data(), *size);
  request.packet.reason = Reason::none;
  return *size;
}

size_t TurnServer::succeed(Exchange& exchange, stun::Writer& writer) {
  ++counts_.successes;
  return finish(exchange, writer);
}

size_t TurnServer::refuse(Exchange& exchange, Error error) {
  ++counts_.errors[(static_cast<size_t>(error) - 300) % counts_.errors.size()];
  stun::Writer writer = begin(exchange, stun::Class::error);
  writer.add_error(error);
  return finish(exchange, writer);
}

size_t TurnServer::refuse_unknown(Exchange& exchange, std::span<const uint16_t> types) {
  ++counts_.errors[static_cast<size_t>(Error::unknown_attribute) - 300];
  stun::Writer writer = begin(exchange, stun::Class::error);
  writer.add_error(Error::unknown_attribute).add_unknown_attributes(types);
  return finish(exchange, writer);
}

// 401 and 438: what a client needs to prove itself. A stranger gets as much of it as fits.
size_t TurnServer::challenge(Exchange& exchange, Error error) {
  const Request& request = exchange.request;
  ++counts_.errors[static_cast<size_t>(error) - 300];
  enum class Size : uint8_t { whole, no_reason, brief };
  for (const Size wanted : {Size::whole, Size::no_reason, Size::brief}) {
    stun::Writer writer = begin(exchange, stun::Class::error);
    if (wanted == Size::whole) {
      writer.add_error(error);
    } else {
      const auto code = static_cast<uint32_t>(error);
      writer.add_number(Type::error_code, code / 100 << 8 | code % 100);
    }
    const NonceForm form = wanted == Size::brief ? NonceForm::brief : NonceForm::full;
    writer.add_text(Type::realm, exchange.plan.turn_realm());
    writer.add_text(Type::nonce,
                    credentials_.nonces()
                        .make(form, request.client, exchange.nonce_port(), exchange.now)
                        .view());
    if (form == NonceForm::full) writer.add_password_algorithms(kPasswordAlgorithms);
    const size_t size = finish(exchange, writer);
    if (size != 0) return size;
  }
  return drop(exchange, Reason::limited);
}

// RFC 8489 section 10: elsewhere, at an address of the client's family.
size_t TurnServer::redirect(Exchange& exchange) {
  const Endpoint& elsewhere = exchange.plan.alternate(exchange.request.client.is_v4() ? 4 : 6);
  if (!elsewhere.address) return refuse(exchange, Error::insufficient_capacity);
  ++counts_.errors[0];
  stun::Writer writer = begin(exchange, stun::Class::error);
  writer.add_error(Error::try_alternate).add_address(Type::alternate_server, elsewhere);
  return finish(exchange, writer);
}

void TurnServer::add_mapped(stun::Writer& writer, const Exchange& exchange) {
  const Endpoint client{exchange.request.client.ip(), exchange.request.client_port};
  if (exchange.message.is_classic) {
    writer.add_address(Type::mapped_address, client);
  } else {
    writer.add_xor_address(Type::xor_mapped_address, client);
  }
}

// What a path says of a packet that its peer may not have got. The transaction is nobody's.
size_t TurnServer::write_icmp(MutableBytes out, const Endpoint& peer, uint8_t type, uint16_t code,
                              uint32_t data) {
  std::array<std::byte, stun::kTransactionIdSize> id{};
  const std::array<uint64_t, 2> random{draws_.next(), draws_.next()};
  std::memcpy(id.data(), random.data(), id.size());
  stun::Writer writer(out, stun::Method::data, stun::Class::indication, stun::make_transaction(id));
  writer.add_xor_address(Type::xor_peer_address, peer);
  turn::add_icmp(writer, {type, code, data});
  return writer.size().value_or(0);
}

}  // namespace fedge::media
