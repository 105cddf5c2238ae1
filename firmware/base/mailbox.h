// Work handed from one thread to the loop of another: the control path between threads (a new
// generation, addresses that were found, a connection that changes hands). It locks and allocates;
// messages on their way travel otherwise.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "firmware/base/loop.h"

namespace fedge {

class Mailbox final : public Watcher {
 public:
  using Work = std::function<void()>;

  // Made and destroyed by the thread that runs `loop`, or while that loop does not run.
  explicit Mailbox(Loop& loop);
  ~Mailbox() override;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Any thread. `work` runs on the loop's thread in a round of its own, never inside post(), in
  // the order in which it was posted.
  void post(Work work);

 private:
  void on_ready(uint32_t events) override;

  Loop& loop_;
  Fd event_;
  std::mutex mutex_;
  std::vector<Work> waiting_;
};

}  // namespace fedge
