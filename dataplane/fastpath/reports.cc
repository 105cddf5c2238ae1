#include "dataplane/fastpath/reports.h"

#include <unistd.h>

namespace fedge::fastpath {

bool Reports::push(const Report& report) {
  const uint32_t tail = tail_.load(std::memory_order_relaxed);
  if (tail - head_.load(std::memory_order_acquire) == kRoom) return false;
  reports_[tail % kRoom] = report;
  tail_.store(tail + 1, std::memory_order_release);
  wake();
  return true;
}

void Reports::wake() const {
  const uint64_t one = 1;
  (void)!::write(event_, &one, sizeof one);
}

bool Reports::pop(Report& report) {
  const uint32_t head = head_.load(std::memory_order_relaxed);
  if (head == tail_.load(std::memory_order_acquire)) return false;
  report = reports_[head % kRoom];
  head_.store(head + 1, std::memory_order_release);
  return true;
}

}  // namespace fedge::fastpath
