// Which next hops answer (R3): learnt from requests and their responses, and by OPTIONS where
// nothing else is heard. A hop that is down is passed over while another target is left. Kept by
// key, so that it survives publishes. No sockets, no clock; nothing is allocated but in use().
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "dataplane/sip/branch.h"
#include "dataplane/sip/next_hops.h"
#include "dataplane/sip/nonces.h"
#include "dataplane/sip/outbound.h"
#include "firmware/base/timers.h"

namespace fedge::sip {

// What health asks of the proxy around it.
class HealthEvents {
 public:
  virtual ~HealthEvents() = default;
  // Sends OPTIONS with that branch and the token that goes with it; see probe.h.
  virtual SendResult send_probe(uint32_t next_hop, const Branch& branch) = 0;
  // Whether this worker is the one that asks hops of that host.
  virtual bool asks(std::string_view host) const = 0;
  virtual void on_hop_report(const HopReport& report) = 0;
  // Its hop is silent there: to be closed. May call Health::on_connection_closed.
  virtual void drop(ConnectionId connection) = 0;
};

struct HealthTimes {
  Duration interval = 10s;  // what failed serves again so soon after it was mended
  Duration first_response = 4s;
};

class Health {
 public:
  Health(TimerWheel& wheel, HealthEvents& events, uint64_t secret, uint32_t worker);
  ~Health();

  // After a publish. What is known of a hop that is still there stays known.
  void use(const snapshot::Section<snapshot::Routing>& routing, const NextHops& next_hops,
           const HealthTimes& times, Instant now);

  // Below, `next_hop` indexes the snapshot in use.
  // Whether requests are sent there though another target is left.
  bool is_up(uint32_t next_hop) const { return hops_[next_hop].state <= HopState::up; }
  // The hop of `key`; `likely` is where it was once, and mostly still is. kNoNextHop when it left.
  uint32_t find(uint32_t key, uint32_t likely) const {
    return likely < count_ && hops_[likely].key == key ? likely : find_key(key);
  }
  HopReport report(uint32_t next_hop) const;
  bool asks(uint32_t next_hop) const { return hops_[next_hop].is_ours; }
  uint32_t size() const { return count_; }

  // A response other than 503 and 408, provisional ones too.
  void on_answer(uint32_t next_hop, Instant now) {
    Hop& hop = hops_[next_hop];
    hop.heard = now;
    hop.strikes = 0;
    if (hop.state != HopState::up) on_success(hop, now);
  }
  // A request sent at `started` came to nothing. Silence counts only when nothing else has been
  // heard of the hop meanwhile; some failures count when there are three in a row.
  void on_failure(uint32_t next_hop, HopFailure why, Instant started, Instant now);
  // 503 with Retry-After: down for so long, at most one interval; ten when it was down already.
  void on_busy(uint32_t next_hop, Duration retry_after, Instant now);
  // Another worker has found out: taken over, and reported as no change of ours.
  void note(const HopReport& report, uint32_t key, Instant now);

  // What becomes of probes; false when the branch or the token is not one of a probe.
  bool on_probe_answer(const Branch& branch, uint16_t status, Duration retry_after, Instant now);
  bool on_probe_placed(SendToken token, ConnectionId connection);
  bool on_probe_failed(SendToken token, HopFailure why, Instant now);
  void on_connection_closed(ConnectionId connection, Instant now);
  size_t probes() const { return probe_count_; }

 private:
  static constexpr size_t kMostProbes = 240;
  static constexpr uint8_t kNoProbe = 0xff;
  struct Hop final : Timer {
    Health* owner = nullptr;
    uint32_t key = 0;
    HopState state = HopState::unknown;
    HopFailure reason = HopFailure::none;
    bool is_ours = false;          // this worker asks it
    bool has_alternative = false;  // a route names it beside another hop
    uint8_t probe = kNoProbe;      // its place among the probes
    uint8_t strikes = 0;           // in a row
    uint8_t successes = 0;         // in a row since it went down
    uint8_t needed = 0;            // of them, to be up again
    Instant since{};
    Instant heard{};
    Instant returned{};  // when it was last up again
    Instant held{};      // not to be asked before (Retry-After)
    Instant probed{};    // when its last probe ended

   private:
    void on_timer(Instant now) override { owner->on_due(*this, now); }
  };
  struct Probe {
    uint32_t next_hop = 0;
    uint64_t nonce = 0;  // 0: free
    ConnectionId connection = 0;
    Instant started{};
  };

  uint32_t find_key(uint32_t key) const;
  uint32_t index_of(const Hop& hop) const { return static_cast<uint32_t>(&hop - hops_.get()); }
  void mark_alternatives(const snapshot::Section<snapshot::Routing>& routing);
  Duration period_of(const Hop& hop) const;
  void on_due(Hop& hop, Instant now);
  bool is_asked(const Hop& hop) const;
  void plan(Hop& hop, Instant at);
  void ask(Hop& hop, Instant now);
  void take_over(Hop& hop, const Hop& before, Instant now);
  Probe* find_probe(SendToken token);
  Hop& end_probe(Probe& probe, Instant now);
  void on_probe_lost(Hop& hop, HopFailure why, Instant now);
  void on_success(Hop& hop, Instant now);
  void go_down(Hop& hop, HopFailure why, Instant now);
  void set_down(Hop& hop, HopFailure why, Instant now);
  void tell(const Hop& hop, bool changed);

  TimerWheel& wheel_;
  HealthEvents& events_;
  uint32_t probe_index_;
  Nonces nonces_;
  HealthTimes times_;
  Duration quiet_ = times_.interval;  // after which a hop that is up is asked
  const NextHops* next_hops_ = nullptr;
  std::unique_ptr<Hop[]> hops_;
  uint32_t count_ = 0;
  std::array<Probe, kMostProbes> probes_;
  size_t probe_count_ = 0;
};

}  // namespace fedge::sip
