// One signalling worker: listeners, connections, trunks and the proxy on one loop. Workers share
// nothing; several can run in one process.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "dataplane/signal/announcer.h"
#include "dataplane/signal/connection_table.h"
#include "dataplane/signal/generation.h"
#include "dataplane/signal/hop_news.h"
#include "dataplane/signal/listener_set.h"
#include "dataplane/signal/message_reader.h"
#include "dataplane/signal/output.h"
#include "dataplane/signal/send_tokens.h"
#include "dataplane/signal/source_table.h"
#include "dataplane/signal/statistics.h"
#include "dataplane/signal/trunk.h"
#include "dataplane/sip/proxy.h"

namespace fedge::signal {

struct WorkerOptions {
  bool use_devices = true;  // bind sockets to their realm's tap; off only on loopback (tests)
  uint64_t secret = 0;      // of the proxy: random, the same for all workers
  Bytes route_key = {};     // of the proxy, the same at every start; read by the constructor
  uint32_t number = 0;      // of this worker
  Directory* directory = nullptr;  // ends before the worker; none: no name leads anywhere
  Reporter* reporter = nullptr;    // outlives the worker; none: nobody is told
};

class Worker final : public sip::Outbound, private ConnectionEvents, private MessageEvents {
 public:
  // `limits`: those of the first generation size the fixed pools.
  Worker(Loop& loop, Counters& counters, const snapshot::Signalling& limits,
         const WorkerOptions& options);
  ~Worker() override;

  // Runs `next` from now on. On failure (a listener cannot be opened) it runs what it ran.
  Status use(std::unique_ptr<Generation> next);
  const Generation* generation() const { return generation_.get(); }
  void use_fastpath_link(Fd socket) { announcer_.use_link(std::move(socket)); }

  // At the end of each round of the loop: sends what the round produced.
  void finish_round();
  // Ten times a second: gauges, retired trunks, silent handshakes.
  void on_beat();

  // The directory tells what a name leads to: known for the first time, or other than before.
  void on_found(const std::shared_ptr<const Found>& found);

  // Accepts and reads no more. Once drained() nothing waits to be sent.
  void begin_stop();
  bool drained();

  const ConnectionTable& connections() const { return table_; }

  // sip::Outbound
  sip::SendOutcome send(sip::ConnectionId connection, std::string_view bytes) override;
  sip::SendResult send_to_next_hop(uint32_t next_hop, std::string_view bytes,
                                   sip::SendToken token) override;
  bool reaches_over_v6(uint32_t next_hop) override;
  void on_hop_report(const sip::HopReport& report) override { news_.note(report); }
  void on_failover(const sip::FailoverReport& report) override { news_.note(report, loop_.now()); }
  void drop_connection(sip::ConnectionId connection) override;

 private:
  // incoming.cc: from sockets to the proxy.
  void on_connection_ready(Connection& connection, uint32_t events) override;
  void on_message(Connection& connection, const sip::Message& message) override;
  void on_malformed(Connection& connection, const sip::Message& message,
                    sip::Defect defect) override;
  void on_ping(Connection& connection) override;
  void read(Connection& connection, Instant now);
  bool read_plain(Connection& connection, Instant now);
  bool read_tls(Connection& connection, Instant now);
  bool decrypt(Connection& connection, Bytes cipher, Instant now);
  bool start_server_tls(Connection& connection);
  bool take(Connection& connection, size_t octets, Instant now);
  sip::Arrival arrival_of(Connection& connection);

  // admission.cc: accepted connections and who they are.
  void on_accept(Fd socket, const Endpoint& remote, uint16_t listener);
  void on_open(Connection& connection, Instant now);
  void identify(Connection& connection);
  void on_handshake_failed(Connection& connection, Instant now);
  void evict_silent_handshakes(Instant now);
  void count_handshake(int change);
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

  // worker.cc
  void on_connection_due(Connection& connection, Instant now) override;
  Instant next_deadline(const Connection& connection) const;
  void arm(Connection& connection);
  bool write(Connection& connection, Instant now);
  bool is_glutted(const Connection& connection) const;
  void update_interest(Connection& connection);
  void close(Connection& connection, CloseReason why);
  bool accept_bytes(Connection& connection, std::string_view bytes);
  void hold_back(Connection& feeder, Connection& congested, Instant now);
  void release_held(Connection& congested);
  void stop_holding(Connection& feeder);
  void renumber(const Generation& next);
  void close_stranded();
  void flush_round();

  Loop& loop_;
  WorkerOptions options_;
  Mailbox mailbox_;
  resolve::KernelRandom random_;
  Statistics statistics_;
  ConnectionTable table_;
  MessageReader reader_;
  Output output_;
  SendTokens tokens_;
  SourceTable sources_;
  Announcer announcer_;
  TrunkSet trunks_;
  ListenerSet listeners_;
  std::unique_ptr<Generation> generation_;
  sip::Proxy proxy_;
  HopNews news_;
  std::vector<std::byte> cipher_;    // what one read of a socket takes
  uint64_t epoch_ = 0;               // counts use(): facts about peers are of one epoch
  Connection* congested_ = nullptr;  // what the read in progress has filled too far
  uint32_t accepted_ = 0;            // open or in handshake
  uint32_t handshakes_ = 0;          // of accepted connections
  uint32_t handshake_steps_ = 0;     // in this round
  uint32_t unflushed_ = 0;           // messages since the last flush
  bool stopping_ = false;
  Instant log_window_{};  // of may_log()
  uint32_t logged_ = 0;
};

}  // namespace fedge::signal
