// The process around front: its link to init, what arrives there, and its end.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/front/front.h"
#include "firmware/pki/seal.h"

namespace fedge::front {

class Process {
 public:
  // `init`: the socket of the link to init. The loop stops when the process is to end.
  Process(Loop& loop, Fd init, const FrontOptions& options);

  // Tells init that start-up is done.
  void start();
  // Ends in order.
  void stop();
  // What the process ends with.
  int exit_code() const { return exit_code_; }
  // Null before counters came.
  Front* front() { return front_.get(); }

 private:
  struct Offer {
    link::SnapshotOffer message;
    std::vector<Fd> fds;
  };
  void on_message(const link::Received& received);
  void on_counters(Fd page);
  void on_sealing_key(Fd key);
  void run_pending_offer();
  Status run(const Offer& offer);
  void beat(Instant now);
  void finish(int code);

  Loop& loop_;
  FrontOptions options_;
  link::Channel init_;
  std::optional<Counters> counters_;
  std::optional<pki::Secret> sealing_key_;
  std::optional<Offer> pending_;  // waits for counters and key
  Fd fastpath_link_;              // came before there was a front
  std::unique_ptr<Front> front_;
  Alarm beat_;
  Alarm stop_by_;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace fedge::front
