// The packet's path of one worker: a burst of frames and of front's messages, recognised, looked
// up, checked, rewritten in stages, so that the memory that one stage asked for is there in the
// next. See README.md for the stages.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "dataplane/media/arrival.h"
#include "dataplane/media/counts.h"
#include "dataplane/media/next_hops.h"
#include "dataplane/media/packet.h"
#include "dataplane/media/plan.h"
#include "dataplane/media/quotas.h"
#include "dataplane/media/rewrite.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/station.h"

namespace fedge::media {

class Relay {
 public:
  static constexpr size_t kBurst = 32;
  static constexpr uint8_t kMostHops = 4;
  // In a record's `next_hop`: a relay port of ours, reached without leaving the box.
  static constexpr uint32_t kInside = kNoNextHop - 1;
  // MS-TURN's active destination stands as a peer with this channel: its data has no head.
  static constexpr uint16_t kActiveDestination = 1;

  Relay(Sessions& sessions, NextHops& next_hops, StunHandler& stun, StationCounts& counts)
      : sessions_(sessions), next_hops_(next_hops), stun_(stun), counts_(counts) {}

  void use(const Plan& plan);
  // At most kBurst.
  void process(std::span<Packet> burst, Instant now);

  // Packets will go there from a local address of `realm`: its neighbour is looked for by now, so
  // that the first one is not lost.
  void expect(uint16_t realm, const Address& to);

 private:
  enum class Way : uint8_t {
    none,         // its fate is known
    from_peer,    // to a relay port
    from_client,  // to a listener
    from_front,
  };
  struct Item {
    Arrival arrival;   // but for Way::none
    uint64_t key;      // likewise, and not from a peer
    const void* next;  // what the next stage reads first
    uint32_t session;
    Way way;
  };
  using Items = std::array<Item, kBurst>;

  void process_once(std::span<Packet> burst, Items& items);
  Way recognise(Packet& packet, Item& item);
  void look_up(Item& item);
  void prefetch_details(const Item& item);

  void relay_from_peer(Packet& packet, Item& item);
  void relay_from_client(Packet& packet, Item& item);
  void relay_channel(Packet& packet, const Item& item);
  void relay_ms_turn(Packet& packet, Item& item);  // relay_ms_turn.cc, with the next two
  void relay_to_active(Packet& packet, Item& item);
  void relay_carried(Packet& packet, const Item& item, const Request& request);
  uint32_t find_clients_session(const Item& item);
  // Of a session's own path; relay_slowly.cc.
  bool renew(Packet& packet, uint32_t session);
  bool renew_peer(Packet& packet, uint32_t session, uint32_t peer);
  // Its record was found in the list: it is the hot one now. False: policy has changed its mind.
  bool heat(Packet& packet, uint32_t session, uint32_t peer);
  void expect_peers(uint32_t session);
  bool find_next_hop(Packet& packet, const LocalAddress& from, const Address& to,
                     uint32_t& next_hop, uint64_t& mac_word);
  bool take_send_indication(Packet& packet, const Item& item, uint32_t session);
  void ask_server(Packet& packet, Item& item, uint32_t session);
  bool follow_stray(Packet& packet, const Item& item);
  void hand_over_stray(Packet& packet, uint8_t worker) {
    packet.strayed = true;
    hand_over(packet, worker);
  }
  void hand_over(Packet& packet, uint8_t worker) {
    packet.fate = Fate::hand_over;
    packet.worker = worker;
    ++counts_.handed_over;
  }
  void relay_from_front(Packet& packet, Item& item);
  void send_to_front(Packet& packet, uint32_t session, const Departure& out, const Item& item);

