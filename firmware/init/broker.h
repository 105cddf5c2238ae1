// What a started process is given: counters, sealing keys, session memory, links to the others. All
// of it lives in init, so that a restarted process finds it again.
#pragma once

#include <array>
#include <vector>

#include "board/hal.h"
#include "firmware/base/counters.h"
#include "firmware/init/supervisor.h"

namespace fedge::init {

class Broker {
 public:
  // Makes the counter pages and the memory of media sessions, and reads (or makes) the sealing
  // keys. `workers`: of the fast path.
  static Result<std::unique_ptr<Broker>> open(board::Hal& hal, uint16_t workers);

  void give(link::Process process, Supervisor& supervisor);

  // Init's own figures.
  void on_started(link::Process process);
  void on_ended(link::Process process);
  void beat(Instant now) { own_->beat(now); }

 private:
  struct Page {
    Fd writable;
    Fd readable;  // for control: another open file, which cannot be written
  };
  void give_counters(link::Process process, link::Channel& to) const;
  void give_sessions(link::Process process, link::Channel& to) const;
  void give_keys(link::Process process, link::Channel& to) const;
  static void connect(link::Process a, link::Process b, Supervisor& supervisor);

  std::array<Page, link::kProcessCount> pages_;
  std::vector<Page> sessions_;  // by worker; empty until the fast path sizes them
  std::array<Fd, link::kProcessCount> keys_;
  std::unique_ptr<Counters> own_;
};

}  // namespace fedge::init
