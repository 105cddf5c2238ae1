#include "firmware/base/loop.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fedge {

Loop::Loop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), timers_(now_monotonic()), now_(now_monotonic()) {}

Status Loop::watch(int fd, uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail_errno("event loop", "cannot watch a descriptor");
  }
  return {};
}

void Loop::change(int fd, uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::unwatch(int fd, Watcher& watcher) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  // The watcher may be among the events still to be handed out in this round.
  for (int i = ready_at_; i < ready_count_; ++i) {
    if (ready_[i].data.ptr == &watcher) ready_[i].data.ptr = nullptr;
  }
}

void Loop::run_once(Duration wait) {
  const Instant due = timers_.next_due();
  const Instant before = now_monotonic();
  Duration sleep = wait;
  if (due != never) sleep = std::min(sleep, std::max(due - before, Duration(0)));
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(sleep).count();
  const int n = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()),
                             static_cast<int>(std::min<int64_t>(ms, 60'000)));
  now_ = now_monotonic();
  ready_count_ = std::max(n, 0);
  for (ready_at_ = 0; ready_at_ < ready_count_;) {
    const epoll_event event = ready_[static_cast<size_t>(ready_at_++)];
    if (event.data.ptr != nullptr) static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
  }
  ready_count_ = 0;
  timers_.advance(now_);
  if (round_end_) round_end_();
}

void Loop::run() {
  while (!stopped_) run_once(60s);
}

SignalWatcher::SignalWatcher(Loop& loop, std::function<void(int)> callback, bool with_children)
    : loop_(loop), callback_(std::move(callback)) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (with_children) sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  fd_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (fd_) (void)loop_.watch(fd_.get(), EPOLLIN, *this);
}

SignalWatcher::~SignalWatcher() {
  if (fd_) loop_.unwatch(fd_.get(), *this);
}

void SignalWatcher::on_ready(uint32_t) {
  signalfd_siginfo info;
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
    callback_(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace fedge
