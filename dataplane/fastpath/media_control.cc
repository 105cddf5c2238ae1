#include "dataplane/fastpath/media_control.h"

#include <sys/random.h>

#include <algorithm>

#include "dataplane/media/sessions.h"
#include "firmware/base/log.h"
#include "firmware/pki/key_section.h"

namespace fedge::fastpath {

using snapshot::Kind;

namespace {

constexpr size_t kMostEarly = 100'000;

uint64_t random_seed() {
  uint64_t seed = 0;
  (void)!::getrandom(&seed, sizeof seed, 0);
  return seed;
}

void log_adoption(size_t worker, const media::Sessions::Adoption& adoption) {
  if (adoption.foreign) {
    log::warning("media", "worker {}: the sessions of a former run have another form: dropped",
                 worker);
  } else if (adoption.adopted != 0 || adoption.damaged != 0) {
    log::info("media", "worker {}: took over {} sessions, dropped {} that contradict themselves",
              worker, adoption.adopted, adoption.damaged);
  }
}

}  // namespace

MediaControl::MediaControl(const Mirror& mirror, Crossing& crossing, int event)
    : mirror_(mirror),
      crossing_(crossing),
      event_(event),
      quotas_(random_seed()),
      parts_(crossing.workers()) {
  (void)::getrandom(nonce_key_.data(), nonce_key_.size(), 0);
}

Status MediaControl::take_key(const Fd& key) {
  auto read = pki::read_sealing_key(key.get());
  if (!read) return std::unexpected(read.error());
  sealing_key_ = std::move(*read);
  return {};
}

Result<bool> MediaControl::take_memory(const link::SessionMemory& message, const Fd& memory) {
  const MediaSurroundings surroundings{crossing_.workers(), quotas_, tcp_relays_, mirror_, event_,
                                       nonce_key_};
  if (message.workers != parts_.size() || message.worker >= parts_.size()) {
    return fail("media", "session memory for " + std::to_string(message.workers) +
                             " workers, of which there are " + std::to_string(parts_.size()));
  }
  // Once: a worker uses it from then on.
  if (parts_[message.worker] != nullptr) return false;
  auto part = MediaPart::open(memory, static_cast<uint8_t>(message.worker), surroundings);
  if (!part) return std::unexpected(part.error());
  log_adoption(message.worker, (*part)->adoption());
  parts_[message.worker] = std::move(*part);
  if (!is_complete()) return false;
  for (auto& [worker, order] : std::exchange(early_, {})) post(worker, std::move(order));
  return true;
}

bool MediaControl::is_complete() const {
  return std::ranges::all_of(parts_, [](const auto& part) { return part != nullptr; });
}

std::array<MediaPart*, kMostWorkers> MediaControl::parts() const {
  std::array<MediaPart*, kMostWorkers> out{};
  if (!is_complete()) return out;
  for (size_t i = 0; i < parts_.size(); ++i) out[i] = parts_[i].get();
  return out;
}

Result<std::shared_ptr<const media::Plan>> MediaControl::compile(
    const link::Offer& offer, std::span<const media::BoxPort> ports) {
  if (!offer.brings(Kind::media)) return no_plan();
  snapshot::Section<snapshot::Media> media;
  snapshot::Section<snapshot::Realms> realms;
  snapshot::Section<snapshot::Listeners> listeners;
  Status ok = offer.open(media);
  if (ok) ok = offer.open(realms);
  if (ok) ok = offer.open(listeners);
  if (!ok) return std::unexpected(ok.error());
  auto keys = pki::open_keys(offer.fd_of(Kind::keys_fastpath), Kind::keys_fastpath, sealing_key_);
  if (!keys) return std::unexpected(keys.error());
  auto plan = media::Plan::build({realms, listeners, media, *keys}, ports, ++sequence_);
  if (!plan) return std::unexpected(plan.error());
  return std::shared_ptr<const media::Plan>(std::move(*plan));
}

void MediaControl::post(size_t worker, Order order) {
  if (parts()[worker] == nullptr) {
    if (early_.size() < kMostEarly) early_.emplace_back(worker, std::move(order));
    return;
  }
  parts_[worker]->post(std::move(order));
  crossing_.wake(static_cast<uint8_t>(worker));
}

void MediaControl::end_session(const link::SessionEnd& what) {
  if (what.worker < parts_.size()) post(what.worker, what);
}

void MediaControl::anchor(const link::Anchor& what) {
  for (size_t i = 0; i < parts_.size(); ++i) post(i, what);
}

void MediaControl::end_anchor(const link::AnchorEnd& what) {
  for (size_t i = 0; i < parts_.size(); ++i) post(i, what);
}

void MediaControl::tell_anchors() {
  for (size_t i = 0; i < parts_.size(); ++i) post(i, TellAnchors{});
}

Status MediaControl::take_front_ring(const link::FrontRing& message, std::span<Fd> fds) {
  if (message.worker >= parts_.size() || fds.size() != 3) {
    return fail("front", "a ring for worker " + std::to_string(message.worker) + " with " +
                             std::to_string(fds.size()) + " descriptors");
  }
  auto ring = media::FrontRing::attach(std::move(fds[0]), std::move(fds[1]), std::move(fds[2]));
  if (!ring) return std::unexpected(ring.error());
  post(message.worker, std::move(*ring));
  return {};
}

void MediaControl::read_reports(const std::function<void(const Report&)>& on_report,
                                const std::function<void(const link::AnchorHeld&)>& on_held) {
  Report report;
  for (const auto& part : parts_) {
    if (part == nullptr) continue;
    while (part->reports().pop(report)) on_report(report);
    if (!part->held().any()) continue;
    for (const link::AnchorHeld& held : part->held().take()) on_held(held);
  }
}

void MediaControl::settle_memory() {
  for (const auto& part : parts_) {
    if (part != nullptr) part->settle_memory();
  }
}

uint64_t MediaControl::session_count() const {
  uint64_t sum = 0;
  for (const auto& part : parts_) sum += part == nullptr ? 0 : part->session_count();
  return sum;
}

}  // namespace fedge::fastpath
