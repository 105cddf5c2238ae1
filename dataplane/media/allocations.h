// What both dialects of TURN decide alike about allocations and those who ask for them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "dataplane/media/plan.h"
#include "dataplane/media/quotas.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/station.h"
#include "dataplane/media/turn_credentials.h"
#include "firmware/base/time.h"
#include "firmware/wire/stun/constants.h"

namespace fedge::media {

// What the time of day is by the monotonic clock, for the end of credentials. Before it is told
// nobody's hold.
class TimeOfDay {
 public:
  void set(Instant now, WallTime wall) {
    offset_s_ = wall.time_since_epoch().count() - now.time_since_epoch() / 1s;
    is_known_ = true;
  }
  // Seconds since 1970.
  int64_t at(Instant now) const {
    return is_known_ ? now.time_since_epoch() / 1s + offset_s_
                     : std::numeric_limits<int64_t>::max();
  }

 private:
  int64_t offset_s_ = 0;
  bool is_known_ = false;
};

// The session of a request's five-tuple or connection as this plan has it; kNone: none. One that
// is over, by time or by a publish, ends here.
uint32_t find_live_session(Sessions& sessions, const Request& request, const Plan& plan,
                           Instant now);

// RFC 8656 section 7.2; 0 stays 0.
inline uint32_t clamp_lifetime(uint32_t wanted_s, const snapshot::Media& limits) {
  if (wanted_s == 0) return 0;
  return std::min(std::max(wanted_s, limits.lifetime_default_s), limits.lifetime_max_s);
}
inline uint32_t seconds_left(const SessionDetails& details, Instant now) {
  return static_cast<uint32_t>((details.expires - to_ns(now) + 999'999'999) / 1'000'000'000);
}

// Whether one more is too many: 486 of the user or the source, 508 of all.
std::optional<stun::Error> check_quotas(const Quotas& quotas, const snapshot::Media& limits,
                                        const Address& client, uint64_t user);
// Why there is no relay port of that family: none free, 508, or none at all, 440.
stun::Error why_no_port(const Plan& plan, uint8_t family);

// A session for whoever sent the request.
NewSession describe_session(SessionKind kind, const Request& request, const Plan& plan,
                            const TurnUser& user);

}  // namespace fedge::media
