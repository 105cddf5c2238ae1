#include "dataplane/signal/process.h"

#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

constexpr Duration kBeat = 200ms;
constexpr Duration kStopping = 1s;  // for what waits to be sent

}  // namespace

Process::Process(Loop& loop, Fd init, const CrewOptions& options)
    : loop_(loop),
      options_(options),
      init_(loop, link::Process::signal, link::Process::init, std::move(init)),
      reporter_(loop),
      beat_([this](Instant now) { beat(now); }),
      stop_by_([this](Instant) { finish(0); }) {}

void Process::start() {
  init_.start([this](const link::Received& received) { on_message(received); },
              [this](const std::string& reason) {
                // Without its supervisor a process must not live on.
                log::error("signal", "link to init: {}; ending", reason);
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
  if (counters_) return;  // the workers' series stand in the page it has
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
  options_.each.route_key = route_key_.bytes();
  run_pending_offer();
}

void Process::on_link_opened(link::Process peer, Fd socket) {
  if (peer == link::Process::control && socket) return reporter_.use_link(std::move(socket));
  if (peer != link::Process::fastpath || !socket) return;
  if (crew_ != nullptr) {
    crew_->use_fastpath_link(socket);
  } else {
    fastpath_link_ = std::move(socket);
  }
}

void Process::run_pending_offer() {
  if (!pending_ || !counters_ || !sealing_key_ || changing_ || stopping_) return;
  changing_ = std::move(pending_);
  pending_.reset();
  if (const Status done = run(*changing_); !done) answer(done);
}

// Everything is opened and built beside what runs; the workers swap between two messages each,
// and answer() follows when all have.
Status Process::run(const Offer& offer) {
  auto next = open_generation(offer.message, offer.fds, *sealing_key_, generation());
  if (!next) return std::unexpected(next.error());
  if (crew_ == nullptr) {
    options_.each.reporter = &reporter_;
    crew_ = std::make_unique<Crew>(loop_, *counters_, (*next)->limits(), options_);
    if (fastpath_link_) crew_->use_fastpath_link(fastpath_link_);
    fastpath_link_.reset();
  }
  return crew_->use(std::move(*next), [this] { answer({}); });
}

void Process::answer(const Status& done) {
  link::SnapshotRunning answer;
  answer.generation = changing_->message.generation;
  answer.revision = changing_->message.revision;
  answer.accepted = done.has_value();
  changing_.reset();
  if (done) {
    log::info("signal", "running generation {} (revision {})", answer.generation, answer.revision);
  } else {
    answer.reason = done.error().text();
    log::error("signal", "refused generation {}: {}", answer.generation, answer.reason);
  }
  init_.send(answer);
  run_pending_offer();
}

// The heartbeat stands for progress: a loop that is stuck does not come here, and a worker that is
// stuck stops it too.
void Process::beat(Instant now) {
  const bool progress = crew_ == nullptr || crew_->beat(now);
  if (counters_ && progress) counters_->beat(now);
  reporter_.on_beat();
  loop_.timers().set(beat_, now + kBeat);
}

void Process::stop() {
  if (stopping_) return;
  stopping_ = true;
  log::info("signal", "stopping");
  if (generation() == nullptr) return finish(0);
  crew_->begin_stop([this] { finish(0); });
  loop_.timers().set(stop_by_, loop_.now() + kStopping);
}

}  // namespace fedge::signal
