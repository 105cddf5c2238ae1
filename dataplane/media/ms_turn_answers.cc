// How MS-TURN answers are put together ([MS-TURN] 3.1.8), and what of them strangers may get.
#include <algorithm>
#include <cstring>

#include "dataplane/media/ms_turn_server.h"

namespace fedge::media {

using ms_turn::Type;
using stun::Error;

ms_turn::Writer MsTurnServer::begin(const Exchange& exchange, bool is_success) {
  const ms_turn::Kind request = exchange.message.kind;
  const auto kind = is_success ? ms_turn::response_to(request) : ms_turn::error_to(request);
  // Whoever comes here answers: a Send has no answer and never does.
  return {scratch_, kind.value_or(ms_turn::Kind::allocate_error), exchange.message.transaction};
}

// Over the request, if a stranger may have that much.
size_t MsTurnServer::finish(Exchange& exchange, ms_turn::Writer& writer) {
  const Request& request = exchange.request;
  if (exchange.is_proven && !credentials_.sign(writer, exchange.user))
    return drop(exchange, Reason::above_mtu);
  size_t most = request.room;
  if (exchange.over_udp() && !exchange.is_proven)
    most = std::min(most, largest_answer(request.message.size(), request.client.is_v4()));
  const auto size = writer.size();
  if (!size || *size > most) return drop(exchange, Reason::above_mtu);
  std::memcpy(request.message.data(), writer.written().data(), *size);
  request.packet.reason = Reason::none;
  return *size;
}

size_t MsTurnServer::refuse(Exchange& exchange, Error error) {
  count_error(error);
  ms_turn::Writer writer = begin(exchange, false);
  writer.add_error(error);
  return finish(exchange, writer);
}

size_t MsTurnServer::refuse_unknown(Exchange& exchange, std::span<const uint16_t> types) {
  count_error(Error::unknown_attribute);
  ms_turn::Writer writer = begin(exchange, false);
  writer.add_error(Error::unknown_attribute).add_unknown_attributes(types);
  return finish(exchange, writer);
}

// What a client needs to prove itself, in every refusal of one that has not (3.3.5.1). A stranger
// gets as much of it as fits; what may be left out goes first.
size_t MsTurnServer::challenge(Exchange& exchange, Error error) {
  const Request& request = exchange.request;
  count_error(error);
  const LocalAddress& server = exchange.plan.locals()[request.server];
  const Endpoint here{server.public_address.ip(), request.server_port};
  const auto nonce = credentials_.nonces().make(NonceForm::brief, request.client,
                                                request.client_port, exchange.now);
  enum class Size : uint8_t { whole, no_reason, no_version, least };
  for (const Size wanted : {Size::whole, Size::no_reason, Size::no_version, Size::least}) {
    ms_turn::Writer writer = begin(exchange, false);
    if (wanted == Size::whole) {
      writer.add_error(error);
    } else {
      writer.add_brief_error(error);
    }
    writer.add_text(Type::realm, exchange.plan.turn_realm()).add_text(Type::nonce, nonce.view());
    // The same server, said outright: clients go where it says.
    if (wanted != Size::least) writer.add_address(Type::alternate_server, here);
    if (wanted <= Size::no_reason) writer.add_number(Type::ms_version, ms_turn::kVersionIce2);
    if (const size_t size = finish(exchange, writer); size != 0) return size;
  }
  return drop(exchange, Reason::limited);
}

// No new ones here: elsewhere, at an address of the client's family.
size_t MsTurnServer::redirect(Exchange& exchange) {
  const Endpoint& elsewhere = exchange.plan.alternate(exchange.request.client.is_v4() ? 4 : 6);
  if (!elsewhere.address) return refuse(exchange, Error::insufficient_capacity);
  count_error(Error::try_alternate);
  ms_turn::Writer writer = begin(exchange, false);
  writer.add_error(Error::try_alternate).add_address(Type::alternate_server, elsewhere);
  return finish(exchange, writer);
}

size_t MsTurnServer::answer_allocate(Exchange& exchange, uint32_t lifetime_s) {
  const SessionRecord& record = sessions_.record(exchange.session);
  const TurnDetails& turn = sessions_.details(exchange.session).turn;
  const Request& request = exchange.request;
  ms_turn::SequenceNumber number;
  std::memcpy(number.connection.data(), turn.connection_id.data(), number.connection.size());
  number.sequence = turn.sequence;
  ms_turn::Writer writer = begin(exchange, true);
  writer
      .add_address(Type::mapped_address,
                   {exchange.plan.locals()[record.relay].public_address.ip(), record.relay_port})
      .add_xor_address(Type::xor_mapped_address, {request.client.ip(), request.client_port})
      .add_number(Type::lifetime, lifetime_s)
      .add_number(Type::ms_version, ms_turn::kVersionIce2)
      .add_sequence_number(number);
  ++counts_.successes;
  return finish(exchange, writer);
}

size_t MsTurnServer::answer_set_active(Exchange& exchange) {
  ms_turn::Writer writer = begin(exchange, true);
  ++counts_.successes;
  return finish(exchange, writer);
}

}  // namespace fedge::media
