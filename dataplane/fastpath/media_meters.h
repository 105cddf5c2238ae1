// What media counts, as series of the fast path's counter page.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/media/counts.h"
#include "dataplane/media/turn_server.h"
#include "firmware/base/counters.h"

namespace fedge::fastpath {

class Tally;

struct MediaMeters {
  struct Flow {
    uint32_t packets = 0;
    uint32_t bytes = 0;
  };
  std::array<std::array<Flow, 2>, media::kSessionKinds> flows{};  // from the client, to it
  std::array<uint32_t, media::kReasonCount> dropped{};
  std::array<uint32_t, media::kEndCauses> ended{};
  uint32_t requests = 0;
  uint32_t answers = 0;
  uint32_t inside = 0;
  uint32_t rechecked = 0;
  uint32_t allocations = 0;
  uint32_t limited = 0;
  static constexpr std::array<uint16_t, 21> kCodes{300, 400, 401, 403, 405, 420, 430,
                                                   431, 432, 434, 435, 436, 437, 438,
                                                   440, 441, 442, 443, 446, 447, 486};
  std::array<uint32_t, kCodes.size()> refused{};  // by kCodes
  uint32_t no_room = 0;                           // 508
  uint32_t sessions = 0;                          // a gauge

  static MediaMeters make(Counters& counters);
  void write(Tally& tally, const media::StationCounts& station,
             const media::TurnCounts& turn) const;
};

}  // namespace fedge::fastpath
