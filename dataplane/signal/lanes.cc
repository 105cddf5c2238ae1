#include "dataplane/signal/lanes.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace fedge::signal {

namespace {

// Messages that one ring holds at least, if they are as long as they may be.
constexpr size_t kLongestMessages = 8;
constexpr size_t kHeads = 4096;

// What a message leaves free: half of the ring for answers, some for what must not be lost.
size_t reserve_of(Crossing::Kind kind, size_t capacity) {
  if (kind == Crossing::Kind::to_next_hop) return capacity / 2;
  if (kind <= Crossing::Kind::response) return capacity / 16;
  return 0;
}

}  // namespace

Exchange::Exchange(uint32_t workers, size_t most_message)
    : workers_(workers),
      capacity_(std::bit_ceil(kLongestMessages * (most_message + kHeads))),
      rings_(size_t{workers} * workers) {
  if (workers == 1) return;
  for (uint32_t i = 0; i < rings_.size(); ++i) {
    if (i / workers != i % workers) rings_[i] = std::make_unique<Ring>(capacity_);
  }
  for (uint32_t i = 0; i < workers; ++i) {
    bells_.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!bells_.back()) std::abort();  // at start only: out of descriptors
  }
}

uint32_t Exchange::longest_message() const {
  if (workers_ == 1) return UINT32_MAX;
  return static_cast<uint32_t>(std::min<size_t>(capacity_ / 4, UINT32_MAX));
}

Lanes::Lanes(Loop& loop, Exchange& exchange, uint32_t worker, CrossingEvents& events)
    : loop_(loop), exchange_(exchange), worker_(worker), events_(events) {
  if (exchange.workers() == 1) return;
  lanes_.resize(exchange.workers());
  for (uint32_t to = 0; to < lanes_.size(); ++to) {
    if (to != worker) lanes_[to].ring = &exchange.ring(worker, to);
  }
  if (!loop_.watch(exchange.bell(worker).get(), EPOLLIN, *this)) std::abort();
}

Lanes::~Lanes() {
  if (!lanes_.empty()) loop_.unwatch(exchange_.bell(worker_).get(), *this);
}

bool Lanes::send(uint32_t to, const Crossing& crossing, Bytes body) {
  Lane& lane = lanes_[to];
  const Bytes head{reinterpret_cast<const std::byte*>(&crossing), sizeof crossing};
  const size_t reserve = reserve_of(crossing.kind, exchange_.capacity());
  lane.used = true;
  if (lane.waiting.empty() && lane.ring->push(head, body, reserve)) return true;
  if (crossing.kind <= Crossing::Kind::response) return false;
  lane.waiting.emplace_back(std::string(as_text(head)).append(as_text(body)));
  return true;
}

void Lanes::send_waiting(Lane& lane) {
  while (!lane.waiting.empty() && lane.ring->push(as_bytes(lane.waiting.front()), {})) {
    lane.waiting.pop_front();
    lane.used = true;
  }
}

void Lanes::ring_bells() {
  for (uint32_t to = 0; to < lanes_.size(); ++to) {
    Lane& lane = lanes_[to];
    if (!lane.waiting.empty()) send_waiting(lane);
    if (!lane.used) continue;
    lane.used = false;
    const uint64_t one = 1;
    (void)!::write(exchange_.bell(to).get(), &one, sizeof one);
  }
}

void Lanes::on_ready(uint32_t) {
  uint64_t count = 0;
  (void)!::read(exchange_.bell(worker_).get(), &count, sizeof count);
  for (uint32_t from = 0; from < lanes_.size(); ++from) {
    if (from == worker_) continue;
    Ring& ring = exchange_.ring(from, worker_);
    // What comes in meanwhile has its own bell.
    const uint64_t mark = ring.mark();
    for (Bytes record = ring.front(mark); !record.empty(); record = ring.front(mark)) {
      Crossing crossing;
      std::memcpy(&crossing, record.data(), sizeof crossing);
      events_.on_crossing(from, crossing, record.subspan(sizeof crossing));
      ring.pop();
    }
  }
}

}  // namespace fedge::signal
