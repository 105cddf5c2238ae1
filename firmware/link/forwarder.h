// A forwarder's life under init: it says that it is ready, takes counters, keys and links, runs
// one offered snapshot after another and answers each, beats, and ends in order.
#pragma once

#include <optional>
#include <string_view>

#include "firmware/base/counters.h"
#include "firmware/link/channel.h"
#include "firmware/link/offer.h"

namespace fedge::link {

// What the program itself does about it.
class Forwarding {
 public:
  // Once; the page stays as long as the Forwarder.
  virtual void on_counters(Counters& /*page*/) {}
  virtual Status on_sealing_key(const Fd& key) = 0;
  // Never with an empty socket.
  virtual void on_link(Process peer, Fd socket) = 0;
  // Counters and key are there, and the offer before this one is answered. Followed by
  // Forwarder::answer(), at once or later; until then the offer stays where it is.
  virtual void on_offer(const Offer& offer) = 0;
  // False when nothing moves any more: init restarts whoever does not beat.
  virtual bool on_beat(Instant now) = 0;
  // Sends what waits, then calls Forwarder::finish(0), which happens anyway after a second.
  virtual void on_stop() = 0;

 protected:
  ~Forwarding() = default;
};

class Forwarder {
 public:
  // `init`: the socket of the link to init. The loop stops when the process is to end.
  Forwarder(Loop& loop, Process self, Fd init, Forwarding& program);

  // Tells init that start-up is done.
  void start();
  // How the offer at hand went: it runs, or why it is refused.
  void answer(const Status& done);
  void stop();
  void finish(int code);
  // What the process ends with.
  int exit_code() const { return exit_code_; }

 private:
  void on_message(const Received& received);
  void take_counters(const Fd& page);
  void take_sealing_key(const Fd& key);
  void take_next_offer();
  void beat(Instant now);

  Loop& loop_;
  std::string_view name_;
  Forwarding& program_;
  Channel init_;
  std::optional<Counters> counters_;
  bool has_key_ = false;
  std::optional<Offer> pending_;  // waits for counters and key, or for the one at hand
  std::optional<Offer> current_;  // the program is taking it up
  Alarm beat_;
  Alarm stop_by_;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace fedge::link
