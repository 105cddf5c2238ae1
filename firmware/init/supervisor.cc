#include "firmware/init/supervisor.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "firmware/base/log.h"

namespace fedge::init {

using link::Process;

namespace {

constexpr Process kChildren[] = {Process::control, Process::fastpath, Process::signal,
                                 Process::front, Process::agent};
// A process that takes longer to say that it is ready deserves a line.
constexpr Duration kSlowStart = 10s;
// From the end of its link to the end of a process that exits by itself.
constexpr Duration kExitWait = 1s;

long milliseconds(Duration d) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

}  // namespace

struct Supervisor::Child {
  using Callback = std::function<void(Instant)>;
  Child(Process p, Callback on_start, Callback on_slow, Callback on_unlinked)
      : process(p),
        start_alarm(std::move(on_start)),
        slow_alarm(std::move(on_slow)),
        unlinked_alarm(std::move(on_unlinked)) {}
  Process process;
  ProcessInfo info;
  std::unique_ptr<link::Channel> channel;
  Backoff backoff;
  Instant started{};
  Alarm start_alarm;
  Alarm slow_alarm;
  Alarm unlinked_alarm;
};

std::span<const Process> Supervisor::children() { return kChildren; }

Supervisor::Supervisor(Loop& loop, SupervisorHandler& handler)
    : loop_(loop), handler_(handler), kill_alarm_([this](Instant) { kill_all(); }) {
  for (const Process process : kChildren) {
    children_[static_cast<size_t>(process)] = std::make_unique<Child>(
        process, [this, process](Instant) { start(child(process)); },
        [process](Instant) {
          log::warning("init", "{} has not said that it is ready for 10 s", link::name(process));
        },
        [this, process](Instant) { kill_unlinked(child(process)); });
  }
}

Supervisor::~Supervisor() = default;

Supervisor::Child& Supervisor::child(Process process) {
  return *children_[static_cast<size_t>(process)];
}

const ProcessInfo& Supervisor::info(Process process) const {
  return children_[static_cast<size_t>(process)]->info;
}

link::Channel* Supervisor::channel(Process process) {
  Child& c = child(process);
  return c.info.running && c.channel && c.channel->open() ? c.channel.get() : nullptr;
}

void Supervisor::start_all() {
  for (const Process process : kChildren) start(child(process));
}

void Supervisor::start(Child& c) {
  if (stopping_ || c.info.running) return;
  c.started = now_monotonic();
  auto ends = link::make_link();
  if (!ends) return on_end(c, ends.error().text());
  Launch launch = handler_.launch_of(c.process);
  launch.link = ends->second.get();
  const auto pid = fedge::init::launch(launch);
  if (!pid) return on_end(c, "did not start: " + pid.error().text());
  c.info.running = true;
  c.info.ready = false;
  c.info.pid = *pid;
  c.channel =
      std::make_unique<link::Channel>(loop_, Process::init, c.process, std::move(ends->first));
  c.channel->start(
      [this, &c](link::Received r) {
        if (r.kind != link::MessageKind::ready) return handler_.on_message(c.process, r);
        if (c.info.ready) return;
        c.info.ready = true;
        c.slow_alarm.cancel();
        log::info("init", "{} is ready, pid {}, after {} ms", link::name(c.process), c.info.pid,
                  milliseconds(loop_.now() - c.started));
        handler_.on_ready(c.process);
      },
      [this, &c](const std::string& reason) { on_link_closed(c, reason); });
  loop_.timers().set(c.slow_alarm, c.started + kSlowStart);
  log::info("init", "{} started, pid {}", link::name(c.process), *pid);
  handler_.on_started(c.process);
}

// Mostly the process is about to end, which SIGCHLD tells.
void Supervisor::on_link_closed(Child& c, const std::string& reason) {
  log::debug("init", "link to {}: {}", link::name(c.process), reason);
  if (c.info.running && !stopping_) {
    loop_.timers().set(c.unlinked_alarm, now_monotonic() + kExitWait);
  }
}

// One that lives on without its link broke the link's rules, or hangs.
void Supervisor::kill_unlinked(Child& c) {
  log::error("init", "{} runs without its link to init; it is killed", link::name(c.process));
  ::kill(c.info.pid, SIGKILL);
}

void Supervisor::on_child_signal() {
  for (const Process process : kChildren) {
    Child& c = child(process);
    int status = 0;
    if (!c.info.running || ::waitpid(c.info.pid, &status, WNOHANG) != c.info.pid) continue;
    on_end(c, describe_end(status));
  }
  if (stopping_ && !any_running()) {
    kill_alarm_.cancel();
    handler_.on_all_stopped();
  }
}

void Supervisor::on_end(Child& c, const std::string& how) {
  const Instant now = now_monotonic();
  const bool ran = c.info.running;
  c.info.running = false;
  c.info.ready = false;
  c.info.pid = 0;
  c.info.detail = how;
  c.slow_alarm.cancel();
  c.unlinked_alarm.cancel();
  c.channel.reset();
  if (stopping_) {
    log::info("init", "{} {}", link::name(c.process), how);
  } else {
    const Duration wait = c.backoff.on_end(now - c.started);
    ++c.info.restarts;
    log::error("init", "{} {} after {} ms; next start in {} ms", link::name(c.process), how,
               milliseconds(now - c.started), milliseconds(wait));
    loop_.timers().set(c.start_alarm, now + wait);
  }
  if (ran) handler_.on_ended(c.process);
}

bool Supervisor::any_running() const {
  return std::ranges::any_of(kChildren, [this](Process p) { return info(p).running; });
}

void Supervisor::stop_all() {
  if (stopping_) return kill_all();
  stopping_ = true;
  for (const Process process : kChildren) {
    Child& c = child(process);
    c.start_alarm.cancel();
    if (link::Channel* to = channel(process)) (void)to->send(link::Stop{});
  }
  if (!any_running()) return handler_.on_all_stopped();
  loop_.timers().set(kill_alarm_, now_monotonic() + kStopWait);
}

void Supervisor::kill_all() {
  for (const Process process : kChildren) {
    const ProcessInfo& i = info(process);
    if (!i.running) continue;
    log::warning("init", "{} does not stop; it is killed", link::name(process));
    ::kill(i.pid, SIGKILL);
  }
}

}  // namespace fedge::init
