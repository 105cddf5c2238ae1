// The inside of Proxy, split over requests.cc, branches.cc, responses.cc, response_context.cc,
// waits.cc and evidence.cc. Not for use outside this folder.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "dataplane/sip/anchor_ports.h"
#include "dataplane/sip/answers.h"
#include "dataplane/sip/decision.h"
#include "dataplane/sip/forwarding.h"
#include "dataplane/sip/health.h"
#include "dataplane/sip/identity.h"
#include "dataplane/sip/next_hops.h"
#include "dataplane/sip/overload.h"
#include "dataplane/sip/proxy.h"
#include "dataplane/sip/relay_credentials.h"
#include "dataplane/sip/route_set.h"
#include "dataplane/sip/sdp_anchor.h"
#include "dataplane/sip/statistics.h"
#include "dataplane/sip/timers.h"
#include "dataplane/sip/transactions.h"

namespace fedge::sip {

// What a publish changes, built whole before it is used.
struct Published {
  SnapshotView view;
  NextHops next_hops;
  Identity identity;
  Timers timers;
  explicit Published(const SnapshotView& snapshot);
  const snapshot::Section<snapshot::Routing>& routing() const { return *view.routing; }
};

// Where a request goes: to a route's targets in turn, or to one next hop and no other.
struct Direction {
  const snapshot::Route* route = nullptr;
  uint32_t next_hop = kNoNextHop;
};

// A request to be sent: as it arrived (with `routes` and `arrival`), or the copy of what was sent
// to another target before.
struct Outgoing {
  const Message& message;
  const RouteSet* routes = nullptr;
  const Arrival* arrival = nullptr;
  uint64_t loop = 0;  // as it arrived: loop_hash()
};

// A target that came to nothing, before the next one is tried.
struct FailedTarget {
  uint32_t next_hop = kNoNextHop;
  HopFailure why = HopFailure::none;
};

struct Proxy::Core final : TransactionOwner, HealthEvents {
  Core(const Capacity& capacity, TimerWheel& wheel, Outbound& outbound, Counters& counters,
       uint64_t secret, uint32_t worker, Bytes route_key);

  // requests.cc: what arrives (RFC 3261 16.3 to 16.5, 16.10).
  void on_request(const Arrival& arrival, const Message& request, Instant now);
  void on_new_request(const Arrival& arrival, const Message& request, const TransactionKey& key,
                      Instant now);
  void on_repetition(ServerTransaction& server, const Arrival& arrival, const Message& request);
  void on_cancel(const Arrival& arrival, const Message& request, ServerTransaction* server,
                 Instant now);
  void on_ack(const Arrival& arrival, const Message& request, ServerTransaction* server);
  void forward_ack(const Arrival& arrival, const Message& request);
  bool validate(const Arrival& arrival, const Message& request, uint64_t loop);
  void start(ServerTransaction& server, const Outgoing& outgoing, const Direction& direction,
             Instant now);
  Rule choose(const Arrival& arrival, const Message& request, RouteSet& routes, Direction& out);
  uint32_t find_dialog_hop(const Arrival& arrival, const Message& request, const RouteSet& routes);
  void refuse(const Arrival& arrival, const Message& request, Refusal why, uint16_t status,
              std::string_view reason, std::span<const HeaderText> headers = {});
  void refuse(const Arrival& arrival, const Message& request, Rule rule);
  void answer(const Arrival& arrival, const Message& request, const Answer& answer);
  void refuse_for_now(const Arrival& arrival, const Message& request, std::string_view reason);
  void answer_options(const Arrival& arrival, const Message& request);
  bool is_for_credentials(const Arrival& arrival, const Message& request) const;
  void answer_credentials(const Arrival& arrival, const Message& request);

  // branches.cc: what is sent (16.6, 16.9), and to whom next (R3).
  enum class Sent : uint8_t { yes, failed, full, no_room, refused };
  bool send_to_next_targets(ServerTransaction& server, const Outgoing& outgoing,
                            const Direction& direction, Instant now, FailedTarget failed = {});
  Sent send_to_all(ServerTransaction& server, const Outgoing& outgoing, const Direction& direction,
                   std::span<const uint32_t> next_hops, FailedTarget& failed, Instant now);
  Sent send_branch(ServerTransaction& server, const Outgoing& outgoing, uint32_t next_hop,
                   uint8_t breadth, Instant now);
  Branch branch_of(const ClientTransaction& client, const Outgoing& outgoing) const;
  PathEnd path_out(uint32_t next_hop) const;
  Origin origin_of(const PeerFacts& peer) const;
  void edit_trust(Editor& editor, const Message& message, Origin from, Origin to) const {
    sip::edit_trust(editor, message, from, to, published->identity.message_trust(from));
  }
  void sign(PathEnd& end, std::string_view call_id, RouteMacText& room);
  size_t pick_targets(const ServerTransaction& server, const Direction& direction,
                      std::span<uint32_t> out);
  uint32_t pick(const Direction& direction, std::span<const uint32_t> excluded);
  size_t tries_left(const ServerTransaction& server, const Direction& direction,
                    size_t count) const;
  uint32_t key_of_peer(const PeerFacts& peer) const;
  bool try_another(ServerTransaction& server, ClientTransaction& client, Instant now);
  void on_branch_failed(ClientTransaction& client, uint16_t status, Failover why, Instant now);
  void cancel_branch(ClientTransaction& client, Instant now);
  void send_on_branch(ClientTransaction& client, std::string_view bytes);
  bool read_sent(const ClientTransaction& client);

