#include "dataplane/fastpath/crossing.h"

#include <rte_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <string>

namespace fedge::fastpath {

Result<std::unique_ptr<Crossing>> Crossing::make(uint8_t workers) {
  auto out = std::make_unique<Crossing>();
  const ssize_t size = ::rte_ring_get_memsize(kRoom);
  for (uint8_t i = 0; i < workers; ++i) {
    auto side = std::make_unique<Side>();
    const size_t room = static_cast<size_t>(size) + RTE_CACHE_LINE_SIZE;
    side->memory = std::make_unique<std::byte[]>(room);
    const uintptr_t at = reinterpret_cast<uintptr_t>(side->memory.get());
    const uintptr_t aligned = (at + RTE_CACHE_LINE_SIZE - 1) & ~uintptr_t{RTE_CACHE_LINE_SIZE - 1};
    side->ring = reinterpret_cast<rte_ring*>(aligned);
    const std::string name = "crossing" + std::to_string(i);
    if (::rte_ring_init(side->ring, name.c_str(), kRoom, RING_F_SC_DEQ) != 0) {
      return fail("fastpath", "cannot make the rings between workers");
    }
    side->wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!side->wake) return fail_errno("fastpath", "cannot make the workers' events");
    out->sides_.push_back(std::move(side));
  }
  return out;
}

unsigned Crossing::send(uint8_t to, std::span<rte_mbuf* const> frames) {
  Side& side = *sides_[to];
  const unsigned taken = ::rte_ring_enqueue_burst(
      side.ring, reinterpret_cast<void* const*>(const_cast<rte_mbuf* const*>(frames.data())),
      static_cast<unsigned>(frames.size()), nullptr);
  if (taken != 0) wake_sleeper(side);
  return taken;
}

unsigned Crossing::take(uint8_t worker, std::span<rte_mbuf*> frames) {
  return ::rte_ring_dequeue_burst(sides_[worker]->ring, reinterpret_cast<void**>(frames.data()),
                                  static_cast<unsigned>(frames.size()), nullptr);
}

void Crossing::wake(uint8_t worker) {
  Side& side = *sides_[worker];
  side.called.store(true, std::memory_order_release);
  wake_sleeper(side);
}

// The fence pairs with that of may_sleep(): either the sleeper sees what was laid down, or it is
// seen to sleep.
void Crossing::wake_sleeper(Side& side) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!side.sleeps.load(std::memory_order_relaxed) || !side.sleeps.exchange(false)) return;
  const uint64_t one = 1;
  (void)!::write(side.wake.get(), &one, sizeof one);
}

bool Crossing::may_sleep(uint8_t worker) {
  Side& side = *sides_[worker];
  side.sleeps.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return !side.called.load(std::memory_order_relaxed) && ::rte_ring_empty(side.ring) != 0;
}

void Crossing::woke(uint8_t worker) {
  Side& side = *sides_[worker];
  side.sleeps.store(false, std::memory_order_relaxed);
  // What the caller wrote before is seen from here on.
  (void)side.called.exchange(false, std::memory_order_acq_rel);
}

}  // namespace fedge::fastpath
