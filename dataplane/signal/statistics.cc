#include "dataplane/signal/statistics.h"

#include <string>
#include <string_view>

namespace fedge::signal {

namespace {

constexpr std::array<std::string_view, kCloseReasons> kReasons{
    "peer_closed",    "reset",           "idle",      "handshake_timeout", "handshake_failed",
    "connect_failed", "partial_timeout", "malformed", "write_stalled",     "no_memory",
    "realm_gone",     "address_gone",    "retired",   "stopping",          "silent",
    "owner_changed"};

}  // namespace

Statistics::Statistics(Counters& counters) : counters_(counters) {
  const auto series = [&](std::string_view name) {
    return counters.series("fedge_signal_" + std::string(name));
  };
  dialled_ok = series("dials_total{result=\"ok\"}");
  dial_refused = series("dials_total{result=\"refused\"}");
  dial_timed_out = series("dials_total{result=\"timed_out\"}");
  dial_handshake_failed = series("dials_total{result=\"handshake_failed\"}");
  handshakes_ok = series("handshakes_total{result=\"ok\"}");
  handshakes_resumed = series("handshakes_total{result=\"resumed\"}");
  handshakes_failed = series("handshakes_total{result=\"failed\"}");
  received_octets = series("received_bytes_total");
  messages = series("received_messages_total");
  pings = series("pings_total");
  held_back = series("held_back_total");
  queue_full = series("queue_full_total");
  moved = series("moved_connections_total");
  crossed = series("crossings_total");
  crossings_full = series("crossings_full_total");
  open_accepted = series("connections{kind=\"accepted\"}");
  open_dialled = series("connections{kind=\"dialled\"}");
  in_handshake = series("handshakes");
  waiting_octets = series("waiting_bytes");
  partial_messages = series("partial_messages");
  for (size_t i = 0; i < kCloseReasons; ++i) {
    closed_[i] = series("closed_total{reason=\"" + std::string(kReasons[i]) + "\"}");
  }
}

}  // namespace fedge::signal
