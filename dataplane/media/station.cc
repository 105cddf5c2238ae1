#include "dataplane/media/station.h"

#include "dataplane/media/plan.h"
#include "dataplane/media/relay.h"
#include "dataplane/media/sessions.h"

namespace fedge::media {

namespace {

// Sessions that one tick looks at: what is left comes with the next.
constexpr uint32_t kDueAtOnce = 256;

class Ends : public EndListener {
 public:
  explicit Ends(StationCounts& counts) : counts_(counts) {}
  void set_next(EndListener* next) { next_ = next; }
  void on_end(SessionId id, const SessionRecord& record, const SessionDetails& details,
              EndCause cause) override {
    ++counts_.ended[static_cast<size_t>(cause)];
    if (next_ != nullptr) next_->on_end(id, record, details, cause);
  }

 private:
  StationCounts& counts_;
  EndListener* next_ = nullptr;
};

}  // namespace

struct Station::Parts {
  Parts(Sessions& sessions, NextHops& next_hops, StunHandler& stun)
      : ends(counts), no_plan(Plan::none()), relay(sessions, next_hops, stun, counts) {}
  StationCounts counts;
  Ends ends;
  std::unique_ptr<const Plan> no_plan;
  Relay relay;
};

Station::Station(Sessions& sessions, NextHops& next_hops, StunHandler& stun, EndListener* ends)
    : sessions_(sessions), parts_(std::make_unique<Parts>(sessions, next_hops, stun)) {
  plan_ = parts_->no_plan.get();
  parts_->relay.use(*plan_);
  parts_->ends.set_next(ends);
  sessions_.set_listener(&parts_->ends);
}

Station::~Station() { sessions_.set_listener(nullptr); }

void Station::adopt(const Plan* plan, Instant) {
  sessions_.use(*plan);
  parts_->relay.use(*plan);
  plan_ = plan;
}

void Station::process(std::span<Packet> burst, Instant now) { parts_->relay.process(burst, now); }

// From one of the plan's local addresses.
void Station::expect(uint16_t local, const IpAddress& remote) {
  parts_->relay.expect(plan_->locals()[local].realm, Address::of(remote));
}

void Station::tick(Instant now) { sessions_.expire(now, kDueAtOnce); }

void Station::end_session(SessionId id) {
  const uint32_t session = sessions_.find(id);
  if (session != kNone) sessions_.end(session, EndCause::operator_asked);
}

const StationCounts& Station::counts() const { return parts_->counts; }

const char* text(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::malformed_stun:
      return "malformed_stun";
    case Reason::unknown_datagram:
      return "unknown_datagram";
    case Reason::no_session:
      return "no_session";
    case Reason::no_permission:
      return "no_permission";
    case Reason::no_channel:
      return "no_channel";
    case Reason::peer_denied:
      return "peer_denied";
    case Reason::source_foreign:
      return "source_foreign";
    case Reason::not_latched:
      return "not_latched";
    case Reason::bandwidth:
      return "bandwidth";
    case Reason::above_mtu:
      return "above_mtu";
    case Reason::no_neighbour:
      return "no_neighbour";
    case Reason::no_route:
      return "no_route";
    case Reason::checksum:
      return "checksum";
    case Reason::time_to_live:
      return "time_to_live";
    case Reason::loop:
      return "loop";
    case Reason::limited:
      return "limited";
    case Reason::unauthenticated:
      return "unauthenticated";
    case Reason::replayed:
      return "replayed";
  }
  return "?";
}

}  // namespace fedge::media
