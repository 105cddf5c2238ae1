#include "dataplane/signal/reporter.h"

#include "firmware/base/log.h"

namespace fedge::signal {

namespace {
// Well below what would close the link.
constexpr size_t kMostQueued = 256;
}  // namespace

void Reporter::use_link(Fd socket) {
  link_ = std::make_unique<link::Channel>(loop_, link::Process::signal, link::Process::control,
                                          std::move(socket));
  link_->start([](const link::Received&) {},
               [this](const std::string& reason) {
                 open_link_ = 0;
                 log::warning("signal", "link to control: {}", reason);
               });
  open_link_ = ++links_;
  on_beat();
}

void Reporter::on_beat() {
  has_room_ = link_ != nullptr && link_->open() && link_->queued() < kMostQueued;
}

void Reporter::post(Report report) {
  mailbox_.post([this, report = std::move(report)] { send(report); });
}

void Reporter::send(const Report& report) {
  if (link_ == nullptr || !link_->open()) return;
  for (const link::NextHopState& state : report.states) link_->send(state);
  for (const link::Failover& failover : report.failovers) link_->send(failover);
  for (const link::NameFound& name : report.names) link_->send(name);
  on_beat();
}

}  // namespace fedge::signal
