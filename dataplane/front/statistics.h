// What front counts, in the process's counter page.
#pragma once

#include <array>

#include "dataplane/front/connection.h"
#include "firmware/base/counters.h"

namespace fedge::front {

struct Statistics {
  explicit Statistics(Counters& page);

  void add(uint32_t series, uint64_t n = 1) { counters.add(series, n); }

  Counters& counters;
  uint32_t accepted, refused_connections, refused_source;
  uint32_t handshakes_good, handshakes_failed;
  uint32_t to_worker, to_client;  // messages
  uint32_t too_long, slow_client, client_gone;
  uint32_t held;         // times that a client was not read on because the fast path was busy
  uint32_t connections;  // now
  uint32_t rings_broken;
  uint32_t relay_ports, peers;  // now
  uint32_t peers_connected, peers_taken;
  uint32_t peers_refused;         // a Connect or ConnectionBind came to nothing
  uint32_t peers_dropped;         // not permitted, or too many
  uint32_t from_peers, to_peers;  // octets, counted when a connection is over
  std::array<uint32_t, kCloseReasons> closed;
};

}  // namespace fedge::front
