// Between workers: a ring for each, on which the others lay frames that belong to it, and what
// wakes it when it sleeps. Nobody waits for anybody: a full ring takes no more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "firmware/base/fd.h"
#include "firmware/base/result.h"

struct rte_mbuf;
struct rte_ring;

namespace fedge::fastpath {

inline constexpr uint8_t kMostWorkers = 8;

class Crossing {
 public:
  static constexpr unsigned kRoom = 4096;  // frames on the way to one worker

  static Result<std::unique_ptr<Crossing>> make(uint8_t workers);

  uint8_t workers() const { return static_cast<uint8_t>(sides_.size()); }
  // Any worker. How many of them were taken, the first ones.
  unsigned send(uint8_t to, std::span<rte_mbuf* const> frames);
  // Its own worker only.
  unsigned take(uint8_t worker, std::span<rte_mbuf*> frames);

  // Readable when the worker shall wake.
  int wake_fd(uint8_t worker) const { return sides_[worker]->wake.get(); }
  // Any thread: the worker goes round once more, whether it sleeps or is about to.
  void wake(uint8_t worker);
  // Its own worker, before it sleeps: false when there is work. woke() afterwards, in any case.
  bool may_sleep(uint8_t worker);
  void woke(uint8_t worker);

 private:
  struct Side {
    std::unique_ptr<std::byte[]> memory;
    rte_ring* ring = nullptr;
    Fd wake;
    std::atomic<bool> sleeps{false};
    std::atomic<bool> called{false};
  };
  void wake_sleeper(Side& side);

  std::vector<std::unique_ptr<Side>> sides_;
};

}  // namespace fedge::fastpath
