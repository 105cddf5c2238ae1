#include "dataplane/signal/process.h"

#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

constexpr Duration kBeat = 100ms;
constexpr Duration kStopping = 1s;  // for what waits to be sent
constexpr Duration kStoppingBeat = 5ms;

}  // namespace

Process::Process(Loop& loop, Fd init, const WorkerOptions& options)
    : loop_(loop),
      options_(options),
      init_(loop, link::Process::signal, link::Process::init, std::move(init)),
      reporter_(loop),
      beat_([this](Instant now) { beat(now); }) {}

void Process::start() {
  init_.start([this](const link::Received& received) { on_message(received); },
              [this](const std::string& reason) {
                // Without its supervisor a process must not live on.
                log::error("signal", "link to init: {}; ending", reason);
                finish(1);
              });
  loop_.at_round_end([this] {
    if (worker_ != nullptr) worker_->finish_round();
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
      if (const auto message = link::decode<link::LinkOpened>(received.payload)) {
        on_link_opened(message->peer, take_fd());
      }
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
  if (counters_) return;  // the worker's series stand in the page it has
  auto mapping = Mapping::read_write(page.get());
  if (!mapping) return log::error("signal", "counters: {}", mapping.error().text());
  counters_.emplace(std::move(*mapping));
  run_pending_offer();
}

void Process::on_sealing_key(Fd key) {
  auto secret = pki::read_sealing_key(key.get());
  if (!secret) return log::error("signal", "sealing key: {}", secret.error().text());
  sealing_key_ = std::move(*secret);
  route_key_ = pki::derive_key(*sealing_key_, "record-route");
  options_.route_key = route_key_.bytes();
  run_pending_offer();
}

void Process::on_link_opened(link::Process peer, Fd socket) {
  if (peer == link::Process::control && socket) return reporter_.use_link(std::move(socket));
  if (peer != link::Process::fastpath || !socket) return;
  if (worker_ != nullptr) {
    worker_->use_fastpath_link(std::move(socket));
  } else {
    fastpath_link_ = std::move(socket);
  }
}

void Process::run_pending_offer() {
  if (!pending_ || !counters_ || !sealing_key_) return;
  const Offer offer = std::move(*pending_);
  pending_.reset();
  const Status done = run(offer);
  link::SnapshotRunning answer;
  answer.generation = offer.message.generation;
  answer.revision = offer.message.revision;
  answer.accepted = done.has_value();
  if (done) {
    log::info("signal", "running generation {} (revision {})", answer.generation, answer.revision);
  } else {
    answer.reason = done.error().text();
    log::error("signal", "refused generation {}: {}", answer.generation, answer.reason);
  }
  init_.send(answer);
}

// Everything is opened and built beside what runs; Worker::use() swaps between two messages.
Status Process::run(const Offer& offer) {
  const Generation* running = worker_ == nullptr ? nullptr : worker_->generation();
  auto next = open_generation(offer.message, offer.fds, *sealing_key_, running);
  if (!next) return std::unexpected(next.error());
  if (worker_ != nullptr) {
    if (auto ok = worker_->use(std::move(*next)); !ok) return ok;
    directory_->use(*worker_->generation());
    return {};
  }
  if (directory_ == nullptr) {
    directory_ = std::make_unique<Directory>(loop_, *counters_, options_.use_devices);
    options_.directory = directory_.get();
    options_.reporter = &reporter_;
  }
  auto worker = std::make_unique<Worker>(loop_, *counters_, (*next)->limits(), options_);
  if (auto ok = worker->use(std::move(*next)); !ok) return ok;
  worker_ = std::move(worker);
  directory_->use(*worker_->generation());
  if (fastpath_link_) worker_->use_fastpath_link(std::move(fastpath_link_));
  return {};
}

// The heartbeat stands for progress: a loop that is stuck does not come here.
void Process::beat(Instant now) {
  if (counters_) counters_->beat(now);
  reporter_.on_beat();
  if (worker_ != nullptr) worker_->on_beat();
  if (stop_by_ != never && (worker_ == nullptr || worker_->drained() || now >= stop_by_)) {
    return finish(0);
  }
  loop_.timers().set(beat_, now + (stop_by_ == never ? kBeat : kStoppingBeat));
}

void Process::stop() {
  if (stop_by_ != never) return;
  log::info("signal", "stopping");
  if (worker_ != nullptr) worker_->begin_stop();
  stop_by_ = loop_.now() + kStopping;
  loop_.timers().set(beat_, loop_.now());
}

}  // namespace fedge::signal
