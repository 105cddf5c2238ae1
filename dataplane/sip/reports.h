// What the proxy tells about next hops while it works (R3): who answers and who does not, and
// which request went to another target for it. For the operator, and for the other workers.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/base/time.h"

namespace fedge::sip {

// In this order: what is at most `up` gets requests like any other target.
enum class HopState : uint8_t {
  unknown,  // nothing was sent to it yet
  up,
  recovering,  // it answers again, not often enough yet
  down,
};

// Why a request to a next hop came to nothing.
enum class HopFailure : uint8_t {
  none,
  refused,  // reset, or unreachable
  connect_timed_out,
  handshake_failed,  // TLS: certificate, name, version
  not_sent,          // the connection closed before the message was written
  unreachable,       // no connection could even be begun
  congested,         // its connection takes no more
  connection_lost,   // before a response
  no_response,       // in time
  busy,              // it answered 503
  timed_out,         // it answered 408
};
// "the connection request was refused"
std::string_view text_of(HopFailure why);

struct HopReport {
  uint32_t next_hop = 0;  // index into Routing::next_hops of the snapshot in use
  HopState state = HopState::unknown;
  HopFailure reason = HopFailure::none;  // why it is, or was last, down
  bool changed = false;                  // the state did; otherwise only the last probe is news
  Instant since{};                       // in this state; Instant{} when it is unknown
  Instant probed{};  // when the last OPTIONS of ours ended; Instant{} when there was none
};

// A request that went to another target. Views are valid for the call only.
struct FailoverReport {
  std::string_view method;
  std::string_view rule;     // path in the topology of the rule that names the target that failed
  std::string_view call_id;  // as in the message
  uint32_t from = 0;         // both index the snapshot in use
  uint32_t to = 0;
  HopFailure why = HopFailure::none;
};

}  // namespace fedge::sip
