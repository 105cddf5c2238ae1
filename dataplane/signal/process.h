// The process around the worker: its link to init, what arrives there, and its end.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/signal/directory.h"
#include "dataplane/signal/worker.h"
#include "firmware/link/channel.h"
#include "firmware/pki/seal.h"

namespace fedge::signal {

class Process {
 public:
  // `init`: the socket of the link to init. The loop stops when the process is to end.
  Process(Loop& loop, Fd init, const WorkerOptions& options);

  // Tells init that start-up is done.
  void start();
  // Ends in order: accepts nothing more, sends what waits, stops the loop.
  void stop();
  // What the process ends with.
  int exit_code() const { return exit_code_; }
  const Worker* worker() const { return worker_.get(); }

 private:
  struct Offer {
    link::SnapshotOffer message;
    std::vector<Fd> fds;
  };

  void on_message(const link::Received& received);
  void on_counters(Fd page);
  void on_sealing_key(Fd key);
  void on_link_opened(link::Process peer, Fd socket);
  void run_pending_offer();
  Status run(const Offer& offer);
  void beat(Instant now);
  void finish(int code);

  Loop& loop_;
  WorkerOptions options_;
  link::Channel init_;
  std::optional<Counters> counters_;
  std::optional<pki::Secret> sealing_key_;
  pki::Secret route_key_;  // derived from it: WorkerOptions::route_key
  std::optional<Offer> pending_;  // waits for counters and key
  Reporter reporter_;
  Fd fastpath_link_;  // came before there was a worker
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Directory> directory_;  // of the names that workers want
  Alarm beat_;
  Instant stop_by_ = never;
  int exit_code_ = 0;
};

}  // namespace fedge::signal
