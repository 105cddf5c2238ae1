#include "dataplane/media/turn_server.h"

#include "dataplane/media/turn_tcp.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

using stun::Error;
using stun::Type;

namespace {

uint64_t number_at(const std::array<std::byte, 32>& seed, size_t at) {
  uint64_t out;
  std::memcpy(&out, &seed[at], sizeof out);
  return out;
}

// Neither another address nor another port answers for us, so that nobody is answered who did not
// ask (RFC 5780 sections 7.2 and 7.5).
bool understands_plain_binding(uint16_t type) {
  return type != static_cast<uint16_t>(Type::response_port) &&
         type != static_cast<uint16_t>(Type::change_request) && turn::understands_binding(type);
}
// A CHANGE-REQUEST that wants no change: some clients always send one.
bool understands_unchanged_binding(uint16_t type) {
  return type == static_cast<uint16_t>(Type::change_request) || understands_plain_binding(type);
}

}  // namespace

TurnServer::TurnServer(Sessions& sessions, const Quotas& quotas, TcpRelay* tcp, const Setup& setup)
    : sessions_(sessions),
      quotas_(quotas),
      tcp_(tcp),
      credentials_(std::span(setup.seed).first<pki::Cmac::kKeySize>()),
      draws_(std::span(setup.seed).last<pki::Cmac::kKeySize>()),
      strangers_(number_at(setup.seed, 8) ^ number_at(setup.seed, 24), setup.strangers) {}

size_t TurnServer::drop(Exchange& exchange, Reason reason) {
  exchange.request.packet.reason = reason;
  return 0;
}

// What a client was told names a worker: when it is another one, the request goes there.
bool TurnServer::is_of_another(Exchange& exchange, uint8_t worker) {
  if (worker == sessions_.worker() || worker >= sessions_.workers()) return false;
  exchange.request.owner = worker;
  return true;
}

size_t TurnServer::on_stun(Request& request, const Plan& plan, Instant now) {
  Exchange exchange{.request = request, .plan = plan, .now = now, .message = {}, .user = {}};
  stun::Message& message = exchange.message;
  if (stun::parse(request.message, message) != stun::Malformed::none ||
      stun::check_fingerprint(message) == stun::Fingerprint::wrong)
    return drop(exchange, Reason::malformed_stun);
  // Send indications that can be relayed were; answers are not for servers; a Binding indication
  // only keeps a NAT open (RFC 8445 section 11).
  if (message.message_class != stun::Class::request) return drop(exchange, Reason::unauthenticated);
  exchange.session = find_live_session(sessions_, request, plan, now);
  if (message.is(stun::Method::binding, stun::Class::request)) return on_binding(exchange);
  const Method* const method = find_method(message.method);
  if (method == nullptr) return drop(exchange, Reason::malformed_stun);
  return on_request(exchange, *method);
}

size_t TurnServer::on_binding(Exchange& exchange) {
  if (exchange.session == kNone && !may_answer(exchange)) return drop(exchange, Reason::limited);
  const stun::Message& message = exchange.message;
  const auto change = message.find_value(Type::change_request);
  const bool is_unchanged = change && stun::read_number(*change) == 0u;
  std::array<uint16_t, 8> unknown{};
  const size_t count = stun::find_not_understood(
      message, is_unchanged ? understands_unchanged_binding : understands_plain_binding, unknown);
  if (count != 0) return refuse_unknown(exchange, std::span(unknown).first(count));
  ++counts_.bindings;

  stun::Writer writer = begin(exchange, stun::Class::success);
  add_mapped(writer, exchange);
  const Endpoint server{exchange.server().public_address.ip(), exchange.request.server_port};
  // Where it fits: 28 octets and more in front of it are the client's own address.
  const size_t most = largest_answer(exchange.request.message.size(), server.address.is_v4());
  const size_t more = server.address.is_v4() ? 12 : 24;
  const size_t mark = message.has(Type::fingerprint) ? 8 : 0;
  if (!exchange.over_udp() || writer.size().value_or(most) + more + mark <= most) {
    writer.add_address(message.is_classic ? Type::source_address : Type::response_origin, server);
  }
  return finish(exchange, writer);
}

const TurnServer::Method* TurnServer::find_method(uint16_t method) {
  static constexpr Method kAllocate{turn::understands_allocate, &TurnServer::on_allocate, false};
  static constexpr Method kRefresh{turn::understands_refresh, &TurnServer::on_refresh, false};
  static constexpr Method kCreatePermission{turn::understands_create_permission,
                                            &TurnServer::on_create_permission, true};
  static constexpr Method kChannelBind{turn::understands_channel_bind, &TurnServer::on_channel_bind,
                                       true};
  static constexpr Method kConnect{turn::understands_connect, &TurnServer::on_connect, true};
  static constexpr Method kConnectionBind{turn::understands_connection_bind,
                                          &TurnServer::on_connection_bind, false};
  switch (static_cast<stun::Method>(method)) {
    case stun::Method::allocate:
      return &kAllocate;
    case stun::Method::refresh:
      return &kRefresh;
    case stun::Method::create_permission:
      return &kCreatePermission;
    case stun::Method::channel_bind:
      return &kChannelBind;
    case stun::Method::connect:
      return &kConnect;
    case stun::Method::connection_bind:
      return &kConnectionBind;
    default:
      return nullptr;
  }
}

Proof TurnServer::check_sender(Exchange& exchange) {
  const Request& request = exchange.request;
  TurnCredentials::Sender sender{request.client, exchange.nonce_port(), nullptr};
  if (has_allocation(exchange)) sender.session = &sessions_.details(exchange.session);
  return credentials_.check(exchange.message, sender, exchange.plan, exchange.now,
                            time_of_day_.at(exchange.now), exchange.user);
}

bool TurnServer::has_allocation(const Exchange& exchange) const {
  return exchange.session != kNone && sessions_.record(exchange.session).kind == SessionKind::turn;
}

// Where its answers and its packets go, and newer credentials of the same user.
void TurnServer::keep_sender(const Exchange& exchange) {
  sessions_.record(exchange.session).client_mac = exchange.request.client_mac;
  TurnDetails& turn = sessions_.details(exchange.session).turn;
  turn.key = exchange.user.key;
  turn.key_size = exchange.user.key_size;
}

// Who, then what must be understood, then what (RFC 8489 section 6.3).
size_t TurnServer::on_request(Exchange& exchange, const Method& method) {
  const Proof proof = check_sender(exchange);
  if (proof != Proof::right && proof != Proof::another) {
    if (!may_answer(exchange)) return drop(exchange, Reason::limited);
    if (proof == Proof::incomplete) return refuse(exchange, Error::bad_request);
    return challenge(exchange, proof == Proof::stale ? Error::stale_nonce : Error::unauthenticated);
  }
  exchange.is_proven = true;
  if (exchange.over_udp()) strangers_.give_back(exchange.request.client);
  if (proof == Proof::another) return refuse(exchange, Error::wrong_credentials);
  if (has_allocation(exchange)) keep_sender(exchange);

  std::array<uint16_t, 8> unknown{};
  const size_t count = stun::find_not_understood(exchange.message, method.understands, unknown);
  if (count != 0) return refuse_unknown(exchange, std::span(unknown).first(count));
  if (method.needs_allocation && !has_allocation(exchange))
    return refuse(exchange, Error::allocation_mismatch);
  return (this->*method.answer)(exchange);
}

}  // namespace fedge::media
