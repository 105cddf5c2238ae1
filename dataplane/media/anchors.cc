// Anchored streams as signal asks for them (M4): begun, changed by later SDP, ended, told again.
#include <algorithm>
#include <cstring>
#include <string>

#include "dataplane/media/plan.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/special_prefixes.h"
#include "dataplane/media/station.h"

namespace fedge::media {

namespace {

uint8_t mapped_bits(const IpAddress& address, uint8_t bits) {
  return static_cast<uint8_t>(address.is_v4() ? 96 + std::min<int>(bits, 32)
                                              : std::min<int>(bits, 128));
}

// Neither side has said where it is.
void close_stream(AnchorDetails& anchor) {
  for (AnchorLeg& leg : anchor.legs) leg.expected = {};
  for (auto& component : anchor.ends) {
    for (AnchorEnd& end : component) {
      end.remote = {};
      end.port = end.signalled_port = 0;
      end.latched = 0;
      end.next_hop = kNone;
    }
  }
}

// What the other end's SDP says now. The same as before keeps what was latched.
void set_remote(AnchorDetails& anchor, size_t leg, const link::AnchorSide& side) {
  if (!side.remote.address) return;
  anchor.legs[leg].muxed = side.muxed ? 1 : 0;
  const Address expected = Address::of(side.remote.address);
  const uint8_t bits = mapped_bits(side.remote.address, side.prefix);
  Endpoint rtcp = side.remote_rtcp;
  if (!rtcp.address) rtcp = {side.remote.address, static_cast<uint16_t>(side.remote.port + 1)};
  const std::array<Endpoint, 2> remotes{side.remote, rtcp};
  for (size_t component = 0; component < 2; ++component) {
    AnchorEnd& end = anchor.ends[component][leg];
    const Address remote = Address::of(remotes[component].address);
    const uint16_t port = remotes[component].port;
    const bool same =
        anchor.legs[leg].expected == expected && anchor.legs[leg].prefix_bits == bits &&
        (end.latched != 0 ? end.signalled_port == port : end.remote == remote && end.port == port);
    if (same) continue;
    end.remote = remote;
    end.port = port;
    end.signalled_port = port;
    end.latched = 0;
    end.next_hop = kNone;
  }
  anchor.legs[leg].expected = expected;
  anchor.legs[leg].prefix_bits = bits;
}

template <size_t N>
std::string name_of(const std::array<char, N>& name) {
  return {name.data(), ::strnlen(name.data(), N)};
}

}  // namespace

// Never relayed to, whatever an SDP says: nobody's addresses, and our own but for relay ports.
// Neither of them is reached through a translator, and our relay ports are not either.
Status Station::check_remote(const Endpoint& remote) const {
  if (!remote.address) return {};
  const auto inner = translated_from(remote.address);
  const IpAddress& last = inner ? *inner : remote.address;
  if (is_never_peer(remote.address) || is_never_peer(last) || plan_->is_own_but_no_relay(last) ||
      (inner && plan_->find_relay(Address::of(last)) >= 0)) {
    return fail("media", remote.address.text() + " is no address to send media to");
  }
  return {};
}

Result<uint16_t> Station::find_side(const link::AnchorSide& side) const {
  for (const Endpoint& remote : {side.remote, side.remote_rtcp}) {
    if (auto fine = check_remote(remote); !fine) return std::unexpected(fine.error());
  }
  const int local = plan_->find_local(side.realm, Address::of(side.local.address));
  if (local < 0) {
    return fail("media", side.local.text() + " is no relay port of realm " + side.realm);
  }
  return static_cast<uint16_t>(local);
}

Status Station::anchor(const link::Anchor& what, Instant now) {
  const std::array sides{&what.caller, &what.callee};
  const uint8_t workers = sessions_.workers();
  if (owner_of_port(what.caller.local.port, workers) != sessions_.worker()) return {};
  std::array<uint16_t, 2> locals{};
  for (size_t leg = 0; leg < 2; ++leg) {
    const auto local = find_side(*sides[leg]);
    if (!local) return std::unexpected(local.error());
    locals[leg] = *local;
  }
  uint32_t session = sessions_.find_anchor(what.id);
  const bool is_closed = std::ranges::any_of(
      sides, [](const auto* side) { return side->state == link::StreamState::closed; });
  if (is_closed && session == kNone) return {};
  if (is_closed) close_stream(sessions_.details(session).anchor);
  if (session == kNone) {
    const auto made = begin_anchor(what, locals, now);
    if (!made) return std::unexpected(made.error());
    session = *made;
  }
  AnchorDetails& stream = sessions_.details(session).anchor;
  for (size_t leg = 0; leg < 2; ++leg) {
    set_remote(stream, leg, *sides[leg]);
    if (sides[leg]->remote.address) expect(locals[leg], sides[leg]->remote.address);
    if (sides[leg]->state == link::StreamState::as_before) continue;
    stream.legs[leg].state = static_cast<uint8_t>(sides[leg]->state);
    // Silence counts anew from what was said last.
    stream.legs[leg].heard = to_ns(now);
    sessions_.start_silence(session);
  }
  return {};
}

Result<uint32_t> Station::begin_anchor(const link::Anchor& what,
                                       const std::array<uint16_t, 2>& locals, Instant now) {
  const std::array sides{&what.caller, &what.callee};
  std::array<RelayPort, 4> taken;
  size_t count = 0;
  for (size_t i = 0; i < 4; ++i) {
    const uint16_t even = sides[i / 2]->local.port;
    const RelayPort port{locals[i / 2], static_cast<uint16_t>(even + i % 2)};
    if (even % 2 != 0 || !sessions_.take_port(port, snapshot::PoolUse::anchor)) break;
    taken[count++] = port;
  }
  NewSession fresh;
  fresh.kind = SessionKind::anchor;
  fresh.anchor = what.id;
  fresh.user = what.call;
  fresh.user_name = what.call_id;
  fresh.client_realm = what.caller.realm;
  const uint32_t session = count == 4 ? sessions_.create(fresh, now) : kNone;
  if (session == kNone) {
    for (size_t i = 0; i < count; ++i) sessions_.free_port(taken[i]);
    return fail("media", count == 4 ? std::string("too many sessions")
                                    : sides[count / 2]->local.text() +
                                          " or the port behind it is no free port for calls");
  }
  sessions_.details(session).anchor.call = what.call;
  for (size_t i = 0; i < 4; ++i) sessions_.set_anchor_port(session, i % 2, i / 2, taken[i]);
  sessions_.start_silence(session);
  return session;
}

void Station::end_anchor(const link::AnchorEnd& what) {
  if (what.id != 0) {
    const uint32_t session = sessions_.find_anchor(what.id);
    if (session != kNone) sessions_.end(session, EndCause::signal);
    return;
  }
  for (uint32_t i = 0; i < sessions_.mark(); ++i) {
    if (sessions_.record(i).kind == SessionKind::anchor &&
        sessions_.details(i).anchor.call == what.call) {
      sessions_.end(i, EndCause::signal);
    }
  }
}

bool Station::describe_anchor(uint32_t i, link::Anchor& out) const {
  if (!sessions_.in_use(i) || sessions_.record(i).kind != SessionKind::anchor) return false;
  const SessionDetails& details = sessions_.details(i);
  const AnchorDetails& anchor = details.anchor;
  out = {};
  out.id = anchor.id;
  out.call = anchor.call;
  out.call_id = name_of(details.user_name);
  for (size_t leg = 0; leg < 2; ++leg) {
    link::AnchorSide& side = leg == 0 ? out.caller : out.callee;
    const AnchorEnd& rtp = anchor.ends[0][leg];
    const AnchorEnd& rtcp = anchor.ends[1][leg];
    side.realm = name_of(leg == 0 ? details.client_realm : details.relay_realm);
    side.local = {anchor.legs[leg].local.ip(), rtp.local_port};
    side.muxed = anchor.legs[leg].muxed != 0;
    side.state = static_cast<link::StreamState>(anchor.legs[leg].state);
    if (!anchor.legs[leg].expected) continue;
    const IpAddress expected = anchor.legs[leg].expected.ip();
    side.remote = {expected, rtp.signalled_port};
    side.remote_rtcp = {expected, rtcp.signalled_port};
    side.prefix = static_cast<uint8_t>(anchor.legs[leg].prefix_bits - (expected.is_v4() ? 96 : 0));
  }
  return true;
}

}  // namespace fedge::media
