#include "dataplane/front/worker_rings.h"

#include <unistd.h>

namespace fedge::front {

namespace {

// Records of one worker in one round of the loop; clients come in between.
constexpr int kRecordsPerRound = 512;

}  // namespace

Result<std::unique_ptr<WorkerRings::Ring>> WorkerRings::make_ring(uint8_t worker) {
  auto made = media::FrontRing::make(worker);
  if (!made) return std::unexpected(made.error());
  auto ring = std::make_unique<Ring>(*this, worker, std::move(*made));
  if (auto ok = loop_.watch(ring->ring.event(), EPOLLIN, *ring); !ok) {
    return std::unexpected(ok.error());
  }
  // From the first record on it is woken.
  (void)ring->ring.in().may_sleep();
  return ring;
}

Status WorkerRings::make(uint16_t count) {
  close();
  for (uint16_t i = 0; i < count; ++i) {
    auto ring = make_ring(static_cast<uint8_t>(i));
    if (!ring) {
      close();
      return std::unexpected(ring.error());
    }
    rings_.push_back(std::move(*ring));
  }
  return {};
}

Status WorkerRings::make_again(uint8_t worker) {
  auto ring = make_ring(worker);
  if (!ring) return std::unexpected(ring.error());
  loop_.unwatch(rings_[worker]->ring.event(), *rings_[worker]);
  rings_[worker] = std::move(*ring);
  return {};
}

void WorkerRings::close() {
  for (auto& ring : rings_) loop_.unwatch(ring->ring.event(), *ring);
  rings_.clear();
}

void WorkerRings::wake() {
  for (auto& ring : rings_) ring->ring.out().wake();
}

void WorkerRings::drain(Ring& ring) {
  ring.ring.in().on_woken();
  media::FrontRecord record;
  for (int i = 0; i < kRecordsPerRound; ++i) {
    if (!ring.ring.in().pop(record, room_)) {
      if (ring.ring.in().may_sleep()) return;
      continue;
    }
    on_record_(ring.worker, record, Bytes(room_).first(record.size));
  }
  // There may be more: another round.
  const uint64_t one = 1;
  (void)!::write(ring.ring.event(), &one, sizeof one);
}

}  // namespace fedge::front
