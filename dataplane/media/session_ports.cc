// Relay ports: who has which, and which one is given out next.
#include <algorithm>
#include <cstring>

#include "dataplane/media/sessions.h"

namespace fedge::media {

namespace {

// The ports of a range that a worker owns come in pairs, `workers` pairs apart.
struct OwnPairs {
  uint32_t first = 0;  // even port of the first one
  uint32_t count = 0;
  uint32_t step = 2;

  OwnPairs(const RelayRange& range, uint8_t worker, uint8_t workers) : step(2u * workers) {
    const uint32_t owner = owner_of_port(range.first_port, workers);
    first = range.first_port + 2u * ((worker + workers - owner) % workers);
    if (first <= range.last_port) count = (range.last_port - first) / step + 1;
  }
};

template <size_t N>
std::string_view as_name(const std::array<char, N>& name) {
  return {name.data(), ::strnlen(name.data(), N)};
}

void copy_name(std::string_view text, std::array<char, 16>& out) {
  out.fill(0);
  std::memcpy(out.data(), text.data(), std::min(text.size(), out.size()));
}

}  // namespace

// xorshift128+: which port is next must not be guessed from the last ones at a glance; secrets are
// not made with it.
uint64_t Sessions::next_random() {
  uint64_t x = random_[0];
  const uint64_t y = random_[1];
  random_[0] = y;
  x ^= x << 23;
  random_[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
  return random_[1] + y;
}

void Sessions::count_port(RelayPort port, int by) {
  const auto ranges = plan_->ranges();
  for (size_t i = 0; i < ranges.size(); ++i) {
    const RelayRange& range = ranges[i];
    if (range.local != port.local || port.port < range.first_port || port.port > range.last_port) {
      continue;
    }
    free_of_range_[i] += static_cast<uint32_t>(by);
  }
}

bool Sessions::take_pair(const RelayRange& range, PortWish wish, RelayPort& out) {
  const OwnPairs pairs(range, worker_, workers_);
  const uint64_t random = next_random();
  for (uint32_t i = 0; i < pairs.count; ++i) {
    const auto even =
        static_cast<uint16_t>(pairs.first + (static_cast<uint32_t>(random >> 1) % pairs.count + i) %
                                                pairs.count * pairs.step);
    const auto odd = static_cast<uint16_t>(even + 1);
    const bool is_even_free = slot({range.local, even}) == kNone;
    const bool is_odd_free = slot({range.local, odd}) == kNone;
    uint16_t port = 0;
    if (wish == PortWish::any) {
      const bool prefers_odd = (random & 1) != 0;
      if (is_even_free && (!prefers_odd || !is_odd_free)) port = even;
      if (is_odd_free && port == 0) port = odd;
    } else if (is_even_free && (wish == PortWish::even || is_odd_free)) {
      port = even;
    }
    if (port == 0) continue;
    out = {range.local, port};
    (void)take_port(out, range.use);
    if (wish == PortWish::even_and_next) (void)take_port({range.local, odd}, range.use);
    return true;
  }
  return false;
}

std::optional<RelayPort> Sessions::take_port(uint8_t family, PortWish wish) {
  const auto ranges = plan_->ranges();
  if (ranges.empty()) return std::nullopt;
  const size_t start = next_random() % ranges.size();
  for (size_t i = 0; i < ranges.size(); ++i) {
    const size_t at = (start + i) % ranges.size();
    const RelayRange& range = ranges[at];
    if (range.use != snapshot::PoolUse::turn || free_of_range_[at] == 0) continue;
    if (plan_->locals()[range.local].address.is_v4() != (family == 4)) continue;
    RelayPort out;
    if (take_pair(range, wish, out)) return out;
  }
  return std::nullopt;
}

bool Sessions::take_port(RelayPort port, snapshot::PoolUse use) {
  if (port.local >= plan_->locals().size() || owner_of_port(port.port, workers_) != worker_) {
    return false;
  }
  const auto is_of = [&](const RelayRange& range) {
    return range.use == use && range.local == port.local && port.port >= range.first_port &&
           port.port <= range.last_port;
  };
  if (std::ranges::none_of(plan_->ranges(), is_of) || slot(port) != kNone) return false;
  slot(port) = kTaken;
  count_port(port, -1);
  return true;
}

void Sessions::free_port(RelayPort port) {
  if (port.local >= plan_->locals().size()) return;
  if (!plan_->locals()[port.local].has_relay_port(port.port) || slot(port) == kNone) return;
  slot(port) = kNone;
  count_port(port, 1);
}

uint32_t Sessions::free_ports(uint8_t family) const {
  uint32_t count = 0;
  const auto ranges = plan_->ranges();
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].use != snapshot::PoolUse::turn) continue;
    if (plan_->locals()[ranges[i].local].address.is_v4() == (family == 4)) {
      count += free_of_range_[i];
    }
  }
  return count;
}

