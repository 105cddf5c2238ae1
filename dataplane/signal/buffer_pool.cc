#include "dataplane/signal/buffer_pool.h"

#include <sys/mman.h>

#include <new>

namespace fedge::signal {

namespace {
constexpr size_t kLine = 64;
}

BufferPool::BufferPool(uint32_t capacity, uint32_t count) {
  stride_ = (sizeof(Buffer) + capacity + kLine - 1) / kLine * kLine;
  capacity_ = static_cast<uint32_t>(stride_ - sizeof(Buffer));
  if (count == 0) return;
  void* p = ::mmap(nullptr, stride_ * count, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return;
  memory_ = static_cast<std::byte*>(p);
  count_ = allowed_ = count;
}

BufferPool::~BufferPool() {
  if (memory_ != nullptr) ::munmap(memory_, stride_ * count_);
}

Buffer* BufferPool::take() {
  if (available() == 0) return nullptr;
  ++in_use_;
  Buffer* buffer = free_;
  if (buffer != nullptr) {
    free_ = buffer->next;
  } else {
    buffer = new (memory_ + stride_ * fresh_++) Buffer;
  }
  *buffer = {.next = nullptr, .begin = 0, .end = 0, .capacity = capacity_};
  return buffer;
}

void BufferPool::give(Buffer* buffer) {
  buffer->next = free_;
  free_ = buffer;
  --in_use_;
}

}  // namespace fedge::signal
