#include "dataplane/signal/process.h"

namespace fedge::signal {

Process::Process(Loop& loop, Fd init, const CrewOptions& options)
    : loop_(loop),
      options_(options),
      forwarder_(loop, link::Process::signal, std::move(init), *this),
      reporter_(loop) {}

Status Process::on_sealing_key(const Fd& key) {
  auto secret = pki::read_sealing_key(key.get());
  if (!secret) return std::unexpected(secret.error());
  sealing_key_ = std::move(*secret);
  route_key_ = pki::derive_key(sealing_key_, "record-route");
  options_.each.route_key = route_key_.bytes();
  return {};
}

void Process::on_link(link::Process peer, Fd socket) {
  if (peer == link::Process::control) return reporter_.use_link(std::move(socket));
  if (peer != link::Process::fastpath) return;
  if (crew_ != nullptr) {
    crew_->use_fastpath_link(socket);
  } else {
    fastpath_link_ = std::move(socket);
  }
}

void Process::on_offer(const link::Offer& offer) {
  if (const Status done = run(offer); !done) forwarder_.answer(done);
}

// Everything is opened and built beside what runs; the workers swap between two messages each,
// and the answer follows when all have.
Status Process::run(const link::Offer& offer) {
  auto next = open_generation(offer, sealing_key_, generation());
  if (!next) return std::unexpected(next.error());
  if (crew_ == nullptr) {
    options_.each.reporter = &reporter_;
    crew_ = std::make_unique<Crew>(loop_, *counters_, (*next)->limits(), options_);
    if (fastpath_link_) crew_->use_fastpath_link(fastpath_link_);
    fastpath_link_.reset();
  }
  return crew_->use(std::move(*next), [this] { forwarder_.answer({}); });
}

// A worker that is stuck stops the heart, too.
bool Process::on_beat(Instant now) {
  const bool progress = crew_ == nullptr || crew_->beat(now);
  reporter_.on_beat();
  return progress;
}

void Process::on_stop() {
  if (generation() == nullptr) return forwarder_.finish(0);
  crew_->begin_stop([this] { forwarder_.finish(0); });
}

}  // namespace fedge::signal
