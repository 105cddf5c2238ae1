// The counters of all workers in the process's one page: each counts for itself, and now and then
// the control thread writes the sums. What counts up goes on from where the page stood.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "firmware/base/counters.h"

namespace fedge::fastpath {

// One worker's numbers, by the indices of the page's series. One writer, any readers.
class Tally {
 public:
  void add(uint32_t index, uint64_t n = 1) {
    auto& value = values_[index];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint32_t index, uint64_t n) { values_[index].store(n, std::memory_order_relaxed); }
  uint64_t value(uint32_t index) const { return values_[index].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, CounterPage::kMost> values_{};
};

class Ledger {
 public:
  Ledger(Counters page, size_t workers);

  Counters& page() { return page_; }
  size_t workers() const { return tallies_.size(); }
  Tally& tally(size_t worker) { return *tallies_[worker]; }
  // Control thread: the workers' sums to the page. Series that no worker counts stay as they are.
  void publish();

 private:
  Counters page_;
  std::vector<uint64_t> bases_;  // what the page said at first
  std::vector<std::unique_ptr<Tally>> tallies_;
};

}  // namespace fedge::fastpath
