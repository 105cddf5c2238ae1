#include "firmware/link/forwarder.h"

#include "firmware/base/log.h"

namespace fedge::link {

namespace {

constexpr Duration kBeat = 200ms;
constexpr Duration kStopping = 1s;  // for what waits to be sent

}  // namespace

Forwarder::Forwarder(Loop& loop, Process self, Fd init, Forwarding& program)
    : loop_(loop),
      name_(name(self)),
      program_(program),
      init_(loop, self, Process::init, std::move(init)),
      beat_([this](Instant now) { beat(now); }),
      stop_by_([this](Instant) { finish(0); }) {}

void Forwarder::start() {
  init_.start([this](const Received& received) { on_message(received); },
              [this](const std::string& reason) {
                // Without its supervisor a process must not live on.
                log::error(name_, "link to init: {}; ending", reason);
                finish(1);
              });
  loop_.timers().set(beat_, loop_.now() + kBeat);
  init_.send(Ready{});
}

void Forwarder::finish(int code) {
  exit_code_ = code;
  loop_.stop();
}

void Forwarder::on_message(const Received& received) {
  const auto take_fd = [&] {
    return received.fds.empty() ? Fd() : std::move(received.fds.front());
  };
  switch (received.kind) {
    case MessageKind::counters:
      return take_counters(take_fd());
    case MessageKind::sealing_key:
      return take_sealing_key(take_fd());
    case MessageKind::link_opened:
      if (const auto message = decode<LinkOpened>(received.payload)) {
        if (Fd socket = take_fd()) program_.on_link(message->peer, std::move(socket));
      }
      return;
    case MessageKind::snapshot_offer:
      if (auto message = decode<SnapshotOffer>(received.payload)) {
        pending_ = Offer{std::move(*message), std::move(received.fds)};
        take_next_offer();
      }
      return;
    case MessageKind::stop:
      return stop();
    default:
      return;
  }
}

void Forwarder::take_counters(const Fd& page) {
  if (counters_) return;  // its series stand in the page it has
  auto mapping = Mapping::read_write(page.get());
  if (!mapping) return log::error(name_, "counters: {}", mapping.error().text());
  counters_.emplace(std::move(*mapping));
  program_.on_counters(*counters_);
  take_next_offer();
}

void Forwarder::take_sealing_key(const Fd& key) {
  if (auto taken = program_.on_sealing_key(key); !taken) {
    return log::error(name_, "sealing key: {}", taken.error().text());
  }
  has_key_ = true;
  take_next_offer();
}

void Forwarder::take_next_offer() {
  if (!pending_ || !counters_ || !has_key_ || current_ || stopping_) return;
  current_ = std::exchange(pending_, {});
  program_.on_offer(*current_);
}

void Forwarder::answer(const Status& done) {
  SnapshotRunning answer{
      current_->message.generation, current_->message.revision, done.has_value(), {}};
  current_.reset();
  if (done) {
    log::info(name_, "running generation {} (revision {})", answer.generation, answer.revision);
  } else {
    answer.reason = done.error().text();
    log::error(name_, "refused generation {}: {}", answer.generation, answer.reason);
  }
  init_.send(answer);
  take_next_offer();
}

// The heartbeat stands for progress: a loop that is stuck does not come here.
void Forwarder::beat(Instant now) {
  const bool progress = program_.on_beat(now);
  if (counters_ && progress) counters_->beat(now);
  loop_.timers().set(beat_, now + kBeat);
}

void Forwarder::stop() {
  if (stopping_) return;
  stopping_ = true;
  log::info(name_, "stopping");
  loop_.timers().set(stop_by_, loop_.now() + kStopping);
  program_.on_stop();
}

}  // namespace fedge::link