  // response_context.cc: what becomes of all branches together (16.7 steps 4 to 7 and 10).
  void end_branch(ServerTransaction& server, ClientTransaction& client) const;
  void note(ServerTransaction& server, uint16_t status);
  void hold(ServerTransaction& server, const ClientTransaction& client, const Message& response);
  void add_challenges(ServerTransaction& server, const Message& response);
  void keep(ServerTransaction& server, std::string_view bytes);
  void call_off(ServerTransaction& server, Instant now);
  bool has_live_branch(const ServerTransaction& server) const;
  bool is_superseded(const ServerTransaction& server, const ClientTransaction& client) const;
  void settle(ServerTransaction& server, ClientTransaction& client, Failover why, Instant now);
  void answer_best(ServerTransaction& server, const Outgoing& outgoing, Instant now);
  void answer_failure(ServerTransaction& server, const Outgoing& outgoing, Instant now);
  void finish(ServerTransaction& server, uint16_t status, Instant now);

  // responses.cc: what comes back (16.7).
  void on_response(const Arrival& arrival, const Message& response, Instant now);
  void on_oversized_response(const Arrival& arrival, const Message& response, Instant now);
  void on_provisional(ClientTransaction& client, const Message& response, Instant now);
  void on_final(ClientTransaction& client, const Message& response, Instant now);
  void on_final_for(ServerTransaction& server, ClientTransaction& client, const Message& response,
                    Instant now);
  void on_success_again(ClientTransaction& client, const Message& response);
  void acknowledge(ClientTransaction& client, const Message& response);
  void forward_response(const ServerTransaction& server, const ClientTransaction& client,
                        const Message& response);
  void send_response(const ServerTransaction& server, uint16_t status, std::string_view bytes);

  // anchors.cc: media of calls (M4).
  AnchorPorts::Side anchor_side(uint16_t realm, bool is_v6) const;
  AnchorPorts::Side callee_side(uint32_t next_hop) const;
  std::optional<AnchorRef> begin_anchor(const Outgoing& outgoing, uint32_t next_hop);
  // What refuses the request, or 0. `record`: what our Record-Route says of it.
  uint16_t anchor_request(const Outgoing& outgoing, uint32_t source, uint32_t next_hop,
                          Editor& editor, std::string_view& record);
  void anchor_response(const ServerTransaction& server, const ClientTransaction& client,
                       const Message& response, Editor& editor);
  bool rewrite_sdp(const Message& message, const AnchorRef& anchor, bool from_caller,
                   uint32_t sender, uint32_t reader, Editor& editor);
  bool tell_anchor(const AnchorRef& anchor, std::string_view call_id, bool from_caller,
                   const StreamRemote& remote, const snapshot::NextHop* sender);
  uint64_t anchor_of(const ClientTransaction& client);
  void forget_anchor(ClientTransaction& client);
  void end_anchor(uint64_t id);
  void refuse_anchor(uint64_t id, std::string_view why, Instant now);

  // waits.cc: what does not come.
  void on_server_timer(ServerTransaction& server, Instant now) override;
  void on_client_timer(ClientTransaction& client, Instant now) override;
  void send_trying(const ServerTransaction& server);
  void wait_for(ClientTransaction& client, Wait wait, Instant now);
  void on_connection_closed(ConnectionId connection, Instant now);

  // evidence.cc: what all this says about the next hops (R3).
  void note_response(ClientTransaction& client, const Message& response, Instant now);
  void note_failure(ClientTransaction& client, HopFailure why, Instant now);
  bool on_probe_response(const Branch& branch, const Message& response, Instant now);
  void report_failover(const Outgoing& outgoing, const Direction& direction,
                       const FailedTarget& failed, uint32_t next_hop);
  SendResult send_probe(uint32_t next_hop, const Branch& branch) override;
  bool asks(std::string_view host) const override { return outbound.asks_next_hop(host); }
  void on_hop_report(const HopReport& report) override { outbound.on_hop_report(report); }
  void drop(ConnectionId connection) override { outbound.drop_connection(connection); }

  TimerWheel& wheel;
  Outbound& outbound;
  Statistics statistics;
  uint64_t shown_seed;  // of hashes that peers see: tags, loop marks
  uint64_t match_seed;  // of TransactionKeys, which nobody sees
  RouteMac route_mac;
  Transactions transactions;
  std::unique_ptr<Published> published;
  Health health;
  Overload overload;
  AnchorPorts anchor_ports;
  // Calls that began last, by whose branch: the fast path may not like them.
  struct Begun {
    uint64_t id = 0;
    SendToken branch = 0;
  };
  std::array<Begun, 1024> begun_anchors{};
  size_t next_begun = 0;
  uint64_t anchor_begun = 0;  // of the request being sent; 0: none
  std::unique_ptr<SdpAnchor> sdp_anchor;
  RelayCredentials relay_credentials;
  size_t room_size;
  std::unique_ptr<char[]> room_memory;  // a message being written
  ForwardRoom forward_room;
  Message sent;  // a copy of ours, read again
  // Of the request that is being taken; there once its request line is read.
  std::optional<snapshot::RouteQuery> early_query;

  void update_gauges() {
    statistics.set_transactions(transactions.server_count(), transactions.client_count());
  }
  std::span<char> room() const { return {room_memory.get(), room_size}; }
};

}  // namespace fedge::sip
