#include "dataplane/media/sessions.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "dataplane/media/quotas.h"
#include "firmware/link/messages.h"

namespace fedge::media {

namespace {

template <size_t N>
void copy_text(std::string_view text, std::array<char, N>& out) {
  out.fill(0);
  std::copy_n(text.data(), std::min(text.size(), N), out.data());
}

}  // namespace

// --- finding -----------------------------------------------------------------------------------

uint32_t Sessions::find_client(const Address& client, uint16_t client_port, uint16_t server,
                               uint16_t server_port) const {
  return index_.find(index_key(client, client_port, server_port), [&](uint32_t i) {
    const SessionRecord& record = records_[i];
    return record.client == client && record.client_port == client_port &&
           record.server_port == server_port && record.transport == ClientTransport::udp &&
           details_[i].server == plan_->locals()[server].address;
  });
}

uint32_t Sessions::find_connection(uint64_t connection) const {
  return index_.find(connection_key(connection),
                     [&](uint32_t i) { return details_[i].connection == connection; });
}

uint32_t Sessions::find_relay(uint16_t local, uint16_t port) const {
  const LocalAddress& at = plan_->locals()[local];
  if (!at.has_relay_port(port)) return kNone;
  const uint32_t session = slots_[at.slot(port)];
  return session == kTaken ? kNone : session;
}

uint32_t Sessions::find(SessionId id) const {
  return in_use(id.index) && records_[id.index].generation == id.generation ? id.index : kNone;
}

// --- making and ending -------------------------------------------------------------------------

uint64_t Sessions::key_of(uint32_t session) const {
  const SessionRecord& record = records_[session];
  return record.transport == ClientTransport::udp
             ? index_key(record.client, record.client_port, record.server_port)
             : connection_key(details_[session].connection);
}

// Anchored streams have no client: they are found by relay port and by id.
void Sessions::file(uint32_t session) {
  if (records_[session].kind == SessionKind::anchor) {
    index_.add(anchor_key(details_[session].anchor.id), session);
  } else {
    index_.add(key_of(session), session);
  }
}

void Sessions::unfile(uint32_t session) {
  SessionRecord& record = records_[session];
  if ((record.flags & session_flag::kStray) != 0) {
    record.flags &= static_cast<uint8_t>(~session_flag::kStray);
    quotas_.strays().remove(key_of(session), worker_);
  }
  const bool is_anchor = record.kind == SessionKind::anchor;
  index_.remove(is_anchor ? anchor_key(details_[session].anchor.id) : key_of(session), session);
}

uint32_t Sessions::find_anchor(uint64_t id) const {
  return index_.find(anchor_key(id), [&](uint32_t i) {
    return records_[i].kind == SessionKind::anchor && details_[i].anchor.id == id;
  });
}

uint32_t Sessions::take_record() {
  if (free_session_ != kNone) {
    return std::exchange(free_session_, free_next_[free_session_]);
  }
  if (header_->session_mark >= header_->capacity) return kNone;
  return header_->session_mark++;
}

uint32_t Sessions::create(const NewSession& what, Instant now) {
  const uint64_t key = index_key(what.client, what.client_port, what.server_port);
  const bool is_stray =
      what.kind != SessionKind::anchor && is_strays(what.transport, what.client, what.client_port);
  const uint32_t session = take_record();
  if (session == kNone) return kNone;
  if (is_stray && !quotas_.strays().add(key, worker_)) {
    free_next_[session] = std::exchange(free_session_, session);
    return kNone;
  }
  SessionRecord& record = records_[session];
  const uint32_t generation = std::max(record.generation, 1u);
  record = {};
  record.generation = generation;
  record.transport = what.transport;
  record.server = what.server;
  record.server_port = what.server_port;
  record.client = what.client;
  record.client_port = what.client_port;
  record.plan = plan_->sequence();
  record.user_bits = static_cast<uint32_t>(what.user);
  if (is_stray) record.flags |= session_flag::kStray;
  SessionDetails& details = details_[session];
  details = {};
  if (what.kind == SessionKind::anchor) {
    details.anchor = {};
    details.anchor.id = what.anchor;
  } else {
    details.server = plan_->locals()[what.server].address;
  }
  details.created = to_ns(now);
  details.expires = std::numeric_limits<int64_t>::max();
  details.user = what.user;
  details.connection = what.connection;
  copy_text(what.user_name, details.user_name);
  copy_text(what.client_realm, details.client_realm);
  record.kind = what.kind;  // last: the record is whole now
  ++header_->sessions;
  file(session);
  quotas_.add(details.user, source_hash(record.client));
  return session;
}

void Sessions::set_expiry(uint32_t session, Instant until) {
  details_[session].expires = to_ns(until);
  schedule(session);
}

bool Sessions::move(uint32_t session, const NewSession& where) {
  const uint32_t there = where.connection != 0 ? find_connection(where.connection)
                                               : find_client(where.client, where.client_port,
                                                             where.server, where.server_port);
  if (there == session) return true;
  if (there != kNone) return false;
  const bool is_stray = is_strays(where.transport, where.client, where.client_port);
  const uint64_t key = index_key(where.client, where.client_port, where.server_port);
  if (is_stray && !quotas_.strays().add(key, worker_)) return false;
  SessionRecord& record = records_[session];
  SessionDetails& details = details_[session];
  unfile(session);
  quotas_.remove(details.user, source_hash(record.client));
  record.transport = where.transport;
  record.client = where.client;
  record.client_port = where.client_port;
  record.server = where.server;
  record.server_port = where.server_port;
  record.client_mac = {};
  details.server = plan_->locals()[where.server].address;
  details.connection = where.connection;
  copy_text(where.client_realm, details.client_realm);
  quotas_.add(details.user, source_hash(record.client));
  if (is_stray) record.flags |= session_flag::kStray;
  file(session);
  return true;
}

void Sessions::end(uint32_t session, EndCause cause) {
  SessionRecord& record = records_[session];
  if (listener_ != nullptr) listener_->on_end(id(session), record, details_[session], cause);
  release_ports(session);
  unfile(session);
  quotas_.remove(details_[session].user, source_hash(record.client));
  while (record.first_peer != kNone) remove_peer(session, record.first_peer);
  wheel_.remove(session);
  record.kind = SessionKind::free;
  ++record.generation;
  --header_->sessions;
  // The key of who is gone stays nowhere.
  details_[session].turn = {};
  free_next_[session] = free_session_;
  free_session_ = session;
}

// --- time --------------------------------------------------------------------------------------

// When the session is to be looked at again.
int64_t Sessions::due(uint32_t session) const {
  const SessionRecord& record = records_[session];
  int64_t at = details_[session].expires;
  if (record.kind == SessionKind::anchor) return at;
  if ((record.flags & session_flag::kHoldsNextPort) != 0) {
    at = std::min(at, details_[session].turn.held_until);
  }
  for (uint32_t i = record.first_peer; i != kNone; i = peers_[i].next) {
    const PeerRecord& peer = peers_[i];
    at = std::min(at, peer.channel != 0 ? peer.bound_until : peer.permitted_until);
  }
  return at;
}

void Sessions::schedule(uint32_t session) { wheel_.set(session, due(session)); }

void Sessions::schedule_by(uint32_t session, int64_t at) {
  const int64_t planned = wheel_.when(session);
  if (planned == 0 || at < planned) wheel_.set(session, at);
}

namespace {

// Of a call on hold, or a stream that is closed: somebody forgot to say that the call is over.
constexpr int64_t kLongestHold = int64_t{4} * 3600 * 1'000'000'000;

bool is_quiet(const AnchorLeg& leg) {
  const auto state = static_cast<link::StreamState>(leg.state);
  return state == link::StreamState::held || state == link::StreamState::closed;
}

}  // namespace

// A call is silent when neither side sent; what keeps it is its last packet, or SDP.
bool Sessions::is_over(uint32_t session, int64_t now) {
  SessionDetails& details = details_[session];
  if (records_[session].kind == SessionKind::anchor) {
    int64_t silence = int64_t{plan_->limits().silence_s} * 1'000'000'000;
    const auto& legs = details.anchor.legs;
    if (silence != 0 && (is_quiet(legs[0]) || is_quiet(legs[1]))) {
      silence = std::max(silence, kLongestHold);
    }
    const int64_t heard = std::max({legs[0].heard, legs[1].heard, details.created});
    details.expires = silence == 0 ? std::numeric_limits<int64_t>::max() : heard + silence;
  }
  return details.expires <= now;
}

void Sessions::start_silence(uint32_t session) {
  (void)is_over(session, 0);
  schedule(session);
}

void Sessions::expire(Instant now, uint32_t most) {
  const int64_t at = to_ns(now);
  for (; most != 0; --most) {
    const uint32_t session = wheel_.take(at);
    if (session == kNone) return;
    if (is_over(session, at)) {
      const bool is_call = records_[session].kind == SessionKind::anchor;
      end(session, is_call ? EndCause::silence : EndCause::expired);
      continue;
    }
    if (records_[session].kind != SessionKind::anchor) {
      if ((records_[session].flags & session_flag::kHoldsNextPort) != 0 &&
          details_[session].turn.held_until <= at) {
        free_port(take_held(session));
      }
      drop_expired_peers(session, at);
    }
    // Of calls without a limit of silence there is one look each turn, so that a plan's holds.
    schedule(session);
  }
}

}  // namespace fedge::media
