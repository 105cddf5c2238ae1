// The timers of SIP transactions by name (RFC 3261 section 17 and table 4, RFC 6026 section 7),
// for reliable transports. fedge carries SIP over TCP and TLS only: timers that repeat a message
// (A, E, G) never run there and those that absorb repetitions (D, I, J, K) are zero, so the
// states they end are left at once.
#pragma once

#include <algorithm>

#include "firmware/base/time.h"
#include "firmware/snapshot/sections.h"

namespace fedge::sip {

struct Timers {
  Duration t1 = 500ms;
  Duration t2 = 4s;
  Duration t4 = 5s;

  // Repetitions of INVITE, of other requests, of the answer to INVITE.
  static constexpr Duration a = Duration::max();
  static constexpr Duration e = Duration::max();
  static constexpr Duration g = Duration::max();
  // Waiting for repetitions of: the answer to INVITE, ACK, other requests, their answers.
  static constexpr Duration d{0};
  static constexpr Duration i{0};
  static constexpr Duration j{0};
  static constexpr Duration k{0};

  // RFC 4320 4.1: a request other than INVITE hears 100 when nothing else was said for as long as
  // timer E takes to grow to T2.
  Duration trying() const { return std::max(t2 - t1, Duration{0}); }
  Duration b() const { return 64 * t1; }  // INVITE without any response
  Duration f() const { return 64 * t1; }  // another request without a final response
  Duration h() const { return 64 * t1; }  // waiting for ACK of a refusal
  Duration l() const { return 64 * t1; }  // RFC 6026: server transaction after a 2xx
  Duration m() const { return 64 * t1; }  // RFC 6026: client transaction after a 2xx
  // Between CANCEL and giving up on the cancelled INVITE (RFC 3261 9.1).
  Duration cancelled() const { return 64 * t1; }

  // Proxy: INVITE that rings for too long (RFC 3261 16.6 step 11: more than three minutes).
  Duration c = 185s;
  // R3: a target that gives no response at all for so long is passed over for the next one.
  Duration first_response = 4s;

  static Timers of(const snapshot::Signalling& s) {
    const auto ms = [](uint32_t n) { return std::chrono::milliseconds(n); };
    Timers timers;
    timers.t1 = ms(s.t1_ms);
    timers.t2 = ms(s.t2_ms);
    timers.t4 = ms(s.t4_ms);
    timers.c = ms(s.timer_c_ms);
    timers.first_response = ms(s.first_response_ms);
    return timers;
  }
};

}  // namespace fedge::sip
