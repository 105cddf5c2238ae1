#include "dataplane/signal/send_queue.h"

#include <algorithm>

namespace fedge::signal {

bool SendQueue::append(BufferPool& pool, Bytes bytes) {
  const size_t room = tail_ == nullptr ? 0 : tail_->room().size();
  if (bytes.size() > room) {
    const size_t more = (bytes.size() - room + pool.capacity() - 1) / pool.capacity();
    if (more > pool.available()) return false;
  }
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (tail_ == nullptr || tail_->room().empty()) {
      Buffer* buffer = pool.take();
      (tail_ == nullptr ? head_ : tail_->next) = buffer;
      tail_ = buffer;
    }
    const size_t n = std::min(bytes.size(), tail_->room().size());
    std::memcpy(tail_->room().data(), bytes.data(), n);
    tail_->end += static_cast<uint32_t>(n);
    bytes = bytes.subspan(n);
  }
  return true;
}

void SendQueue::consume(BufferPool& pool, size_t n) {
  size_ -= n;
  head_->begin += static_cast<uint32_t>(n);
  if (head_->begin != head_->end) return;
  Buffer* done = head_;
  head_ = done->next;
  if (head_ == nullptr) tail_ = nullptr;
  pool.give(done);
}

void SendQueue::clear(BufferPool& pool) {
  while (head_ != nullptr) consume(pool, head_->filled().size());
}

}  // namespace fedge::signal
