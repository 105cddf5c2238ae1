// The rings to the workers of the fast path: made anew each time that it starts.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "dataplane/media/front_ring.h"
#include "firmware/base/loop.h"

namespace fedge::front {

class WorkerRings {
 public:
  static constexpr uint16_t kMost = 8;
  // A record of a worker; `octets` for the time of the call.
  using OnRecord =
      std::function<void(uint8_t worker, const media::FrontRecord& record, Bytes octets)>;

  WorkerRings(Loop& loop, OnRecord on_record) : loop_(loop), on_record_(std::move(on_record)) {}
  ~WorkerRings() { close(); }

  // Makes `count` rings in the place of those that are there.
  Status make(uint16_t count);
  // Makes one anew: its memory was damaged.
  Status make_again(uint8_t worker);
  void close();
  // 0: the fast path is not there.
  uint8_t count() const { return static_cast<uint8_t>(rings_.size()); }
  std::array<int, 3> fds(uint8_t worker) const { return rings_[worker]->ring.fds(); }
  bool broken(uint8_t worker) const { return rings_[worker]->ring.broken(); }

  // False when there is no room, or no fast path.
  template <class Record>
  bool push(uint8_t worker, const Record& record, Bytes octets = {}) {
    return worker < rings_.size() && rings_[worker]->ring.out().push(record, octets);
  }
  // When a round ends.
  void wake();

 private:
  struct Ring final : Watcher {
    Ring(WorkerRings& owner, uint8_t number, media::FrontRing made)
        : rings(owner), worker(number), ring(std::move(made)) {}
    void on_ready(uint32_t) override { rings.drain(*this); }
    WorkerRings& rings;
    const uint8_t worker;
    media::FrontRing ring;
  };
  Result<std::unique_ptr<Ring>> make_ring(uint8_t worker);
  void drain(Ring& ring);

  Loop& loop_;
  OnRecord on_record_;
  std::vector<std::unique_ptr<Ring>> rings_;
  std::array<std::byte, media::kMostFrontMessage> room_;
};

}  // namespace fedge::front
