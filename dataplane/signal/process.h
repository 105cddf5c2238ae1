// The process around the workers: its link to init, what arrives there, and its end. Generations
// are opened and checked here, in a thread that carries no messages.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/signal/crew.h"
#include "firmware/link/channel.h"
#include "firmware/pki/seal.h"

namespace fedge::signal {

class Process {
 public:
  // `init`: the socket of the link to init. The loop stops when the process is to end.
  Process(Loop& loop, Fd init, const CrewOptions& options);

  // Tells init that start-up is done.
  void start();
  // Ends in order: accepts nothing more, sends what waits, stops the loop.
  void stop();
  // What the process ends with.
  int exit_code() const { return exit_code_; }
  // The generation that runs, null before the first.
  const Generation* generation() const { return crew_ == nullptr ? nullptr : crew_->generation(); }

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
  void answer(const Status& done);
  void beat(Instant now);
  void finish(int code);

  Loop& loop_;
  CrewOptions options_;
  link::Channel init_;
  std::optional<Counters> counters_;
  std::optional<pki::Secret> sealing_key_;
  pki::Secret route_key_;          // derived from it: WorkerOptions::route_key
  std::optional<Offer> pending_;   // waits for counters and key, or for the one before
  std::optional<Offer> changing_;  // the workers are taking it up
  Fd fastpath_link_;               // came before there was a crew
  Reporter reporter_;
  std::unique_ptr<Crew> crew_;
  Alarm beat_;
  Alarm stop_by_;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace fedge::signal
