#include "firmware/init/broker.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "firmware/base/log.h"

namespace fedge::init {

using link::Process;

namespace {

constexpr Process kKeyOwners[] = {Process::control, Process::fastpath, Process::signal,
                                  Process::front, Process::agent};

// Control unseals nothing at run time of the others, but seals for them what it publishes.
bool gets_key(Process process, Process owner) {
  return process == owner || process == Process::control;
}

Result<Fd> open_read_only(const Fd& fd) {
  // Only root may open it anew: a process cannot make its reading end a writing one.
  if (::fchmod(fd.get(), 0600) != 0) return fail_errno("counters", "cannot protect a page");
  Fd out(::open(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!out) return fail_errno("counters", "cannot open a page for reading");
  return out;
}

// Sealable, so that who sizes it can promise its readers that it stays so.
Result<Fd> make_empty_memfd(const std::string& name) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno(name, "cannot create a memfd");
  return fd;
}

}  // namespace

Result<std::unique_ptr<Broker>> Broker::open(board::Hal& hal, uint16_t workers) {
  auto broker = std::make_unique<Broker>();
  for (size_t i = 0; i < link::kProcessCount; ++i) {
    const std::string name(link::name(static_cast<Process>(i)));
    auto page = make_shared_memfd("counters-" + name, sizeof(CounterPage));
    if (!page) return std::unexpected(page.error());
    auto readable = open_read_only(*page);
    if (!readable) return std::unexpected(readable.error());
    broker->pages_[i] = {std::move(*page), std::move(*readable)};
  }
  for (uint16_t i = 0; i < workers; ++i) {
    auto memory = make_empty_memfd("sessions-" + std::to_string(i));
    if (!memory) return std::unexpected(memory.error());
    auto readable = open_read_only(*memory);
    if (!readable) return std::unexpected(readable.error());
    broker->sessions_.push_back({std::move(*memory), std::move(*readable)});
  }
  for (const Process owner : kKeyOwners) {
    auto key = hal.sealing_key(link::name(owner));
    if (!key) return std::unexpected(key.error());
    broker->keys_[static_cast<size_t>(owner)] = std::move(*key);
  }
  auto own = Mapping::read_write(broker->pages_[0].writable.get());
  if (!own) return std::unexpected(own.error());
  broker->own_ = std::make_unique<Counters>(std::move(*own));
  return broker;
}

void Broker::give_counters(Process process, link::Channel& to) const {
  for (size_t i = 0; i < link::kProcessCount; ++i) {
    const auto writer = static_cast<Process>(i);
    if (writer != process && process != Process::control) continue;
    const int fd = (writer == process ? pages_[i].writable : pages_[i].readable).get();
    (void)to.send(link::CounterPages{writer}, {&fd, 1});
  }
}

void Broker::give_sessions(Process process, link::Channel& to) const {
  if (process != Process::fastpath && process != Process::control) return;
  const auto workers = static_cast<uint16_t>(sessions_.size());
  for (uint16_t i = 0; i < workers; ++i) {
    const Page& memory = sessions_[i];
    const int fd = (process == Process::fastpath ? memory.writable : memory.readable).get();
    (void)to.send(link::SessionMemory{i, workers}, {&fd, 1});
  }
}

void Broker::give_keys(Process process, link::Channel& to) const {
  for (const Process owner : kKeyOwners) {
    if (!gets_key(process, owner)) continue;
    const int fd = keys_[static_cast<size_t>(owner)].get();
    (void)to.send(link::SealingKey{owner}, {&fd, 1});
  }
}

// A new pair of sockets for both: whichever of them ran before replaces its old end.
void Broker::connect(Process a, Process b, Supervisor& supervisor) {
  link::Channel* const to_a = supervisor.channel(a);
  link::Channel* const to_b = supervisor.channel(b);
  if (to_a == nullptr || to_b == nullptr) return;
  const auto ends = link::make_link();
  if (!ends) return log::error("init", "{}", ends.error().text());
  const int first = ends->first.get();
  const int second = ends->second.get();
  (void)to_a->send(link::LinkOpened{b}, {&first, 1});
  (void)to_b->send(link::LinkOpened{a}, {&second, 1});
}

void Broker::give(Process process, Supervisor& supervisor) {
  if (link::Channel* to = supervisor.channel(process)) {
    give_counters(process, *to);
    give_keys(process, *to);
    give_sessions(process, *to);
  }
  for (const Process other : Supervisor::children()) {
    if (other != process && link::linked(process, other)) connect(process, other, supervisor);
  }
}

void Broker::on_started(Process process) {
  own_->set(own_->series(fmt::format("fedge_process_up{{process=\"{}\"}}", link::name(process))),
            1);
}

void Broker::on_ended(Process process) {
  const std::string_view name = link::name(process);
  own_->set(own_->series(fmt::format("fedge_process_up{{process=\"{}\"}}", name)), 0);
  own_->add(own_->series(fmt::format("fedge_process_ends_total{{process=\"{}\"}}", name)));
}

}  // namespace fedge::init
