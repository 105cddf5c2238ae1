// The process around the workers: what a forwarder does under init. Generations are opened and
// checked here, in a thread that carries no messages.
#pragma once

#include <memory>

#include "dataplane/signal/crew.h"
#include "firmware/link/forwarder.h"
#include "firmware/pki/seal.h"

namespace fedge::signal {

class Process final : link::Forwarding {
 public:
  // `init`: the socket of the link to init. The loop stops when the process is to end.
  Process(Loop& loop, Fd init, const CrewOptions& options);

  // Tells init that start-up is done.
  void start() { forwarder_.start(); }
  // Ends in order: accepts nothing more, sends what waits, stops the loop.
  void stop() { forwarder_.stop(); }
  // What the process ends with.
  int exit_code() const { return forwarder_.exit_code(); }
  // The generation that runs, null before the first.
  const Generation* generation() const { return crew_ == nullptr ? nullptr : crew_->generation(); }

 private:
  void on_counters(Counters& page) override { counters_ = &page; }
  Status on_sealing_key(const Fd& key) override;
  void on_link(link::Process peer, Fd socket) override;
  void on_offer(const link::Offer& offer) override;
  bool on_beat(Instant now) override;
  void on_stop() override;
  Status run(const link::Offer& offer);

  Loop& loop_;
  CrewOptions options_;
  link::Forwarder forwarder_;
  Counters* counters_ = nullptr;
  pki::Secret sealing_key_;
  pki::Secret route_key_;  // derived from it: WorkerOptions::route_key
  Fd fastpath_link_;       // came before there was a crew
  Reporter reporter_;
  std::unique_ptr<Crew> crew_;
};

}  // namespace fedge::signal
