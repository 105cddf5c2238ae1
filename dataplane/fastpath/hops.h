// One worker's next hops: the neighbours that its packets go to, by the routes of the plan and the
// mirrored neighbours. Everything here is the worker's own; the mirror is read without locks.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "dataplane/fastpath/mirror.h"
#include "dataplane/fastpath/reports.h"
#include "dataplane/fastpath/routes.h"
#include "dataplane/media/next_hops.h"
#include "firmware/base/time.h"

namespace fedge::fastpath {

// Numbers are given once: records may hold old ones, which must not lead to somebody else.
// Untouched words cost no memory.
class MacWords {
 public:
  static constexpr uint32_t kMost = 1u << 22;
  MacWords() : words_(static_cast<media::MacWord*>(std::calloc(kMost, sizeof(media::MacWord)))) {}
  std::span<const media::MacWord> all() const { return {words_.get(), words_ ? kMost : 0}; }
  media::MacWord& operator[](uint32_t i) { return words_.get()[i]; }

 private:
  struct Free {
    void operator()(media::MacWord* words) const { std::free(words); }
  };
  std::unique_ptr<media::MacWord, Free> words_;
};

class Hops final : MacWords, public media::NextHops {
 public:
  static constexpr uint32_t kMost = 4'000;  // neighbours at once
  // Before a neighbour that does not answer is asked for again.
  static constexpr Duration kAgain = 1s;

  // Both outlive it. Neighbours to be looked for are reported.
  Hops(const Mirror& mirror, Reports& reports);

  // From now on; what was resolved by other routes does not hold any more.
  void use(const RouteTable* routes);
  // Once a round: takes over what the mirror has learned.
  void refresh(Instant now) {
    now_ = now;
    if (seen_ != mirror_.epoch()) [[unlikely]]
      look_up_all();
  }

  media::NextHopIndex resolve(uint16_t realm, const IpAddress& address) override;

 private:
  static constexpr uint32_t kPlaces = 8192;  // of open addressing, a power of two
  struct Entry {
    IpAddress address;
    uint16_t realm = 0;
    uint32_t number = 0;
    Instant wanted{};  // when it was last asked for
  };
  void clear();
  void look_up_all();
  bool look_up(const Entry& entry);
  void want(Entry& entry);
  Entry& add(uint16_t realm, const IpAddress& address);
  uint32_t find_place(uint16_t realm, const IpAddress& address) const;

  const Mirror& mirror_;
  Reports& reports_;
  const RouteTable* routes_ = nullptr;
  uint32_t epoch_ = 0;  // of the routes
  uint64_t seen_ = 0;   // the mirror's epoch
  Instant now_{};
  uint32_t next_number_ = 0;
  std::vector<Entry> entries_;
  std::vector<uint16_t> places_;  // entry + 1; 0: none
};

}  // namespace fedge::fastpath
