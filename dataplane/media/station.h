// Media of one worker: everything behind "is this frame ours?". The edge hands in frames and
// framed messages in bursts and does what each Packet's fate says. Nothing here allocates, locks,
// logs or looks at a clock.
#pragma once

#include <memory>
#include <span>

#include "dataplane/media/next_hops.h"
#include "dataplane/media/packet.h"
#include "dataplane/media/records.h"
#include "firmware/base/time.h"

namespace fedge::media {

class Plan;      // plan.h
class Sessions;  // sessions.h

struct StationCounts;  // counts.h: plain numbers of this worker, for the edge's counter page

class Station {
 public:
  // `worker` of `workers`: the owner of a relay port is (port >> 1) % workers, of a client
  // hash(client address and port) % workers. All arguments outlive the station.
  Station(Sessions& sessions, NextHops& next_hops, uint8_t worker, uint8_t workers);
  ~Station();

  // From now on; the old plan is not used any more when this returns.
  void adopt(const Plan* plan, Instant now);

  // Frames of ports, at most 32. Sets each one's fate. With Fate::hand_over the frame is as it
  // came, and the worker named takes it with process() as well.
  void process(std::span<Packet> burst, Instant now);
  // Ends what is due. Called every few milliseconds; bounded work.
  void tick(Instant now);

  const StationCounts& counts() const;
};

}  // namespace fedge::media