// --- ports of sessions -------------------------------------------------------------------------

void Sessions::set_relay(uint32_t session, RelayPort port) {
  SessionRecord& record = records_[session];
  SessionDetails& details = details_[session];
  const LocalAddress& local = plan_->locals()[port.local];
  slot(port) = session;
  if (record.relay_port == 0) {
    record.relay = port.local;
    record.relay_port = port.port;
    details.relay = local.address;
    copy_name(plan_->realms()[local.realm].name, details.relay_realm);
  } else {
    record.second_relay = port.local;
    record.second_relay_port = port.port;
    details.second_relay = local.address;
  }
}

void Sessions::set_anchor_port(uint32_t session, size_t component, size_t leg, RelayPort port) {
  SessionDetails& details = details_[session];
  AnchorEnd& end = details.anchor.ends[component][leg];
  const LocalAddress& at = plan_->locals()[port.local];
  slot(port) = session;
  end.local = port.local;
  end.local_port = port.port;
  details.anchor.legs[leg].local = at.address;
  copy_name(plan_->realms()[at.realm].name, leg == 0 ? details.client_realm : details.relay_realm);
}

uint64_t Sessions::new_reservation(uint32_t session) {
  return next_random() << 32 | uint64_t{worker_} << 28 | session;
}

void Sessions::hold_next_port(uint32_t session, uint64_t token, Instant until) {
  records_[session].flags |= session_flag::kHoldsNextPort;
  details_[session].turn.reservation = token;
  details_[session].turn.held_until = to_ns(until);
  schedule_by(session, to_ns(until));
}

uint32_t Sessions::find_reservation(uint64_t token) const {
  const auto session = static_cast<uint32_t>(token & 0xfffffff);
  if (!in_use(session) || records_[session].kind == SessionKind::anchor) return kNone;
  const bool holds = (records_[session].flags & session_flag::kHoldsNextPort) != 0;
  return holds && details_[session].turn.reservation == token ? session : kNone;
}

RelayPort Sessions::take_held(uint32_t session) {
  SessionRecord& record = records_[session];
  if (record.kind == SessionKind::anchor) return {};
  record.flags &= static_cast<uint8_t>(~session_flag::kHoldsNextPort);
  details_[session].turn.reservation = 0;
  return {record.relay, static_cast<uint16_t>(record.relay_port + 1)};
}

void Sessions::release_ports(uint32_t session) {
  SessionRecord& record = records_[session];
  const auto release = [&](uint16_t local, uint16_t port) {
    if (port == 0 || local >= plan_->locals().size()) return;
    if (!plan_->locals()[local].has_relay_port(port)) return;
    // After a publish the number may be another's.
    if (slot({local, port}) == session) free_port({local, port});
  };
  if (record.kind == SessionKind::anchor) {
    for (const auto& component : details_[session].anchor.ends) {
      for (const AnchorEnd& end : component) release(end.local, end.local_port);
    }
    return;
  }
  if ((record.flags & session_flag::kHoldsNextPort) != 0) free_port(take_held(session));
  release(record.relay, record.relay_port);
  release(record.second_relay, record.second_relay_port);
}

// --- a new plan --------------------------------------------------------------------------------

