// One thread's event loop: epoll for descriptors, a TimerWheel for time. Handlers are embedded
// in their owners, so watching a descriptor allocates nothing.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>

#include "firmware/base/fd.h"
#include "firmware/base/timers.h"

namespace fedge {

// Embedded in whatever owns a descriptor. The owner unwatches before it closes or dies.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // `events` as epoll gives them (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR). The watcher may
  // unwatch and destroy itself inside.
  virtual void on_ready(uint32_t events) = 0;
};

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Status watch(int fd, uint32_t events, Watcher& watcher);
  void change(int fd, uint32_t events, Watcher& watcher);
  void unwatch(int fd, Watcher& watcher);

  TimerWheel& timers() { return timers_; }
  // The instant at which the current round of callbacks began.
  Instant now() const { return now_; }

  // Runs until stop(). run_once() waits at most `wait` for one round.
  void run();
  void run_once(Duration wait);
  void stop() { stopped_ = true; }
  // Called after each round of ready descriptors and timers, before the loop sleeps: where a
  // worker flushes what the round produced.
  void at_round_end(std::function<void()> callback) { round_end_ = std::move(callback); }

 private:
  Fd epoll_;
  TimerWheel timers_;
  Instant now_;
  bool stopped_ = false;
  std::function<void()> round_end_;
  std::array<epoll_event, 256> ready_{};
  int ready_count_ = 0;
  int ready_at_ = 0;
};

// A timer that calls a function: for the control path (the function may allocate).
class Alarm final : public Timer {
 public:
  explicit Alarm(std::function<void(Instant)> callback) : callback_(std::move(callback)) {}

 private:
  void on_timer(Instant now) override { callback_(now); }
  std::function<void(Instant)> callback_;
};

// SIGTERM and SIGINT (and, if asked, SIGCHLD) as an event. Blocks them for the thread and for
// what it starts; children reset their mask.
class SignalWatcher final : public Watcher {
 public:
  SignalWatcher(Loop& loop, std::function<void(int signal)> callback, bool with_children = false);
  ~SignalWatcher() override;

 private:
  void on_ready(uint32_t events) override;
  Loop& loop_;
  std::function<void(int)> callback_;
  Fd fd_;
};

}  // namespace fedge
