#include "dataplane/front/process.h"

#include "firmware/base/log.h"

namespace fedge::front {

namespace {

constexpr Duration kBeat = 200ms;
constexpr Duration kStopping = 1s;  // for what waits to be sent

}  // namespace

Process::Process(Loop& loop, Fd init, const FrontOptions& options)
    : loop_(loop),
      options_(options),
      init_(loop, link::Process::front, link::Process::init, std::move(init)),
      beat_([this](Instant now) { beat(now); }),
      stop_by_([this](Instant) { finish(0); }) {}

void Process::start() {
  init_.start([this](const link::Received& received) { on_message(received); },
              [this](const std::string& reason) {
                // Without its supervisor a process must not live on.
                log::error("front", "link to init: {}; ending", reason);
                finish(1);
              });
  loop_.timers().set(beat_, loop_.now() + kBeat);
  init_.send(link::Ready{});
}

void Process::finish(int code) {
  exit_code_ = code;
  loop_.stop();
}

void Process::on_message(const link::Received& received) {
  const auto take_fd = [&] {
    return received.fds.empty() ? Fd() : std::move(received.fds.front());
  };
  switch (received.kind) {
    case link::MessageKind::counters:
      return on_counters(take_fd());
    case link::MessageKind::sealing_key:
      return on_sealing_key(take_fd());
    case link::MessageKind::link_opened:
      fastpath_link_ = take_fd();
      if (front_ && fastpath_link_) front_->use_fastpath(std::move(fastpath_link_));
      return;
    case link::MessageKind::snapshot_offer:
      if (auto message = link::decode<link::SnapshotOffer>(received.payload)) {
        pending_ = Offer{std::move(*message), std::move(received.fds)};
        run_pending_offer();
      }
      return;
    case link::MessageKind::stop:
      return stop();
    default:
      return;
  }
}

void Process::on_counters(Fd page) {
  if (counters_) return;
  auto mapping = Mapping::read_write(page.get());
  if (!mapping) return log::error("front", "counters: {}", mapping.error().text());
  counters_.emplace(std::move(*mapping));
  front_ = std::make_unique<Front>(loop_, *counters_, options_);
  if (fastpath_link_) front_->use_fastpath(std::move(fastpath_link_));
  run_pending_offer();
}

void Process::on_sealing_key(Fd key) {
  auto secret = pki::read_sealing_key(key.get());
  if (!secret) return log::error("front", "sealing key: {}", secret.error().text());
  sealing_key_ = std::move(*secret);
  run_pending_offer();
}

void Process::run_pending_offer() {
  if (!pending_ || !front_ || !sealing_key_ || stopping_) return;
  const Offer offer = std::move(*pending_);
  pending_.reset();
  const Status done = run(offer);
  link::SnapshotRunning answer{
      offer.message.generation, offer.message.revision, done.has_value(), {}};
  if (done) {
    log::info("front", "running generation {} (revision {})", answer.generation, answer.revision);
  } else {
    answer.reason = done.error().text();
    log::error("front", "refused generation {}: {}", answer.generation, answer.reason);
  }
  init_.send(answer);
}

Status Process::run(const Offer& offer) {
  auto next = open_generation(offer.message, offer.fds, *sealing_key_, front_->generation());
  if (!next) return std::unexpected(next.error());
  return front_->use(std::move(*next));
}

void Process::beat(Instant now) {
  if (front_) {
    counters_->beat(now);
    front_->beat();
  }
  loop_.timers().set(beat_, now + kBeat);
}

void Process::stop() {
  if (stopping_) return;
  stopping_ = true;
  log::info("front", "stopping");
  if (!front_) return finish(0);
  front_->begin_stop([this] { finish(0); });
  loop_.timers().set(stop_by_, loop_.now() + kStopping);
}

}  // namespace fedge::front