  // What is left when the peer is the hot one: to it, and from it.
  void send_to_peer(Packet& packet, const Item& item, uint32_t session, uint16_t peer_port,
                    Departure& out);
  void send_to_client(Packet& packet, const Item& item, uint32_t session);
  bool write_head(Packet& packet, const Item& item, const SessionRecord& record, Departure& out);
  // Headers, MTU and fate; counts what left.
  void depart(Packet& packet, const Item& item, Departure& out, uint32_t next_hop);
  // False: one of the three is used up; nothing is counted.
  bool take_bandwidth(uint32_t session, size_t direction, size_t size);
  bool take_total(size_t direction, size_t size);

  // Anchored streams (anchoring.cc).
  void relay_anchored(Packet& packet, const Item& item);
  bool may_latch(const Packet& packet, const Item& item, const AnchorDetails& anchor,
                 size_t component, size_t leg) const;
  bool accept(Packet& packet, const Item& item, AnchorDetails& anchor, size_t component,
              size_t leg);
  void measure(const Packet& packet, const Item& item, AnchorLeg& leg);

  void drop(Packet& packet, Reason reason) {
    packet.fate = Fate::drop;
    packet.reason = reason;
    ++counts_.dropped[static_cast<size_t>(reason)];
  }
  void refuse(Packet& packet, uint32_t session, Reason reason) {
    ++sessions_.details(session).refused;
    drop(packet, reason);
  }
  static constexpr size_t kToPeer = 0;
  static constexpr size_t kToClient = 1;
  void count(uint32_t session, size_t direction, size_t size) {
    SessionRecord& record = sessions_.record(session);
    ++record.traffic[direction].packets;
    record.traffic[direction].bytes += size;
    auto& flows = direction == kToPeer ? counts_.from_client : counts_.to_client;
    auto& flow = flows[static_cast<size_t>(record.kind)];
    ++flow.packets;
    flow.bytes += size;
  }
  const LocalAddress& local(uint16_t place) const { return plan_->locals()[place]; }

  Sessions& sessions_;
  NextHops& next_hops_;
  StunHandler& stun_;
  StationCounts& counts_;
  const Plan* plan_ = nullptr;
  Instant now_{};
  int64_t at_ = 0;  // now_, in nanoseconds
  uint32_t sequence_ = 0;
  // Of a session, a user and the box: see Bandwidth::pace().
  int64_t session_pace_ = 0;
  int64_t user_pace_ = 0;
  int64_t total_pace_ = 0;
  bool has_limits_ = false;  // one of them
  // Octets, taken from the box's and not sent yet, by direction; how many are taken at once.
  std::array<size_t, 2> granted_{};
  size_t grant_ = 0;
  uint16_t id_ = 0;
  uint64_t transaction_ = 0;
  std::unique_ptr<Items> items_ = std::make_unique_for_overwrite<Items>();  // of this burst
};

inline bool Relay::take_bandwidth(uint32_t session, size_t direction, size_t size) {
  if (!has_limits_) return true;
  const uint32_t user = sessions_.record(session).user_bits;
  int64_t& paced = sessions_.details(session).turn.paced[direction];
  const int64_t due = std::max(paced, at_);
  if (session_pace_ != 0 && due > at_ + Bandwidth::kBurst) return false;
  Bandwidth& shared = sessions_.quotas().bandwidth();
  if (user_pace_ != 0 && !shared.user_has_room(user, direction, at_)) return false;
  if (!take_total(direction, size)) return false;
  paced = due + Bandwidth::time_of(size, session_pace_);
  if (user_pace_ != 0) {
    shared.charge_user(user, direction, Bandwidth::time_of(size, user_pace_), at_);
  }
  return true;
}

inline bool Relay::take_total(size_t direction, size_t size) {
  if (total_pace_ == 0) return true;
  size_t& granted = granted_[direction];
  if (granted < size) {
    const size_t more = std::max(grant_, size);
    const int64_t time = Bandwidth::time_of(more, total_pace_);
    if (!sessions_.quotas().bandwidth().take_total(direction, time, at_)) return false;
    granted += more;
  }
  granted -= size;
  return true;
}

}  // namespace fedge::media
