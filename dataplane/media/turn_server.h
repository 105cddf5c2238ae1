// The TURN server of one worker (RFC 8489, 8656, 8016; 6062 in turn_tcp.h): requests in, answers
// out, allocations in Sessions. It sees no ChannelData and no data of peers: those are the relay's
// (relay.h). Nothing allocates, locks, logs or looks at a clock.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/media/allocations.h"
#include "dataplane/media/answer_limit.h"
#include "dataplane/media/counts.h"
#include "dataplane/media/front_records.h"
#include "dataplane/media/plan.h"
#include "dataplane/media/quotas.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/station.h"
#include "dataplane/media/turn_credentials.h"
#include "firmware/wire/stun/writer.h"

namespace fedge::media {

class TcpRelay;  // turn_tcp.h

class TurnServer : public StunHandler, public EndListener {
 public:
  struct Setup {
    // Random; another after each start. Of the first half, nonces, all workers have the same.
    std::array<std::byte, 32> seed{};
    AnswerLimit::Rate strangers;
  };
  // `tcp` carries RFC 6062's connections; null: those allocations are refused. All arguments
  // outlive the server.
  TurnServer(Sessions& sessions, const Quotas& quotas, TcpRelay* tcp, const Setup& setup);

  // What the time of day is, for the end of credentials; before it is told nobody's hold. Once a
  // second is enough.
  void set_time_of_day(Instant now, WallTime wall) { time_of_day_.set(now, wall); }

  size_t on_stun(Request& request, const Plan& plan, Instant now) override;

  // --- front's (RFC 6062, and MS-TURN's): what became of connections; answers go through TcpRelay
  // Front, or this process, has just started: which allocations there are. False: not all fit now,
  // say it again.
  bool name_relays(const Plan& plan);
  void on_tcp_connected(const TcpConnected& event);
  void on_tcp_failed(const TcpFailed& event);
  void on_tcp_incoming(const TcpIncoming& event, const Plan& plan, Instant now);
  void on_tcp_there(const TcpThere& event, const Plan& plan);
  void on_tcp_closed(const TcpClosed& event);
  // The client's connection is over, and with it its allocation.
  void on_connection_closed(ConnectionId connection);
  // Of any session: closes what front has open for it.
  void on_end(SessionId id, const SessionRecord& record, const SessionDetails& details,
              EndCause cause) override;

  const TurnCounts& counts() const { return counts_; }

  // RFC 8656 section 11.5: the Data indication that tells a client what `peer`'s path answered to
  // its packet. The size of what was written to `out`; 0: it does not fit.
  size_t write_icmp(MutableBytes out, const Endpoint& peer, uint8_t type, uint16_t code,
                    uint32_t data);

 private:
  // One request on its way.
  struct Exchange {
    Request& request;
    const Plan& plan;
    Instant now;
    stun::Message message;
    TurnUser user;
    bool is_proven = false;  // `user` sent it, and is at the client's address
    uint32_t session = kNone;

    bool over_udp() const { return request.packet.connection == 0; }
    // What a nonce is for, beside the client's address. Over TCP a handshake has proved that, and
    // the data connections of RFC 6062 use the nonce of another one.
    uint16_t nonce_port() const { return over_udp() ? request.client_port : uint16_t{0}; }
    const LocalAddress& server() const { return plan.locals()[request.server]; }
  };
  // What an Allocate asks for (RFC 8656 section 7.2).
  struct Wishes {
    uint8_t family = 4;
    uint8_t second_family = 0;  // ADDITIONAL-ADDRESS-FAMILY
    PortWish port = PortWish::any;
    uint64_t reservation = 0;
    uint32_t lifetime_s = 0;
    bool is_tcp = false;
    bool is_mobile = false;
  };
  struct Ports {
    RelayPort first;
    std::optional<RelayPort> second;
  };
  using Understands = bool (*)(uint16_t type);
  struct Method {
    Understands understands;
    size_t (TurnServer::*answer)(Exchange&);
    bool needs_allocation;
  };
  static const Method* find_method(uint16_t method);

  size_t drop(Exchange& exchange, Reason reason);
  bool is_of_another(Exchange& exchange, uint8_t worker);
  size_t on_binding(Exchange& exchange);
  size_t on_request(Exchange& exchange, const Method& method);
  Proof check_sender(Exchange& exchange);
  bool has_allocation(const Exchange& exchange) const;
  void keep_sender(const Exchange& exchange);

  // --- answers (turn_answers.cc) ---
  stun::Writer begin(const Exchange& exchange, stun::Class message_class);
  size_t finish(Exchange& exchange, stun::Writer& writer);
  size_t succeed(Exchange& exchange, stun::Writer& writer);
  size_t refuse(Exchange& exchange, stun::Error error);
  size_t refuse_unknown(Exchange& exchange, std::span<const uint16_t> types);
  size_t challenge(Exchange& exchange, stun::Error error);
  size_t redirect(Exchange& exchange);
  bool may_answer(Exchange& exchange);
  void add_mapped(stun::Writer& writer, const Exchange& exchange);

  // --- allocations (turn_allocate.cc) ---
  size_t on_allocate(Exchange& exchange);
  std::optional<stun::Error> read_wishes(Exchange& exchange, Wishes& wishes) const;
  std::optional<stun::Error> read_families(const stun::Message& message, Wishes& wishes) const;
  std::optional<stun::Error> read_ports(const stun::Message& message, Wishes& wishes) const;
  std::optional<stun::Error> take_ports(const Exchange& exchange, const Wishes& wishes,
                                        Ports& ports);
  std::optional<stun::Error> take_reserved(const Exchange& exchange, const Wishes& wishes,
                                           Ports& ports);
  void free_ports(const Wishes& wishes, const Ports& ports);
  uint32_t make_session(Exchange& exchange, const Wishes& wishes, const Ports& ports);
  size_t answer_allocate(Exchange& exchange);
  uint32_t lifetime_of(const stun::Message& message, const Plan& plan, bool& is_malformed) const;

  // --- what an allocation is asked for later (turn_refresh.cc, turn_peers.cc) ---
  size_t on_refresh(Exchange& exchange);
  void end_family(Exchange& exchange, uint8_t family);
  size_t answer_refresh(Exchange& exchange, uint32_t lifetime_s);
  size_t on_move(Exchange& exchange, Bytes ticket);
  size_t refresh(Exchange& exchange);
  void add_ticket(stun::Writer& writer, uint32_t session);
  size_t on_create_permission(Exchange& exchange);
  size_t on_channel_bind(Exchange& exchange);
  bool has_family(uint32_t session, bool is_v4) const;
  std::optional<stun::Error> judge_peer(const Exchange& exchange, const Endpoint& peer) const;
  size_t on_connect(Exchange& exchange);
  size_t on_connection_bind(Exchange& exchange);
  uint32_t find_tcp(uint64_t allocation) const;
  void answer_connect(uint32_t session, const Echo& echo, std::optional<stun::Error> error,
                      PeerId peer);

  Sessions& sessions_;
  const Quotas& quotas_;
  TcpRelay* tcp_;
  TurnCredentials credentials_;
  Draws draws_;
  AnswerLimit strangers_;
  TimeOfDay time_of_day_;
  TurnCounts counts_;
  // Answers are written here first: the request lies where they go.
  std::array<std::byte, 1400> scratch_{};
};

}  // namespace fedge::media
