// Things of the control path handed from one thread to another: asked for now and then, so they may
// lock and allocate. Looking whether there is anything costs one load.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace fedge::fastpath {

template <class T>
class Handover {
 public:
  void post(T what) {
    const std::scoped_lock lock(mutex_);
    waiting_.push_back(std::move(what));
    any_.store(true, std::memory_order_release);
  }
  bool any() const { return any_.load(std::memory_order_acquire); }
  // In the order in which they were posted.
  std::vector<T> take() {
    const std::scoped_lock lock(mutex_);
    any_.store(false, std::memory_order_release);
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<T> waiting_;
  std::atomic<bool> any_{false};
};

}  // namespace fedge::fastpath
