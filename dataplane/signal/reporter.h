// The link to control: which next hops answer and which requests went elsewhere (R3). One for all
// workers; control may be away, slow or new, and nobody waits for it.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "firmware/base/mailbox.h"
#include "firmware/link/channel.h"

namespace fedge::signal {

struct Report {
  std::vector<link::NextHopState> states;
  std::vector<link::Failover> failovers;
  std::vector<link::NameFound> names;
};

class Reporter {
 public:
  // On the thread of `loop`, like use_link() and on_beat().
  explicit Reporter(Loop& loop) : loop_(loop), mailbox_(loop) {}

  // A new control, or a new link to it: it is told everything anew.
  void use_link(Fd socket);
  void on_beat();

  // Any thread. 0: there is nobody to tell. Another number than before: tell all states again.
  uint64_t link_number() const { return open_link_.load(std::memory_order_acquire); }
  bool has_room() const { return has_room_.load(std::memory_order_acquire); }
  void post(Report report);

 private:
  bool takes_more() const;
  void send_waiting();

  Loop& loop_;
  Mailbox mailbox_;
  std::unique_ptr<link::Channel> link_;
  // What the workers posted in one moment while there was room for some of it: a report of each.
  std::deque<Report> waiting_;
  uint64_t links_ = 0;
  std::atomic<uint64_t> open_link_ = 0;
  std::atomic<bool> has_room_ = false;
};

}  // namespace fedge::signal
