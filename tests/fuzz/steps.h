// What fuzz targets of whole servers share. An input is a sequence of steps: one octet that says
// what it is, one of length, then as many octets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "dataplane/media/sessions.h"
#include "firmware/base/bytes.h"

namespace fedge::fuzz {

inline constexpr size_t kLongestInput = 4096;
// Of the servers' tables: few, so that they fill up.
inline constexpr uint32_t kMostSessions = 8;
inline constexpr uint16_t kLastPort = 50007;

inline void require(bool condition) {
  if (!condition) std::abort();
}

// Makes a site's table a small one, before it is made.
inline constexpr auto make_small = [](auto& site) {
  site.limits.max_sessions = kMostSessions;
  site.last_port = kLastPort;
};

template <class Run>
void take_steps(Run& run, const uint8_t* data, size_t size) {
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), std::min(size, kLongestInput)};
  for (size_t at = 0; at + 2 <= bytes.size();) {
    const auto what = std::to_integer<uint8_t>(bytes[at]);
    const size_t length = std::min(std::to_integer<size_t>(bytes[at + 1]), bytes.size() - at - 2);
    run.step(what, bytes.subspan(at + 2, length));
    at += 2 + length;
  }
}

// The table agrees with what it is counted by. `check_one` sees each session: its index, its
// record, and how many of its peers have a channel.
template <class Site, class Check>
void check_sessions(Site& site, Check&& check_one) {
  auto& sessions = *site.sessions;
  uint32_t in_use = 0;
  for (uint32_t i = 0; i < sessions.mark(); ++i) {
    if (!sessions.in_use(i)) continue;
    ++in_use;
    const auto& record = sessions.record(i);
    require(record.relay_port != 0);
    require(sessions.find_relay(record.relay, record.relay_port) == i);
    uint32_t peers = 0, channels = 0;
    for (uint32_t p = record.first_peer; p != media::kNone; p = sessions.peer(p).next) {
      ++peers;
      channels += sessions.peer(p).channel != 0 ? 1 : 0;
    }
    require(peers == record.peers && peers <= media::Sessions::kMostPeers);
    check_one(i, record, channels);
  }
  require(in_use == sessions.size() && in_use == site.quotas.total() && in_use <= kMostSessions);
}

}  // namespace fedge::fuzz
