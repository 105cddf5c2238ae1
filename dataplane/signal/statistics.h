// What the worker counts about connections, in the process's counter page.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/counters.h"

namespace fedge::signal {

enum class CloseReason : uint8_t {
  peer_closed,  // end of stream or close_notify
  reset,        // the socket failed
  idle,
  handshake_timeout,
  handshake_failed,
  connect_failed,   // no endpoint of a next hop could be reached
  partial_timeout,  // a message was begun and not finished in time
  malformed,        // no telling where the next message starts
  write_stalled,    // the peer takes nothing any more
  no_memory,
  realm_gone,
  address_gone,  // the connection's own
  retired,       // the next hop is not in the snapshot any more
  stopping,
  silent,         // a next hop's: no answer to OPTIONS
  owner_changed,  // its peer belongs to another worker since a publish
};
inline constexpr size_t kCloseReasons = 16;

class Statistics {
 public:
  explicit Statistics(Counters& counters);

  void on_closed(CloseReason why) { counters_.add(closed_[static_cast<size_t>(why)]); }
  void add(uint32_t series, uint64_t n = 1) { counters_.add(series, n); }
  void set(uint32_t series, uint64_t n) { counters_.set(series, n); }

  // Series, by what they count.
  uint32_t dialled_ok, dial_refused, dial_timed_out, dial_handshake_failed;
  uint32_t handshakes_ok, handshakes_resumed, handshakes_failed;
  uint32_t received_octets, messages, pings, held_back, queue_full;
  uint32_t moved, crossed, crossings_full;  // between workers
  // Gauges, set ten times a second.
  uint32_t open_accepted, open_dialled, in_handshake, waiting_octets, partial_messages;

 private:
  Counters& counters_;
  std::array<uint32_t, kCloseReasons> closed_;
};

}  // namespace fedge::signal
