#include "firmware/control/publisher.h"

#include <algorithm>

namespace fedge::control {

using link::Process;

namespace {

constexpr std::array<std::string_view, 3> kStateNames{"running", "missing", "refused"};

ForwarderAnswer answer_of(const ProcessView& view, uint64_t generation) {
  ForwarderAnswer answer{view.process, ForwarderState::missing, view.generation, view.revision, {}};
  if (view.generation >= generation) {
    answer.state = ForwarderState::running;
  } else if (view.refused == generation) {
    answer.state = ForwarderState::refused;
    answer.reason = view.reason;
  } else if (!view.known || (!view.up && view.pid == 0)) {
    answer.reason = view.reason.empty() ? "it is not running" : view.reason;
  } else {
    answer.reason = "it has not answered yet";
  }
  return answer;
}

}  // namespace

std::string_view name(ForwarderState state) { return kStateNames[static_cast<size_t>(state)]; }

bool RollOut::everywhere() const {
  return std::ranges::all_of(forwarders,
                             [](const auto& f) { return f.state == ForwarderState::running; });
}

bool RollOut::refused() const {
  return std::ranges::any_of(forwarders,
                             [](const auto& f) { return f.state == ForwarderState::refused; });
}

Publisher::Publisher(TimerWheel& timers, Send send, OnRefused on_refused)
    : timers_(timers), send_(std::move(send)), on_refused_(std::move(on_refused)) {
  for (size_t i = 0; i < views_.size(); ++i) views_[i].process = static_cast<Process>(i);
}

const ProcessView& Publisher::view(Process process) const {
  return views_[static_cast<size_t>(process)];
}

void Publisher::offer(const Generation& generation, Instant now) {
  offered_ = generation.number;
  roll_out_until_ = now + kRollOut;
  link::SnapshotOffer offer{generation.number, generation.revision, {}};
  std::vector<int> fds;
  for (const SectionPointer& section : generation.sections) {
    offer.sections.push_back({section->kind, {section->checksum[0], section->checksum[1]}});
    fds.push_back(section->fd.get());
  }
  (void)send_(offer, fds);
}

void Publisher::on_publish_state(const link::PublishState& state, Instant now) {
  ProcessView& view = views_[static_cast<size_t>(state.process)];
  view.known = true;
  view.reason = state.reason;
  if (state.accepted || state.generation == 0) {
    view.generation = state.generation;
    view.revision = state.revision;
  } else {
    view.refused = state.generation;  // it goes on with what it ran before
  }
  settle();
  const bool refuses = !state.accepted && state.generation == offered_ && offered_ != 0;
  if (refuses && now < roll_out_until_) {
    roll_out_until_ = now;  // once
    on_refused_(offered_, std::string(link::name(state.process)) + ": " + state.reason);
  }
}

void Publisher::on_process_state(const link::ProcessState& state) {
  ProcessView& view = views_[static_cast<size_t>(state.process)];
  view.known = true;
  view.up = state.up;
  view.pid = state.pid;
  view.restarts = state.restarts;
  view.detail = state.detail;
}

RollOut Publisher::roll_out(uint64_t generation, uint64_t revision) const {
  RollOut answers{generation, revision, {}};
  for (const ProcessView& view : views_) {
    const bool forwards = link::spec(view.process).forwarder;
    // Init passes sections on; only its refusal counts.
    const bool broker_refused =
        view.process == Process::init && view.refused == generation && view.generation < generation;
    if (forwards || broker_refused) answers.forwarders.push_back(answer_of(view, generation));
  }
  return answers;
}

void Publisher::wait(uint64_t generation, uint64_t revision, Instant deadline,
                     std::function<void(const RollOut&)> done) {
  waiters_.push_front({generation, revision, std::move(done), nullptr});
  const auto waiter = waiters_.begin();
  waiter->alarm = std::make_unique<Alarm>([this, waiter](Instant) { finish(waiter); });
  timers_.set(*waiter->alarm, deadline);
  settle();
}

void Publisher::finish(std::list<Waiter>::iterator waiter) {
  std::list<Waiter> finished;  // the callback may wait again; the alarm may be what called us
  finished.splice(finished.begin(), waiters_, waiter);
  finished.front().done(roll_out(finished.front().generation, finished.front().revision));
}

void Publisher::settle() {
  for (bool again = true; again;) {
    again = false;
    for (auto waiter = waiters_.begin(); waiter != waiters_.end(); ++waiter) {
      const RollOut so_far = roll_out(waiter->generation, waiter->revision);
      if (!so_far.everywhere() && !so_far.refused()) continue;
      finish(waiter);
      again = true;
      break;
    }
  }
}

}  // namespace fedge::control
