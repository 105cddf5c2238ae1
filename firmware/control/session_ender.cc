#include "firmware/control/session_ender.h"

#include "firmware/base/log.h"

namespace fedge::control {

using link::Process;

namespace {

constexpr Duration kLookAgain = 5ms;

}  // namespace

SessionEnder::SessionEnder(Loop& loop, const SessionBook& sessions)
    : loop_(loop), sessions_(sessions), alarm_([this](Instant) { look(); }) {}

void SessionEnder::open(Fd socket) {
  fastpath_ = std::make_unique<link::Channel>(loop_, Process::control, Process::fastpath,
                                              std::move(socket));
  fastpath_->start([](const link::Received&) {},
                   [this](const std::string& reason) {
                     log::warning("control", "link to fastpath: {}", reason);
                     fastpath_.reset();
                   });
}

void SessionEnder::end(const SessionName& name, Instant deadline, Done done) {
  if (!fastpath_ ||
      !fastpath_->send(link::SessionEnd{name.worker, name.id.index, name.id.generation})) {
    return done(false);
  }
  endings_.push_back({name, deadline, std::move(done)});
  loop_.timers().set(alarm_, now_monotonic() + kLookAgain);
}

void SessionEnder::look() {
  const Instant now = now_monotonic();
  for (auto ending = endings_.begin(); ending != endings_.end();) {
    const bool gone = !sessions_.find(ending->name);
    if (!gone && now < ending->deadline) {
      ++ending;
      continue;
    }
    const Done done = std::move(ending->done);
    ending = endings_.erase(ending);
    done(gone);
  }
  if (!endings_.empty()) loop_.timers().set(alarm_, now + kLookAgain);
}

}  // namespace fedge::control
