#include "dataplane/sip/anchor_ports.h"

#include <algorithm>
#include <bit>

#include "dataplane/sip/hash.h"

namespace fedge::sip {

namespace {

uint32_t key_of(std::string_view realm, const IpAddress& address) {
  const std::string_view octets(reinterpret_cast<const char*>(address.octets.data()),
                                address.octets.size());
  return static_cast<uint32_t>(hash_of(realm, hash_of(octets, address.family)));
}

// The number of streams stands in it, for those who hear of a call by its id alone.
uint64_t make_id(uint64_t random, uint32_t streams) {
  const auto power = static_cast<uint64_t>(std::countr_zero(streams));
  return std::max<uint64_t>(random << 5, 1 << 5) | power << 3;
}
uint32_t streams_of(uint64_t id) { return 1u << (id >> 3 & 3); }

IpAddress shown_address(const snapshot::Section<snapshot::Realms>& realms,
                        const snapshot::Realm& realm, const IpAddress& address) {
  for (const snapshot::RealmAddress& a : realms.items(realm.addresses)) {
    if (a.address.address == address && a.public_address) return a.public_address;
  }
  return address;
}

}  // namespace

void AnchorPorts::use(const snapshot::Section<snapshot::Media>& media,
                      const snapshot::Section<snapshot::Realms>& realms) {
  std::vector<RelayAddress> before = std::move(addresses_);
  addresses_.clear();
  const auto all_realms = realms.items(realms.root().realms);
  for (const snapshot::MediaPool& pool : media.items(media.root().pools)) {
    if (pool.use != snapshot::PoolUse::anchor || pool.realm >= all_realms.size()) continue;
    const snapshot::Realm& realm = all_realms[pool.realm];
    for (const IpAddress& address : media.items(pool.addresses)) {
      RelayAddress entry;
      entry.key = key_of(realms.text(realm.name), address);
      entry.realm = pool.realm;
      entry.address = address;
      entry.shown = shown_address(realms, realm, address);
      entry.first_pair = pool.first_port / 2;
      entry.pairs = static_cast<uint32_t>(pool.last_port - pool.first_port + 1) / 2;
      entry.held.assign(entry.pairs, 0);
      addresses_.push_back(std::move(entry));
    }
  }
  held_ = 0;
  for (const RelayAddress& old : before) {
    for (uint32_t i = 0; i < old.pairs; ++i) {
      if (old.held[i] == 0) continue;
      mark({old.address, static_cast<uint16_t>((old.first_pair + i) * 2)}, old.held[i]);
    }
  }
}

bool AnchorPorts::serves(uint16_t realm, bool is_v6) const {
  return std::ranges::any_of(addresses_, [&](const RelayAddress& a) {
    return a.realm == realm && a.address.is_v6() == is_v6;
  });
}

const RelayAddress* AnchorPorts::find(uint32_t key) const {
  const auto found = std::ranges::find(addresses_, key, &RelayAddress::key);
  return found == addresses_.end() ? nullptr : &*found;
}

bool AnchorPorts::is_free(const RelayAddress& address, uint32_t first, uint32_t streams) {
  const uint32_t begin = first - first % streams;
  if (begin < address.first_pair || begin + streams > address.first_pair + address.pairs)
    return false;
  const auto held = address.held.begin() + (begin - address.first_pair);
  return std::all_of(held, held + streams, [](uint64_t id) { return id == 0; });
}

// A run of free pairs in one of this worker's groups; at `offset` inside its group when that is
// given. Groups are taken in turn, so that late packets of a call that has ended find its ports
// empty; in each the first stream begins one pair behind the last call's, so that all workers of
// the fast path get calls.
std::optional<uint32_t> AnchorPorts::find_run(RelayAddress& address, uint32_t streams,
                                              std::optional<uint32_t> offset) const {
  const uint32_t first = address.first_pair / kGroup;
  const uint32_t groups = (address.first_pair + address.pairs - 1) / kGroup - first + 1;
  const uint32_t begin = offset.value_or(address.turn);
  for (uint32_t i = 1; i <= groups; ++i) {
    const uint32_t at = (address.cursor + i) % groups;
    if ((first + at) % workers_ != worker_) continue;
    const uint32_t group = (first + at) * kGroup;
    for (uint32_t tried = 0; tried < (offset ? 1 : kGroup); tried += streams) {
      const uint32_t pair = group + (begin + tried) % kGroup;
      if (!is_free(address, pair, streams)) continue;
      address.cursor = at;
      address.turn = begin + 1;
      return pair;
    }
  }
  return std::nullopt;
}

std::optional<AnchorRef> AnchorPorts::take(const Side& caller, const Side& callee, uint32_t streams,
                                           uint64_t random) {
  const auto serves_side = [](const RelayAddress& a, const Side& side) {
    return a.realm == side.realm && a.address.is_v6() == side.is_v6;
  };
  streams = std::bit_ceil(std::clamp(streams, 1u, kMostStreams));
  for (RelayAddress& a : addresses_) {
    if (!serves_side(a, caller)) continue;
    const auto first = find_run(a, streams, std::nullopt);
    if (!first) continue;
    AnchorRef ref;
    ref.id = make_id(random, streams);
    ref.streams = static_cast<uint8_t>(streams);
    // Held already, so that the other side does not take the same.
    hold(a, *first, streams, ref.id);
    ref.ends[0] = {a.key, static_cast<uint16_t>(*first * 2)};
    for (RelayAddress& b : addresses_) {
      if (!serves_side(b, callee)) continue;
      const auto second = find_run(b, streams, *first % kGroup);
      if (!second) continue;
      hold(b, *second, streams, ref.id);
      ref.ends[1] = {b.key, static_cast<uint16_t>(*second * 2)};
      return ref;
    }
    release(ref.id);
    return std::nullopt;
  }
  return std::nullopt;
}

bool AnchorPorts::move_callee(AnchorRef& anchor, const Side& callee) {
  AnchorEnd& end = anchor.ends[1];
  const RelayAddress* const there = find(end.address);
  if (there != nullptr && there->realm == callee.realm && there->address.is_v6() == callee.is_v6) {
    return true;
  }
  for (RelayAddress& a : addresses_) {
    if (a.realm != callee.realm || a.address.is_v6() != callee.is_v6) continue;
    const auto pair = find_run(a, anchor.streams, end.port / 2u % kGroup);
    if (!pair) continue;
    hold(a, *pair, anchor.streams, anchor.id);
    end = {a.key, static_cast<uint16_t>(*pair * 2)};
    return true;
  }
  return false;
}

void AnchorPorts::hold(RelayAddress& address, uint32_t first, uint32_t streams, uint64_t id) {
  const uint32_t begin = first - first % streams;
  for (uint32_t i = 0; i < streams; ++i) {
    uint64_t& held = address.held[begin - address.first_pair + i];
    held_ += held == 0 ? 1 : 0;
    held = id;
  }
}

void AnchorPorts::release(uint64_t id) {
  if (id == 0) return;
  for (RelayAddress& a : addresses_) {
    for (uint64_t& held : a.held) {
      if (held != id) continue;
      held = 0;
      --held_;
    }
  }
}

AnchorPorts::Claim AnchorPorts::claim(const AnchorRef& anchor) {
  auto out = Claim::held;
  for (const bool takes : {false, true}) {
    for (const AnchorEnd& end : anchor.ends) {
      const auto a = std::ranges::find(addresses_, end.address, &RelayAddress::key);
      if (a == addresses_.end()) continue;
      for (uint32_t i = 0; i < anchor.streams; ++i) {
        const uint32_t pair = port_of_stream(end.port, anchor.streams, i) / 2u;
        if (pair < a->first_pair || pair >= a->first_pair + a->pairs ||
            pair / kGroup % workers_ != worker_) {
          continue;
        }
        const uint64_t held = a->held[pair - a->first_pair];
        if (held != 0 && held != anchor.id) return Claim::lost;
        if (held == 0) out = Claim::again;
        if (takes) hold(*a, pair, 1, anchor.id);
      }
    }
    if (out == Claim::held) break;
  }
  return out;
}

void AnchorPorts::mark(const Endpoint& local, uint64_t id) {
  const uint32_t pair = local.port / 2u;
  for (RelayAddress& a : addresses_) {
    if (a.address != local.address || pair < a.first_pair || pair >= a.first_pair + a.pairs ||
        pair / kGroup % workers_ != worker_) {
      continue;
    }
    hold(a, pair, 1, id);
    return;
  }
}

void AnchorPorts::note_held(uint64_t id, const Endpoint& caller, const Endpoint& callee) {
  // A call lives as long as its first stream.
  if (id % kMostStreams != 0) return;
  const uint32_t streams = streams_of(id);
  for (uint32_t i = 0; i < streams; ++i) {
    mark({caller.address, port_of_stream(caller.port, streams, i)}, id);
    mark({callee.address, port_of_stream(callee.port, streams, i)}, id);
  }
}

}  // namespace fedge::sip
