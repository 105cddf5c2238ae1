// What a started process is given: counters, sealing keys, links to the others. All of it lives
// in init, so that a restarted process finds it again.
#pragma once

#include <array>

#include "board/hal.h"
#include "firmware/base/counters.h"
#include "firmware/init/supervisor.h"

namespace fedge::init {

class Broker {
 public:
  // Makes the counter pages and reads (or makes) the sealing keys.
  static Result<std::unique_ptr<Broker>> open(board::Hal& hal);

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
  void give_keys(link::Process process, link::Channel& to) const;
  static void connect(link::Process a, link::Process b, Supervisor& supervisor);

  std::array<Page, link::kProcessCount> pages_;
  std::array<Fd, link::kProcessCount> keys_;
  std::unique_ptr<Counters> own_;
};

}  // namespace fedge::init
