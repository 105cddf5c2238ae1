#include "dataplane/media/allocations.h"

#include <algorithm>
#include <cstring>

namespace fedge::media {

uint32_t find_live_session(Sessions& sessions, const Request& request, const Plan& plan,
                           Instant now) {
  const uint32_t session = request.session;
  if (session == kNone || !sessions.in_use(session)) return kNone;
  const SessionRecord& record = sessions.record(session);
  if (sessions.details(session).expires <= to_ns(now)) {
    sessions.end(session, EndCause::expired);
    return kNone;
  }
  if (record.plan != plan.sequence() && !sessions.renew(session)) {
    sessions.end(session, EndCause::publish);
    return kNone;
  }
  return session;
}

std::optional<stun::Error> check_quotas(const Quotas& quotas, const snapshot::Media& limits,
                                        const Address& client, uint64_t user) {
  if (quotas.total() >= limits.max_sessions) return stun::Error::insufficient_capacity;
  const uint32_t of_user = limits.max_sessions_per_user;
  const uint32_t of_source = limits.max_sessions_per_source;
  if ((of_user != 0 && quotas.of_user(user) >= of_user) ||
      (of_source != 0 && quotas.of_source(source_hash(client)) >= of_source))
    return stun::Error::allocation_quota_reached;
  return std::nullopt;
}

stun::Error why_no_port(const Plan& plan, uint8_t family) {
  const bool has_pool = std::ranges::any_of(plan.ranges(), [&](const RelayRange& range) {
    return range.use == snapshot::PoolUse::turn &&
           plan.locals()[range.local].address.is_v4() == (family == 4);
  });
  return has_pool ? stun::Error::insufficient_capacity : stun::Error::address_family_not_supported;
}

NewSession describe_session(SessionKind kind, const Request& request, const Plan& plan,
                            const TurnUser& user) {
  const Packet& packet = request.packet;
  NewSession what;
  what.kind = kind;
  what.transport = packet.connection == 0 ? ClientTransport::udp
                   : packet.is_tls        ? ClientTransport::tls
                                          : ClientTransport::tcp;
  what.client = request.client;
  what.client_port = request.client_port;
  what.server = request.server;
  what.server_port = request.server_port;
  what.connection = packet.connection;
  what.user = user.hash;
  what.user_name =
      std::string_view(user.name.data(), ::strnlen(user.name.data(), user.name.size()));
  what.client_realm = plan.realms()[plan.locals()[request.server].realm].name;
  return what;
}

}  // namespace fedge::media
