// The process around front: what a forwarder does under init, done with front.
#pragma once

#include <memory>

#include "dataplane/front/front.h"
#include "firmware/link/forwarder.h"
#include "firmware/pki/seal.h"

namespace fedge::front {

class Process final : link::Forwarding {
 public:
  // `init`: the socket of the link to init. The loop stops when the process is to end.
  Process(Loop& loop, Fd init, const FrontOptions& options);

  // Tells init that start-up is done.
  void start() { forwarder_.start(); }
  // Ends in order.
  void stop() { forwarder_.stop(); }
  // What the process ends with.
  int exit_code() const { return forwarder_.exit_code(); }
  // Null before counters came.
  Front* front() { return front_.get(); }

 private:
  void on_counters(Counters& page) override;
  Status on_sealing_key(const Fd& key) override;
  void on_link(link::Process peer, Fd socket) override;
  void on_offer(const link::Offer& offer) override { forwarder_.answer(run(offer)); }
  bool on_beat(Instant now) override;
  void on_stop() override;
  Status run(const link::Offer& offer);

  Loop& loop_;
  FrontOptions options_;
  link::Forwarder forwarder_;
  pki::Secret sealing_key_;
  Fd fastpath_link_;  // came before there was a front
  std::unique_ptr<Front> front_;
};

}  // namespace fedge::front
