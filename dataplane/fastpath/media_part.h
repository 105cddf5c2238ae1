// Media of one worker: its sessions, its servers, its ring to front, and what signal and the
// operator ask of it. The worker calls it; the control thread only makes it, posts orders and reads
// how many sessions there are.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <span>
#include <unordered_set>
#include <variant>
#include <vector>

#include "dataplane/fastpath/handover.h"
#include "dataplane/fastpath/hops.h"
#include "dataplane/fastpath/media_meters.h"
#include "dataplane/fastpath/open_ports.h"
#include "dataplane/media/dialects.h"
#include "dataplane/media/front_ring.h"
#include "dataplane/media/quotas.h"
#include "dataplane/media/station.h"
#include "dataplane/media/turn_icmp.h"
#include "dataplane/media/turn_server.h"
#include "dataplane/media/turn_tcp.h"
#include "firmware/link/messages.h"
#include "firmware/pki/cmac.h"

namespace fedge::fastpath {

// Signal begins anew: it is told of every anchored stream that is there.
struct TellAnchors {};

using Order =
    std::variant<link::Anchor, link::AnchorEnd, link::SessionEnd, TellAnchors, media::FrontRing>;

// What a worker's media shares with the others'. All of it outlives them.
struct MediaSurroundings {
  uint8_t workers;
  media::Quotas& quotas;
  OpenPorts& tcp_relays;
  const Mirror& mirror;
  int event;  // an eventfd that wakes the control thread
  // Of nonces: a client may come to another worker with what one has given it.
  std::span<const std::byte, pki::Cmac::kKeySize> nonce_key;
};

class MediaPart final : public media::EndListener, public media::TcpRelay {
 public:
  // Of the box: what all workers may hold together.
  static constexpr uint32_t kMostSessions = 1'000'000;

  // Takes over the sessions that are in `memory`.
  static Result<std::unique_ptr<MediaPart>> open(const Fd& memory, uint8_t worker,
                                                 const MediaSurroundings& surroundings);

  // --- control thread ---
  void post(Order order) { orders_.post(std::move(order)); }
  Reports& reports() { return reports_; }
  Handover<link::AnchorHeld>& held() { return held_; }
  uint32_t session_count() const { return session_count_.load(std::memory_order_relaxed); }
  void settle_memory() { sessions_->settle(); }
  const media::Sessions::Adoption& adoption() const { return sessions_->adoption(); }

  // --- the worker ---
  // Both stay until others are used.
  void use(const media::Plan* plan, const RouteTable* routes, Instant now);
  // Orders, and what is due.
  void begin_round(Instant now);
  void process(std::span<media::Packet> burst, Instant now) { station_->process(burst, now); }
  // An ICMP packet, whose `view` it is: IcmpReports::take().
  // Whether somebody's TCP relay port is open there, of whichever worker.
  bool relays_tcp(const IpAddress& address, uint16_t port) const {
    return tcp_relays_.has(media::Address::of(address), port);
  }
  void report_icmp(media::Packet& packet, const ip::PacketView& view, Instant now) {
    if (plan_ != nullptr) icmp_->take(packet, view, *plan_, now);
  }
  void write_counts(Tally& tally, const MediaMeters& meters) const {
    media::TurnCounts both = turn_->counts();
    media::StationCounts all = station_->counts();
    icmp_->add_to(all);
    meters.write(tally, all, both += ms_turn_->counts());
  }

  // The next message of front into `packet`, whose frame has room for it. False: there is none
  // now. What is no message is done at once.
  bool read_front(media::Packet& packet, Instant now);
  // Fate::front. False: front is not there, or behind.
  bool send_to_front(const media::Packet& packet);
  // After a burst.
  void wake_front();
  // Readable when front has written; -1 without front. Another number is another ring's.
  int front_event() const { return front_ ? front_->event() : -1; }
  uint32_t front_number() const { return front_number_; }
  bool front_may_sleep() { return !front_ || front_->in().may_sleep(); }
  void on_front_woken() {
    if (front_) front_->in().on_woken();
  }

