#include "firmware/base/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace fedge {

Mailbox::Mailbox(Loop& loop) : loop_(loop), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // At start only: out of descriptors.
  if (!event_ || !loop_.watch(event_.get(), EPOLLIN, *this)) std::abort();
}

Mailbox::~Mailbox() { loop_.unwatch(event_.get(), *this); }

void Mailbox::post(Work work) {
  bool was_empty = false;
  {
    const std::scoped_lock lock(mutex_);
    was_empty = waiting_.empty();
    waiting_.push_back(std::move(work));
  }
  if (!was_empty) return;
  const uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);
}

void Mailbox::on_ready(uint32_t) {
  uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
  std::vector<Work> work;
  {
    const std::scoped_lock lock(mutex_);
    work.swap(waiting_);
  }
  for (Work& item : work) item();
}

}  // namespace fedge
