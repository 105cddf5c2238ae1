// Counter pages: one process writes, others read while it runs. A page describes itself, so the
// reader needs no table of the writer's. Init makes the memory and keeps it across restarts.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "firmware/base/fd.h"
#include "firmware/base/time.h"

namespace fedge {

// Memory layout of a page; all of it is plain data at fixed offsets.
struct CounterPage {
  static constexpr uint32_t kMagic = 0x43454746;  // "FGEC"
  static constexpr uint32_t kMost = 1024;
  struct Series {
    char name[120];  // Prometheus text: fedge_x_total{label="value"}
    std::atomic<uint64_t> value;
  };
  uint32_t magic;
  std::atomic<uint32_t> count;         // series in use; grows only
  std::atomic<uint64_t> heartbeat_ns;  // monotonic time of the last sign of progress
  Series series[kMost];
};

// The writer's side. Counters keep their values over a restart when the name is the same.
class Counters {
 public:
  // Empty: counts into memory of its own (tests).
  Counters();
  explicit Counters(Mapping page);

  // The index of the series of that name, made if new. When the page is full every further name
  // shares the last series. Not on a packet's path.
  uint32_t series(std::string_view name);
  // Single writer: a relaxed load and store, no locked instruction.
  void add(uint32_t index, uint64_t n = 1) {
    auto& v = page_->series[index].value;
    v.store(v.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint32_t index, uint64_t n) {
    page_->series[index].value.store(n, std::memory_order_relaxed);
  }
  uint64_t value(uint32_t index) const {
    return page_->series[index].value.load(std::memory_order_relaxed);
  }
  // Any thread may look while the writer counts and adds series.
  uint32_t count() const;
  std::string_view name(uint32_t index) const;
  void beat(Instant now);

 private:
  Mapping page_memory_;
  CounterPage* page_;
};

// The reader's side: never trusts the page beyond its size.
class CountersView {
 public:
  CountersView() = default;
  explicit CountersView(Mapping page) : page_memory_(std::move(page)) {}
  uint32_t count() const;
  std::string_view name(uint32_t index) const;
  uint64_t value(uint32_t index) const;
  uint64_t heartbeat_ns() const;

 private:
  const CounterPage* page() const;
  Mapping page_memory_;
};

}  // namespace fedge
