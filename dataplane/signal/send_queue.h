// What waits to be sent on one connection, in order, in buffers of the worker's pool. An empty
// queue holds no buffer.
#pragma once

#include "dataplane/signal/buffer_pool.h"

namespace fedge::signal {

class SendQueue {
 public:
  SendQueue() = default;
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Copies all of `bytes`, or nothing when the pool has not enough.
  bool append(BufferPool& pool, Bytes bytes);
  // The first octets that lie together; empty when the queue is.
  Bytes front() { return head_ == nullptr ? Bytes{} : head_->filled(); }
  // Drops the first `n` octets, of front() at most.
  void consume(BufferPool& pool, size_t n);
  void clear(BufferPool& pool);

 private:
  Buffer* head_ = nullptr;
  Buffer* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fedge::signal
