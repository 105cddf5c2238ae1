// Starts the processes, watches them, starts them again, stops them. What they are given and what
// they say is the handler's.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "firmware/init/backoff.h"
#include "firmware/init/launch.h"
#include "firmware/link/channel.h"

namespace fedge::init {

// Of one process, for status and messages.
struct ProcessInfo {
  bool running = false;
  bool ready = false;  // said so itself
  pid_t pid = 0;
  uint32_t restarts = 0;
  std::string detail;  // how it ended last, in words
};

class SupervisorHandler {
 public:
  virtual ~SupervisorHandler() = default;
  // Everything of the start but the link.
  virtual Launch launch_of(link::Process process) = 0;
  // It runs; its channel takes messages now.
  virtual void on_started(link::Process process) = 0;
  virtual void on_ready(link::Process process) = 0;
  virtual void on_message(link::Process process, link::Received received) = 0;
  virtual void on_ended(link::Process process) = 0;
  virtual void on_all_stopped() = 0;
};

class Supervisor {
 public:
  static constexpr Duration kStopWait = 3s;

  Supervisor(Loop& loop, SupervisorHandler& handler);
  ~Supervisor();

  void start_all();
  // Asks all to stop and kills those that still run after kStopWait; a second call kills at once.
  void stop_all();
  // SIGCHLD came.
  void on_child_signal();

  const ProcessInfo& info(link::Process process) const;
  // Null when it does not run.
  link::Channel* channel(link::Process process);

  // All but init.
  static std::span<const link::Process> children();

 private:
  struct Child;
  Child& child(link::Process process);
  void start(Child& c);
  void on_end(Child& c, const std::string& how);
  void on_link_closed(Child& c, const std::string& reason);
  void kill_unlinked(Child& c);
  void kill_all();
  bool any_running() const;

  Loop& loop_;
  SupervisorHandler& handler_;
  std::array<std::unique_ptr<Child>, link::kProcessCount> children_;
  Alarm kill_alarm_;
  bool stopping_ = false;
};

}  // namespace fedge::init
