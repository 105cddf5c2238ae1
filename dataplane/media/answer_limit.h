// What strangers get: answers to requests that prove nothing may not be turned into a flood on
// whoever stands in the source address. So they are hardly larger than the request, remember
// nothing, and are counted by the source's prefix.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/media/address.h"
#include "firmware/base/time.h"

namespace fedge::media {

// So many octets of UDP payload may answer so many: no more than half as much again, both measured
// as Ethernet frames. (By payload alone no 401 with a realm and a nonce fits the shortest Allocate,
// and that is what most clients begin with.)
constexpr size_t largest_answer(size_t request, bool is_v4) {
  const size_t headers = 14 + (is_v4 ? 20u : 40u) + 8 + 4;  // Ethernet, IP, UDP, check sequence
  return (request + headers) * 3 / 2 - headers;
}

// Answers to strangers by the first 24 bits of an IPv4 address, 48 of an IPv6 address, in a fixed
// table: prefixes that fall together share.
class AnswerLimit {
 public:
  struct Rate {
    uint32_t at_once = 2000;
    uint32_t per_second = 1000;
  };
  // `seed`: random, so that nobody chooses with whom to share.
  AnswerLimit(uint64_t seed, Rate rate);

  // False: no answer now.
  bool take(const Address& client, Instant now);
  // The client has proved itself since: its first request was no stranger's.
  void give_back(const Address& client);

 private:
  static constexpr size_t kPlaces = 4096;
  int64_t& place(const Address& client);

  uint64_t seed_;
  int64_t each_;     // nanoseconds
  int64_t at_once_;  // times each_
  // When all that was taken will have come back.
  std::unique_ptr<std::array<int64_t, kPlaces>> full_;
};

}  // namespace fedge::media
