// What one worker has to tell the fast path about anchored streams (M4). Noting it is cheap and
// bounded, in the middle of a message; it goes out at the end of the round, in order.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "dataplane/sip/outbound.h"
#include "firmware/base/counters.h"
#include "firmware/link/channel.h"

namespace fedge::signal {

class AnchorNews {
 public:
  // `realm_name`: of the generation in use.
  using RealmName = std::function<std::string_view(uint16_t realm)>;
  AnchorNews(RealmName realm_name, Counters& counters);

  // False: it cannot be told, for there is too much to tell.
  bool note(const sip::AnchorUpdate& update);
  // Is taken when nothing else is.
  void note_end(uint64_t call);
  bool empty() const { return count_ == 0; }
  // As much as the link takes; null: there is none.
  void flush(link::Channel* link);

 private:
  // Calls that end while the fast path is not there to hear it end there by silence.
  static constexpr size_t kMost = 1024;
  static constexpr size_t kMostUpdates = kMost * 3 / 4;
  static constexpr size_t kMostQueued = 256;  // well below what would close the link
  struct Record {
    sip::AnchorUpdate update;  // id 0: the end of the call
    std::array<char, 48> call_id;
    uint8_t call_id_size = 0;
    // A publish may renumber realms before it goes out.
    std::array<std::array<char, 16>, 2> realms;
  };
  Record* take(size_t most);
  link::Anchor message_of(const Record& record) const;

  RealmName realm_name_;
  Counters& counters_;
  uint32_t untold_;  // series
  size_t first_ = 0;
  size_t count_ = 0;
  std::array<Record, kMost> records_;
};

}  // namespace fedge::signal
