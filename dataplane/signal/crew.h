// The workers of the process, each with a loop, a thread and counters of its own, and the door
// they share. A generation is handed to all of them; each runs it from between two messages on.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "dataplane/signal/directory.h"
#include "dataplane/signal/door.h"
#include "dataplane/signal/lanes.h"
#include "dataplane/signal/tally.h"
#include "dataplane/signal/worker.h"
#include "dataplane/sip/branch.h"
#include "firmware/base/mailbox.h"

namespace fedge::signal {

struct CrewOptions {
  uint32_t workers = 1;   // 1 to kMostWorkers
  bool threads = true;    // off: all run on the process's own loop (tests)
  bool directory = true;  // off: nobody looks names up (tests)
  WorkerOptions each{};   // but for what the crew itself gives: number and directory
};
inline constexpr uint32_t kMostWorkers = sip::kMostWorkers;

class Crew {
 public:
  // Made, used and destroyed by the process's own thread, which runs `loop`. `page`: the
  // process's counters. `limits`: those of the first generation size the rings between workers.
  Crew(Loop& loop, Counters& page, const snapshot::Signalling& limits, const CrewOptions& options);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Hands `next` to all workers; `running` is called in a later round, when all run it. On
  // failure (a listener cannot be opened) nothing changes. One at a time: not before `running`.
  Status use(std::shared_ptr<const Generation> next, std::function<void()> running);
  // What all workers run; null before the first.
  const Generation* generation() const { return generation_.get(); }
  void use_fastpath_link(const Fd& socket);
  // Sums the counters up. False when a worker makes no progress any more.
  bool beat(Instant now);
  // Accepts nothing more, sends what waits; `stopped` is called when all of it is sent.
  void begin_stop(std::function<void()> stopped);
  Worker& worker(uint32_t number);

  // --- any thread ---
  uint32_t size() const { return static_cast<uint32_t>(members_.size()); }
  // The worker to which a next hop belongs, with its connections and those of its peers.
  uint32_t owner_of(std::string_view host) const;
  // Octets of a message that can cross from one to another.
  uint32_t longest_message() const { return exchange_.longest_message(); }
  // Runs in a worker's thread.
  void post(uint32_t worker, Mailbox::Work work);
  // A worker that sees signs of a newer generation than it runs takes it up at once.
  struct Latest {
    std::shared_ptr<const Generation> generation;
    uint64_t number = 0;
  };
  Latest latest() const;

  // --- the workers' reports ---
  void report_left(const Admission& admission);
  void report_drained();

 private:
  struct Member;
  void let_in(Visitor visitor);
  bool make_room();
  void finish_round();
  void on_running();

  Loop& loop_;
  CrewOptions options_;
  Mailbox home_;
  Door door_;
  Exchange exchange_;
  std::unique_ptr<Directory> directory_;  // of the names that workers want
  Tally tally_;
  std::vector<std::unique_ptr<Member>> members_;
  uint32_t next_in_turn_ = 0;  // takes the next visitor
  std::shared_ptr<const Generation> generation_;
  std::function<void()> running_;
  uint32_t still_changing_ = 0;
  std::function<void()> stopped_;
  uint32_t still_draining_ = 0;
  mutable std::mutex latest_mutex_;
  Latest latest_;
};

}  // namespace fedge::signal