namespace {

bool has_same_ports(const Plan& a, const Plan& b) {
  return a.slots() == b.slots() &&
         std::ranges::equal(a.locals(), b.locals(),
                            [&](const LocalAddress& x, const LocalAddress& y) {
                              return x.address == y.address && x.first_slot == y.first_slot &&
                                     x.first_port == y.first_port && x.last_port == y.last_port &&
                                     a.realms()[x.realm].name == b.realms()[y.realm].name;
                            }) &&
         std::ranges::equal(a.ranges(), b.ranges(), [](const RelayRange& x, const RelayRange& y) {
           return x.local == y.local && x.first_port == y.first_port &&
                  x.last_port == y.last_port && x.use == y.use;
         });
}

}  // namespace

void Sessions::use(const Plan& plan) {
  const bool same = has_same_ports(*plan_, plan);
  const bool same_silence = plan_->limits().silence_s == plan.limits().silence_s;
  plan_ = &plan;
  if (!same) number_all_ports();
  no_plan_.reset();
  if (same && same_silence) return;
  for (uint32_t i = 0; i < mark(); ++i) {
    if (records_[i].kind == SessionKind::anchor) wheel_.set(i, 0);
  }
}

void Sessions::number_all_ports() {
  slots_ = HugeArray<uint32_t>(plan_->slots());
  std::fill_n(slots_.data(), slots_.size(), kNone);
  free_of_range_.clear();
  for (const RelayRange& range : plan_->ranges()) {
    free_of_range_.push_back(2 * OwnPairs(range, worker_, workers_).count);
  }
  for (uint32_t i = 0; i < mark(); ++i) {
    if (records_[i].kind == SessionKind::free) continue;
    const bool known = renew(i);
    // A number that does not hold any more must not free the port of another.
    if (!known) (void)take_held(i);
    if (!known || !number_ports(i)) end(i, EndCause::publish);
  }
}

// Enters its ports; false when one is another's, or of no pool of its kind.
bool Sessions::number_ports(uint32_t session) {
  SessionRecord& record = records_[session];
  const auto take = [&](uint16_t local, uint16_t port, snapshot::PoolUse use) {
    if (port == 0) return true;
    if (!take_port({local, port}, use)) return false;
    slot({local, port}) = session;
    return true;
  };
  if (record.kind == SessionKind::anchor) {
    bool all = true;
    for (const auto& component : details_[session].anchor.ends) {
      for (const AnchorEnd& end : component) {
        all = all && take(end.local, end.local_port, snapshot::PoolUse::anchor);
      }
    }
    return all;
  }
  if ((record.flags & session_flag::kHoldsNextPort) != 0 &&
      !take_port({record.relay, static_cast<uint16_t>(record.relay_port + 1)},
                 snapshot::PoolUse::turn)) {
    (void)take_held(session);
  }
  return take(record.relay, record.relay_port, snapshot::PoolUse::turn) &&
         take(record.second_relay, record.second_relay_port, snapshot::PoolUse::turn);
}

bool Sessions::renew(uint32_t session) {
  SessionRecord& record = records_[session];
  SessionDetails& details = details_[session];
  const auto find = [&](const std::array<char, 16>& realm, const Address& address, auto& out) {
    const int found = plan_->find_local(as_name(realm), address);
    if (found >= 0) out = static_cast<uint16_t>(found);
    return found >= 0;
  };
  if (record.kind == SessionKind::anchor) {
    for (size_t leg = 0; leg < 2; ++leg) {
      uint16_t local = 0;
      const auto& realm = leg == 0 ? details.client_realm : details.relay_realm;
      if (!find(realm, details.anchor.legs[leg].local, local)) return false;
      for (auto& component : details.anchor.ends) {
        component[leg].local = local;
        component[leg].next_hop = kNone;
      }
    }
  } else {
    if (!find(details.client_realm, details.server, record.server)) return false;
    const bool by_udp = record.transport == ClientTransport::udp;
    if (by_udp && !plan_->locals()[record.server].serves(record.server_port)) return false;
    if (record.relay_port != 0 && !find(details.relay_realm, details.relay, record.relay)) {
      return false;
    }
    if (record.second_relay_port != 0 &&
        !find(details.relay_realm, details.second_relay, record.second_relay)) {
      return false;
    }
  }
  cool(session);
  record.plan = plan_->sequence();
  return true;
}

}  // namespace fedge::media
