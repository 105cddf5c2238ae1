#include "dataplane/signal/reporter.h"

#include "firmware/base/log.h"

namespace fedge::signal {

namespace {
// With one report more well below what would close the link.
constexpr size_t kMostQueued = 256;
}  // namespace

void Reporter::use_link(Fd socket) {
  link_ = std::make_unique<link::Channel>(loop_, link::Process::signal, link::Process::control,
                                          std::move(socket));
  waiting_.clear();
  link_->start([](const link::Received&) {},
               [this](const std::string& reason) {
                 open_link_ = 0;
                 waiting_.clear();
                 log::warning("signal", "link to control: {}", reason);
               });
  open_link_ = ++links_;
  on_beat();
}

void Reporter::on_beat() {
  send_waiting();
  has_room_ = takes_more();
}

bool Reporter::takes_more() const {
  return link_ != nullptr && link_->open() && link_->queued() < kMostQueued && waiting_.empty();
}

void Reporter::post(Report report) {
  mailbox_.post([this, report = std::move(report)]() mutable {
    if (link_ == nullptr || !link_->open()) return;
    waiting_.push_back(std::move(report));
    on_beat();
  });
}

void Reporter::send_waiting() {
  while (!waiting_.empty() && link_ != nullptr && link_->queued() < kMostQueued) {
    const Report report = std::move(waiting_.front());
    waiting_.pop_front();
    for (const link::NextHopState& state : report.states) link_->send(state);
    for (const link::Failover& failover : report.failovers) link_->send(failover);
    for (const link::NameFound& name : report.names) link_->send(name);
  }
}

}  // namespace fedge::signal
