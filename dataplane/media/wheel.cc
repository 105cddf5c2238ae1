#include "dataplane/media/wheel.h"

#include <algorithm>

namespace fedge::media {

Wheel::Wheel(uint32_t capacity) : spokes_(kSpokes), links_(capacity), ticks_(capacity) {}

void Wheel::set(uint32_t item, int64_t at) {
  remove(item);
  // The tick in which it is over; what is over already is found in the one that is looked at.
  const int64_t tick = std::clamp(at / kTick + 1, tick_, tick_ + static_cast<int64_t>(kSpokes) - 1);
  const uint32_t spoke = spoke_of(tick);
  const uint32_t first = spokes_[spoke];
  links_[item] = {first, (spoke + 1) | kSpoke};
  ticks_[item] = static_cast<uint32_t>(tick);
  if (first != 0) links_[first - 1].before = item + 1;
  spokes_[spoke] = item + 1;
}

void Wheel::remove(uint32_t item) {
  Link& link = links_[item];
  if (link.before == 0) return;
  if ((link.before & kSpoke) != 0) {
    spokes_[(link.before & ~kSpoke) - 1] = link.next;
  } else {
    links_[link.before - 1].next = link.next;
  }
  if (link.next != 0) links_[link.next - 1].before = link.before;
  link = {};
}

int64_t Wheel::when(uint32_t item) const {
  return links_[item].before == 0 ? 0 : int64_t{ticks_[item]} * kTick;
}

uint32_t Wheel::take(int64_t now) {
  const int64_t last = now / kTick;
  // A clock that jumped, or the first call: one turn visits every spoke.
  if (last - tick_ >= static_cast<int64_t>(kSpokes)) tick_ = last - kSpokes + 1;
  for (; tick_ <= last; ++tick_) {
    const uint32_t item = spokes_[spoke_of(tick_)];
    if (item == 0) continue;
    remove(item - 1);
    return item - 1;
  }
  return kNone;
}

}  // namespace fedge::media
