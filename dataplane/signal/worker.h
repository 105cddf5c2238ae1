// One signalling worker: connections, trunks and the proxy on one loop. Workers share nothing: a
// peer is one next-hop host and belongs to one of them, with all its connections; the others reach
// it through rings (lanes.h).
#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "dataplane/signal/anchor_news.h"
#include "dataplane/signal/announcer.h"
#include "dataplane/signal/connection_table.h"
#include "dataplane/signal/generation.h"
#include "dataplane/signal/handshakes.h"
#include "dataplane/signal/hop_news.h"
#include "dataplane/signal/lanes.h"
#include "dataplane/signal/message_reader.h"
#include "dataplane/signal/output.h"
#include "dataplane/signal/send_tokens.h"
#include "dataplane/signal/statistics.h"
#include "dataplane/signal/trunk.h"
#include "dataplane/signal/visitor.h"
#include "dataplane/sip/proxy.h"

namespace fedge::signal {

class Crew;

struct WorkerOptions {
  uint32_t number = 0;      // which of the crew it is
  bool use_devices = true;  // bind sockets to their realm's tap; off only on loopback (tests)
  uint64_t secret = 0;      // of the proxy: random, the same for all workers
  Bytes route_key = {};     // of the proxy, the same at every start; read by the constructor
  Directory* directory = nullptr;  // ends before the worker; none: no name leads anywhere
  Reporter* reporter = nullptr;    // outlives the worker; none: nobody is told
};

class Worker final : public sip::Outbound,
                     private ConnectionEvents,
                     private MessageEvents,
                     private CrossingEvents {
 public:
  // Belongs to the thread that runs `loop` from then on.
  Worker(Crew& crew, Loop& loop, Counters& counters, Exchange& exchange,
         const WorkerOptions& options);
  ~Worker() override;

  // Runs the crew's latest generation from now on, unless it runs that of `number`, or a newer
  // one, already.
  void catch_up(uint64_t number);
  const Generation* generation() const { return generation_.get(); }
  Mailbox& mailbox() { return mailbox_; }
  void use_fastpath_link(Fd socket);
  // Somebody whom the door let in, or who belongs here.
  void take_in(Visitor visitor);

  // Whom the door let in and who has said nothing yet: how many there are (any thread), and the end
  // of the one that has been silent for longest.
  uint32_t silent() const { return silent_.load(std::memory_order_relaxed); }
  void drop_oldest_silent();

  // At the end of each round of the loop: sends what the round produced.
  void finish_round();
  // Ten times a second: gauges, retired trunks, silent handshakes.
  void on_beat();
  // How often it has; any thread.
  uint64_t beats() const { return beats_.load(std::memory_order_relaxed); }

  // The directory tells what a name leads to: known for the first time, or other than before.
  void on_found(const std::shared_ptr<const Found>& found);

  // Reads no more, and tells the crew when nothing waits to be sent.
  void begin_stop();

  const ConnectionTable& connections() const { return table_; }

  // sip::Outbound
  sip::SendOutcome send(sip::ConnectionId connection, std::string_view bytes) override;
  sip::SendResult send_to_next_hop(uint32_t next_hop, std::string_view bytes,
                                   sip::SendToken token) override;
  bool reaches_over_v6(uint32_t next_hop) override;
  bool asks_next_hop(std::string_view host) const override;
  void on_hop_report(const sip::HopReport& report) override;
  void on_failover(const sip::FailoverReport& report) override { news_.note(report, loop_.now()); }
  void drop_connection(sip::ConnectionId connection) override;
  int64_t wall_seconds() const override { return now_wall().time_since_epoch().count(); }
  bool set_anchor(const sip::AnchorUpdate& update) override;
  void end_anchor(uint64_t call) override;

 private:
  // incoming.cc: from sockets to the proxy.
  void on_connection_ready(Connection& connection, uint32_t events) override;
  void on_message(Connection& connection, const sip::Message& message) override;
  void on_malformed(Connection& connection, const sip::Message& message,
                    sip::Defect defect) override;
  void on_ping(Connection& connection) override;
  sip::ParseEvents* parse_events() override { return &proxy_; }
  bool read(Connection& connection, Instant now);
  bool read_plain(Connection& connection, Instant now);
  bool read_tls(Connection& connection, Instant now);
  bool decrypt(Connection& connection, Bytes cipher, Instant now);
  bool start_server_tls(Connection& connection);
  bool take(Connection& connection, size_t octets, Instant now);
  sip::Arrival arrival_of(Connection& connection);

  // admission.cc: accepted connections and who they are.
  void on_open(Connection& connection, Instant now);
  void identify(Connection& connection);
  void on_handshake_failed(Connection& connection, Instant now);
  bool may_shake_hands(Connection& connection, Instant now);
  void make_place_for(Connection& connection, Instant now);
  void end_handshake(Connection& connection, Instant now);
  void evict_silent_handshakes(Instant now);
  Connection* find_idle_handshake(Instant now);
  uint32_t most_handshakes() const;
  sip::StreamFramer make_framer() const;
  bool may_log(Instant now);

  // dialling.cc: connections to next hops.
  Trunk& trunk_of(uint32_t next_hop);
  void want(Trunk& trunk);
  Connection* dial(Trunk& trunk, Instant now);
  bool start_attempt(Connection& connection, Instant now);
  void on_connected(Connection& connection, Instant now);
  void on_trunk_up(Connection& connection);
  void on_attempt_failed(Connection& connection, sip::SendFailure why, const std::string& text,
                         Instant now);
  void count_failed_attempt(sip::SendFailure why);
  void give_up(Connection& connection, sip::SendFailure why, Instant now);
  void report_down(Trunk& trunk, const std::string& text);
  IpAddress source_for(uint16_t realm, const IpAddress& remote) const;
  void close_retired(Instant now);

  // alias.cc: accepted connections that carry requests back (RFC 5923).
  void offer_alias(Connection& connection);
  bool may_be_alias(const Connection& connection, const Trunk& trunk) const;
  void check_alias(Connection& connection);
  void check_aliases();
  void drop_alias(Connection& connection);
  // sending.cc: from the proxy to connections.
  bool accept_bytes(Connection& connection, std::string_view bytes);
  sip::SendResult send_on_trunk(uint32_t next_hop, std::string_view bytes, sip::SendToken token);

  // moving.cc: connections that belong to another worker.
  uint32_t owner_of(const Connection& connection) const;
  bool is_elsewhere(const Connection& connection) const;
  void hand_over(Connection& connection, Bytes plain, Bytes cipher);
  bool go_on(Connection& connection, const Visitor& visitor, Instant now);
  void note_place(Connection& connection);
  void close_misplaced(Instant now);
  void forget(Connection& connection);

  // crossing.cc: what crosses between workers.
  void on_crossing(uint32_t from, const Crossing& crossing, Bytes body) override;
  void on_request_from(uint32_t from, const Crossing& crossing, std::string_view bytes);
  sip::SendResult send_across(uint32_t owner, uint32_t next_hop, std::string_view bytes,
                              sip::SendToken token);
  bool pass_on(Connection& connection, sip::PeerKind from, const sip::Message& response);
  void report_failed(sip::SendToken token, sip::SendFailure why, Instant now);
  void note_health(uint32_t key, const sip::HopReport& report);
  void tell(uint32_t worker, Crossing::Kind kind, sip::ConnectionId connection,
            sip::SendToken token = 0, uint32_t detail = 0);
  bool is_awaited(const Connection& connection);

  // anchors.cc
  void on_fastpath_message(const link::Received& message);
  void share_anchor_end(uint64_t call);
  void refuse_anchor(const link::AnchorEnd& refusal);

  // worker.cc
  void use(std::shared_ptr<const Generation> next);
  void on_connection_due(Connection& connection, Instant now) override;
  Instant next_deadline(const Connection& connection) const;
  void arm(Connection& connection);
  bool write(Connection& connection, Instant now);
  bool is_glutted(const Connection& connection) const;
  void update_interest(Connection& connection);
  void close(Connection& connection, CloseReason why);
  void hold_back(Connection& feeder, Connection& congested, Instant now);
  void release_held(Connection& congested);
  void stop_holding(Connection& feeder);
  bool drained();
  void renumber(const Generation& next);
  void close_stranded();
  void flush_round();

  Crew& crew_;
  Loop& loop_;
  WorkerOptions options_;
  Mailbox mailbox_;
  resolve::KernelRandom random_;
  Statistics statistics_;
  ConnectionTable table_;
  MessageReader reader_;
  Output output_;
  SendTokens tokens_;
  Handshakes handshakes_;
  Announcer announcer_;
  TrunkSet trunks_;
  std::shared_ptr<const Generation> generation_;
  sip::Proxy proxy_;
  HopNews news_;
  AnchorNews anchor_news_;
  Lanes lanes_;
  bool alone_;  // in its crew: nothing crosses
  sip::Message crossed_;
  Alarm beat_;
  std::atomic<uint64_t> beats_ = 0;
  std::atomic<uint32_t> silent_ = 0;
  std::vector<std::byte> cipher_;  // what one read of a socket takes
  Duration waited_{0};             // of the octets read last, before we read them
  bool is_full_read_ = false;      // it filled our room: there may be more
  // The generation, as the crew counts them: facts about peers are of one epoch.
  uint64_t epoch_ = 0;
  Connection* congested_ = nullptr;  // what the read in progress has filled too far
  uint32_t accepted_ = 0;            // open or in handshake
  uint32_t handshake_steps_ = 0;     // in this round
  uint32_t unflushed_ = 0;           // messages since the last flush
  bool misplaced_ = false;           // some connection belongs to another worker now
  bool stopping_ = false;
  bool stopped_ = false;  // and the crew knows
  Instant log_window_{};  // of may_log()
  uint32_t logged_ = 0;
};

}  // namespace fedge::signal
