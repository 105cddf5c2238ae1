// Permissions (RFC 8656 section 9) and channels (section 12) of a session.
#include "dataplane/media/sessions.h"

namespace fedge::media {

// At the list's head; permitted as the others of that address are.
uint32_t Sessions::add_peer(uint32_t session, const Address& address, uint16_t port) {
  SessionRecord& record = records_[session];
  if (record.peers >= kMostPeers) return kNone;
  uint32_t at = free_peer_;
  if (at != kNone) {
    free_peer_ = peers_[at].next;
  } else if (header_->peer_mark < header_->peers) {
    at = header_->peer_mark++;
  } else {
    return kNone;
  }
  PeerRecord& peer = peers_[at];
  peer = {};
  peer.address = address;
  peer.port = port;
  peer.next = record.first_peer;
  record.first_peer = at;
  ++record.peers;
  return at;
}

void Sessions::remove_peer(uint32_t session, uint32_t at) {
  SessionRecord& record = records_[session];
  uint32_t* link = &record.first_peer;
  while (*link != at) link = &peers_[*link].next;
  *link = peers_[at].next;
  cool(session);
  --record.peers;
  peers_[at].next = free_peer_;
  free_peer_ = at;
}

bool Sessions::permit(uint32_t session, const Address& address, Instant until) {
  cool(session);
  bool found = false;
  for (uint32_t i = records_[session].first_peer; i != kNone; i = peers_[i].next) {
    if (peers_[i].address != address) continue;
    peers_[i].permitted_until = to_ns(until);
    found = true;
  }
  if (!found) {
    const uint32_t added = add_peer(session, address, 0);
    if (added == kNone) return false;
    peers_[added].permitted_until = to_ns(until);
  }
  schedule_by(session, to_ns(until));
  return true;
}

Sessions::Bind Sessions::bind_channel(uint32_t session, uint16_t channel, const Address& address,
                                      uint16_t port, Instant permitted_until, Instant bound_until) {
  uint32_t bound = kNone;
  uint32_t alone = kNone;
  for (uint32_t i = records_[session].first_peer; i != kNone; i = peers_[i].next) {
    const PeerRecord& peer = peers_[i];
    const bool is_peer = peer.address == address && peer.port == port && peer.channel != 0;
    if (is_peer != (peer.channel == channel)) return Bind::mismatch;
    if (is_peer) bound = i;
    if (peer.address == address && peer.channel == 0) alone = i;
  }
  // A permission alone becomes the channel's record: the channel permits its address.
  if (bound == kNone) bound = alone != kNone ? alone : add_peer(session, address, port);
  if (bound == kNone) return Bind::full;
  peers_[bound].port = port;
  peers_[bound].channel = channel;
  peers_[bound].bound_until = to_ns(bound_until);
  (void)permit(session, address, permitted_until);
  schedule_by(session, to_ns(bound_until));
  return Bind::ok;
}

uint32_t Sessions::find_peer(uint32_t session, const Address& address, uint16_t port,
                             Instant now) const {
  const int64_t at = to_ns(now);
  uint32_t permitted = kNone;
  for (uint32_t i = records_[session].first_peer; i != kNone; i = peers_[i].next) {
    const PeerRecord& peer = peers_[i];
    if (peer.address != address || peer.permitted_until <= at) continue;
    if (peer.channel != 0 && peer.port == port && peer.bound_until > at) return i;
    permitted = i;
  }
  return permitted;
}

uint32_t Sessions::find_channel(uint32_t session, uint16_t channel, Instant now) const {
  for (uint32_t i = records_[session].first_peer; i != kNone; i = peers_[i].next) {
    if (peers_[i].channel == channel) return peers_[i].bound_until > to_ns(now) ? i : kNone;
  }
  return kNone;
}

// A channel that is over leaves a permission, unless another record of the address is one.
void Sessions::drop_expired_peers(uint32_t session, int64_t now) {
  uint32_t next;
  for (uint32_t i = records_[session].first_peer; i != kNone; i = next) {
    PeerRecord& peer = peers_[i];
    next = peer.next;
    if ((peer.channel != 0 ? peer.bound_until : peer.permitted_until) > now) continue;
    bool has_other = false;
    for (uint32_t j = records_[session].first_peer; j != kNone; j = peers_[j].next) {
      has_other = has_other || (j != i && peers_[j].address == peer.address);
    }
    if (peer.permitted_until <= now || has_other) {
      remove_peer(session, i);
    } else {
      peer.channel = 0;
      peer.port = 0;
      cool(session);
    }
  }
}

}  // namespace fedge::media
