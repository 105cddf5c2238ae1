// fedge-control: holds topology, revisions and certificates, compiles snapshots and answers the
// REST interface. Everything happens on one loop; forwarders never wait for it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "firmware/base/loop.h"
#include "firmware/control/configuration.h"
#include "firmware/control/database_keeper.h"
#include "firmware/control/explain.h"
#include "firmware/control/generations.h"
#include "firmware/control/metrics.h"
#include "firmware/control/next_hop_book.h"
#include "firmware/control/publisher.h"
#include "firmware/control/request.h"
#include "firmware/control/session_book.h"
#include "firmware/control/session_ender.h"
#include "firmware/control/vault.h"
#include "firmware/link/channel.h"

namespace fedge::control {

struct Options {
  std::string state;  // folder, which exists
  Endpoint management;
  std::string fqdn = "fedge.invalid";  // of the factory topology
  std::string signal_program;          // fedge-signal, for explain
  bool recover_database = false;
  store::Fault fault;
};

class Control {
 public:
  // `init`: the link to init; its end ends the loop.
  static Result<std::unique_ptr<Control>> open(Loop& loop, Fd init, Options options);
  ~Control();

  void announce_ready();
  // Answers one request, now or later.
  void on_request(Request request);

  // --- what handlers work with
  // Null while starting or while the database is damaged; not_ready() says which.
  Configuration* configuration() { return configuration_.get(); }
  // Not null when configuration() is not.
  store::Store* store() { return database_.store(); }
  DatabaseKeeper& database() { return database_; }
  Error not_ready() const;
  Publisher& publisher() { return publisher_; }
  Vault& vault() { return vault_; }
  const Vault& vault() const { return vault_; }
  Explainer& explainer() { return explainer_; }
  const CounterPages& pages() const { return pages_; }
  const NextHopBook& next_hops() const { return next_hops_; }
  const SessionBook& sessions() const { return sessions_; }
  SessionEnder& session_ender() { return session_ender_; }
  // What the box runs, even without a database.
  const Generation& running() const;
  const std::string& generations_folder() const { return generations_.folder(); }
  const std::string& state_folder() const { return options_.state; }
  WallTime wall() const { return now_wall(); }
  // Now, not when the round began: a publish flushes to the disk.
  Instant now() const { return now_monotonic(); }
  // Sets the alarm for the next staged certificate anew.
  void watch_certificates();
  // Moves a damaged database aside and starts again from what is there.
  Result<std::string> recover_database();
  void count(std::string_view series);

 private:
  Control(Loop& loop, Fd init, Options options, Generations generations);
  void on_init_message(link::Received received);
  void on_refused(uint64_t generation, const std::string& why);
  void on_counters(std::vector<Fd>& fds, link::Process writer);
  void on_agent_link(Fd socket);
  void on_agent_message(link::Received received);
  void on_signal_link(Fd socket);
  void on_signal_message(const link::Received& received);
  void on_publish_state(const link::PublishState& state);
  void send_reply(uint64_t link, uint64_t id, const Reply& reply);
  void begin();
  void begin_again();
  bool was_published() const;  // by what lies beside the database
  Status first_start();
  Status make_first_token();
  Status make_management_certificate();
  std::optional<store::Administrator> find_administrator(std::string_view token);
  void note_first_use(const store::Administrator& administrator);
  void refresh_certificates();
  bool check_database();  // false when damage was found just now
  void set_gauges();

  Loop& loop_;
  Options options_;
  link::Channel init_;
  std::unique_ptr<link::Channel> agent_;
  std::unique_ptr<link::Channel> signal_;
  uint64_t agent_links_ = 0;  // replies to an earlier link are dropped
  DatabaseKeeper database_;
  Vault vault_;
  Generations generations_;
  Publisher publisher_;
  std::unique_ptr<Configuration> configuration_;
  Error begin_problem_;
  Generation found_on_disk_;
  Explainer explainer_;
  CounterPages pages_;
  NextHopBook next_hops_;
  SessionBook sessions_;
  SessionEnder session_ender_;
  std::unique_ptr<Counters> counters_;
  Alarm certificate_alarm_;
  Alarm offer_alarm_;
  Alarm begin_alarm_;
};

}  // namespace fedge::control
