#include "dataplane/media/answer_limit.h"

#include <algorithm>

namespace fedge::media {

AnswerLimit::AnswerLimit(uint64_t seed, Rate rate)
    : seed_(seed | 1),
      each_(1'000'000'000 / std::max<uint32_t>(rate.per_second, 1)),
      at_once_(each_ * rate.at_once),
      full_(std::make_unique<std::array<int64_t, kPlaces>>()) {}

int64_t& AnswerLimit::place(const Address& client) {
  // In network order: the first 48 bits, or those in front of IPv4's last octet.
  uint64_t prefix =
      client.is_v4() ? client.words[1] & 0x00ffffffffffffff : client.words[0] & 0x0000ffffffffffff;
  prefix = (prefix ^ prefix >> 29) * seed_;
  return (*full_)[(prefix ^ prefix >> 32) * 0x9e3779b97f4a7c15u >> 52];
}

bool AnswerLimit::take(const Address& client, Instant now) {
  int64_t& full = place(client);
  const int64_t time = now.time_since_epoch().count();
  const int64_t begin = std::max(full, time);
  if (begin + each_ - time > at_once_) return false;
  full = begin + each_;
  return true;
}

void AnswerLimit::give_back(const Address& client) { place(client) -= each_; }

}  // namespace fedge::media
