// The MS-TURN server of one worker ([MS-TURN] 3.3): the dialect of Lync and Skype for Business on
// the same sessions as TURN's. It answers requests and says what of a Send goes to whom; data that
// has no header is the relay's. Nothing allocates, locks, logs or looks at a clock.
//
// An allocation over TCP relays TCP, and nothing else: front has the sockets (turn_tcp.h).
//
// The active destination is a channel of the session (Relay::kActiveDestination). Permissions last
// as long as their allocation: the draft knows no end of them, and clients do not renew them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/media/allocations.h"
#include "dataplane/media/answer_limit.h"
#include "dataplane/media/counts.h"
#include "dataplane/media/ms_turn_credentials.h"
#include "dataplane/media/turn_tcp.h"

namespace fedge::media {

class MsTurnServer : public StunHandler {
 public:
  struct Setup {
    std::array<std::byte, 32> seed{};  // random; another after each start
    AnswerLimit::Rate strangers;
  };
  // `tcp` carries what is over TCP; null: there are no such allocations. All arguments outlive the
  // server.
  MsTurnServer(Sessions& sessions, const Quotas& quotas, TcpRelay* tcp, const Setup& setup);

  // Once a second is enough.
  void set_time_of_day(Instant now, WallTime wall) { time_of_day_.set(now, wall); }

  size_t on_stun(Request& request, const Plan& plan, Instant now) override;

  const TurnCounts& counts() const { return counts_; }

 private:
  // One request on its way.
  struct Exchange {
    Request& request;
    const Plan& plan;
    Instant now;
    ms_turn::Message message;
    TurnUser user;
    bool is_proven = false;
    uint32_t session = kNone;

    bool over_udp() const { return request.packet.connection == 0; }
  };
  enum class Order : uint8_t {
    next,    // or without a number
    again,   // the same message once more: its answer got lost
    replay,  // taken before, or another connection's
  };

  size_t drop(Exchange& exchange, Reason reason);
  bool has_allocation(const Exchange& exchange) const;
  Order take_number(Exchange& exchange);

  size_t on_send(Exchange& exchange);
  size_t on_request(Exchange& exchange);
  size_t on_allocate(Exchange& exchange);
  size_t make_allocation(Exchange& exchange, uint32_t lifetime_s, uint8_t family);
  size_t on_refresh(Exchange& exchange, uint32_t lifetime_s);
  size_t on_set_active(Exchange& exchange);
  std::optional<uint32_t> read_lifetime(const Exchange& exchange) const;
  std::optional<uint8_t> read_family(const Exchange& exchange) const;
  void set_expiry(uint32_t session, Instant until);

  // What a request says of a peer, judged.
  struct Peer {
    Address address;
    uint16_t port = 0;
    bool is_inside = false;  // a relay address of ours
  };
  Reason read_peer(const Exchange& exchange, Peer& peer) const;
  size_t send_by_tcp(Exchange& exchange, const Peer& peer, Bytes data);
  size_t set_active_by_tcp(Exchange& exchange, const Peer& peer);
  bool make_active(const Exchange& exchange, const Peer& peer);

  // --- answers (ms_turn_answers.cc) ---
  ms_turn::Writer begin(const Exchange& exchange, bool is_success);
  size_t finish(Exchange& exchange, ms_turn::Writer& writer);
  size_t refuse(Exchange& exchange, stun::Error error);
  size_t challenge(Exchange& exchange, stun::Error error);
  size_t refuse_unknown(Exchange& exchange, std::span<const uint16_t> types);
  size_t redirect(Exchange& exchange);
  size_t answer_allocate(Exchange& exchange, uint32_t lifetime_s);
  size_t answer_set_active(Exchange& exchange);
  void count_error(stun::Error error) { ++counts_.errors[static_cast<size_t>(error) - 300]; }

  Sessions& sessions_;
  const Quotas& quotas_;
  TcpRelay* tcp_;
  MsTurnCredentials credentials_;
  Draws draws_;
  AnswerLimit strangers_;
  TimeOfDay time_of_day_;
  TurnCounts counts_;
  // Answers are written here first: the request lies where they go.
  std::array<std::byte, 1400> scratch_{};
};

}  // namespace fedge::media