 private:
  MediaPart(uint8_t worker, const MediaSurroundings& surroundings);
  void on_end(media::SessionId id, const media::SessionRecord& record,
              const media::SessionDetails& details, media::EndCause cause) override;
  // The port may still be another's while the end of that is not said.
  bool listen(const media::TcpListen& what) override;
  bool name(const media::TcpListen& what) override { return unsaid_.empty() && push(what); }
  bool unlisten(const media::TcpUnlisten& what) override { return say(what); }
  bool connect(const media::TcpConnect& what) override { return push(what); }
  bool bind(const media::TcpBind& what, Bytes success) override { return push(what, success); }
  bool drop(const media::TcpDrop& what) override { return say(what); }
  bool accept(const media::TcpAccept& what) override { return say(what); }
  bool send_to(const media::TcpSend& what, Bytes data) override { return push(what, data); }
  bool set_active(const media::TcpActive& what, Bytes answer) override {
    return push(what, answer);
  }
  bool send(media::ConnectionId client, Bytes message) override {
    return push(media::FrontReply{client, 0}, message);
  }
  template <class Record>
  bool push(const Record& record, Bytes octets = {}) {
    return front_ && front_->out().push(record, octets);
  }

  using Unsaid = std::variant<media::TcpUnlisten, media::TcpDrop, media::TcpAccept>;
  // Later, when the ring is full.
  bool say(const Unsaid& what);
  bool push_unsaid(const Unsaid& what);
  void say_again();
  // False before the first snapshot: nobody is judged by a plan in which nothing is ours.
  bool has_plan() const { return plan_ != nullptr && !plan_->locals().empty(); }

  void open_relays();
  void close_relay(const media::Address& address, uint16_t port);
  void forget_relays();

  void take_orders(Instant now);
  void carry_out(Order& order, Instant now);
  void anchor(const link::Anchor& what, Instant now);
  void tell_anchors();
  void report_end(uint64_t id, uint64_t call);
  void report_ends();
  bool take_message(const media::FrontRecord& record, media::Packet& packet) const;
  void take_event(const media::FrontRecord& record, Instant now);
  void end_unnamed();

  const uint8_t worker_;
  const uint8_t workers_;
  OpenPorts& tcp_relays_;
  Reports reports_;
  Hops hops_;
  std::unique_ptr<media::Sessions> sessions_;
  std::unique_ptr<media::TurnServer> turn_;
  std::unique_ptr<media::MsTurnServer> ms_turn_;
  std::unique_ptr<media::Dialects> dialects_;
  std::unique_ptr<media::Station> station_;
  std::unique_ptr<media::IcmpReports> icmp_;
  const media::Plan* plan_ = nullptr;

  Handover<Order> orders_;
  Handover<link::AnchorHeld> held_;
  std::atomic<uint32_t> session_count_{0};
  std::unique_ptr<media::FrontRing> front_;
  uint32_t front_number_ = 0;
  std::vector<Report> unreported_ends_;            // of calls, when many end at once
  std::unordered_set<media::ConnectionId> named_;  // connections that a new front has
  std::deque<Unsaid> unsaid_;                      // what the ring had no room for
  bool names_wanted_ = false;   // front is to hear which TCP allocations there are
  bool review_wanted_ = false;  // … and is to name their peers: the plan is another
  uint32_t tell_from_ = 0;      // the next session to look at for signal; at its end: done
  uint32_t tell_to_ = 0;
  // Relay ports for TCP whose allocations are over: their connections still have their farewells.
  struct ClosingRelay {
    Instant until;
    media::Address address;
    uint16_t port;
  };
  std::deque<ClosingRelay> closing_relays_;
  Instant now_{};
  Instant next_tick_{};
  Instant next_second_{};
};

}  // namespace fedge::fastpath
