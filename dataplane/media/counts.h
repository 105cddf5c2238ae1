// What media of one worker counted: plain numbers, for the edge's counter page.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/media/packet.h"
#include "dataplane/media/records.h"

namespace fedge::media {

struct StationCounts {
  struct Flow {
    uint64_t packets = 0;
    uint64_t bytes = 0;  // of what was relayed, without TURN around it
  };
  std::array<Flow, kSessionKinds> from_client{};  // by SessionKind; of calls from the caller
  std::array<Flow, kSessionKinds> to_client{};
  std::array<uint64_t, kReasonCount> dropped{};
  std::array<uint64_t, 7> ended{};  // by EndCause
  uint64_t requests = 0;            // messages that the TURN server saw
  uint64_t answers = 0;
  uint64_t handed_over = 0;
  uint64_t inside = 0;     // relayed from one of our relay ports to another
  uint64_t rechecked = 0;  // sessions and peers looked at again after a publish
};

// Of a worker's TURN or MS-TURN server.
struct TurnCounts {
  uint64_t bindings = 0;
  uint64_t allocations = 0;  // made
  uint64_t moves = 0;        // RFC 8016
  uint64_t limited = 0;      // not answered: too many of strangers of one prefix
  // Answers by what they say: [code - 300] of the errors, all successes.
  uint64_t successes = 0;
  std::array<uint64_t, 300> errors{};

  TurnCounts& operator+=(const TurnCounts& other) {
    bindings += other.bindings;
    allocations += other.allocations;
    moves += other.moves;
    limited += other.limited;
    successes += other.successes;
    for (size_t i = 0; i < errors.size(); ++i) errors[i] += other.errors[i];
    return *this;
  }
};

}  // namespace fedge::media
