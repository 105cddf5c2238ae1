#include "dataplane/front/process.h"

namespace fedge::front {

Process::Process(Loop& loop, Fd init, const FrontOptions& options)
    : loop_(loop),
      options_(options),
      forwarder_(loop, link::Process::front, std::move(init), *this) {}

void Process::on_counters(Counters& page) {
  front_ = std::make_unique<Front>(loop_, page, options_);
  if (fastpath_link_) front_->use_fastpath(std::move(fastpath_link_));
}

Status Process::on_sealing_key(const Fd& key) {
  auto secret = pki::read_sealing_key(key.get());
  if (!secret) return std::unexpected(secret.error());
  sealing_key_ = std::move(*secret);
  return {};
}

void Process::on_link(link::Process, Fd socket) {
  if (front_) return front_->use_fastpath(std::move(socket));
  fastpath_link_ = std::move(socket);
}

Status Process::run(const link::Offer& offer) {
  auto next = open_generation(offer, sealing_key_, front_->generation());
  if (!next) return std::unexpected(next.error());
  return front_->use(std::move(*next));
}

bool Process::on_beat(Instant) {
  if (front_) front_->beat();
  return true;
}

void Process::on_stop() {
  if (!front_) return forwarder_.finish(0);
  front_->begin_stop([this] { forwarder_.finish(0); });
}

}  // namespace fedge::front
