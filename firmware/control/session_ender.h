// Ends media sessions as the operator asks: tells the fast path, and looks into its memory until
// they are gone.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "firmware/base/loop.h"
#include "firmware/control/session_book.h"
#include "firmware/link/channel.h"

namespace fedge::control {

class SessionEnder {
 public:
  SessionEnder(Loop& loop, const SessionBook& sessions);

  // The link to the fast path, in place of the one before.
  void open(Fd socket);
  bool is_linked() const { return fastpath_ != nullptr; }

  // Calls back once: true when it is gone, false at the deadline or when the fast path is.
  using Done = std::function<void(bool gone)>;
  void end(const SessionName& name, Instant deadline, Done done);

 private:
  struct Ending {
    SessionName name;
    Instant deadline;
    Done done;
  };
  void look();

  Loop& loop_;
  const SessionBook& sessions_;
  std::unique_ptr<link::Channel> fastpath_;
  std::list<Ending> endings_;
  Alarm alarm_;
};

}  // namespace fedge::control
