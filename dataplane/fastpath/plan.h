// Everything a worker needs to know, immutable: the tables of one snapshot, the taps and the
// counters. The control thread builds a new plan aside and swaps one pointer.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/admission/tables.h"
#include "dataplane/fastpath/crossing.h"
#include "dataplane/fastpath/ledger.h"
#include "dataplane/fastpath/media_part.h"
#include "dataplane/fastpath/meters.h"
#include "dataplane/fastpath/routes.h"
#include "dataplane/media/plan.h"
#include "firmware/base/fd.h"

namespace fedge::fastpath {

// A tap's queues, one for each worker; null where it is not here.
using TapQueues = std::array<std::shared_ptr<const Fd>, kMostWorkers>;
// Taps by realm name; a plan shares the descriptors, so none closes under a worker.
using TapSet = std::map<std::string, TapQueues>;

struct RealmPath {
  uint16_t port = 0;
  uint16_t vlan = 0;
  uint16_t most_frame = 0;  // octets of an untagged frame within the realm's MTU
  TapQueues taps;

  // -1: not here.
  int tap(uint8_t worker) const { return taps[worker] ? taps[worker]->get() : -1; }
};

struct Plan {
  uint64_t sequence = 0;  // counts up with every plan
  uint64_t generation = 0;
  uint64_t revision = 0;
  bool answers = false;  // init waits to hear that this plan's snapshot runs
  std::shared_ptr<const admission::Tables> tables;
  std::shared_ptr<Ledger> ledger;
  Meters meters;
  MediaMeters media_meters;
  std::vector<RealmPath> realms;       // as in tables
  std::vector<uint16_t> realm_of_tap;  // by descriptor; kNoRealm for others
  std::shared_ptr<const RouteTable> routes;
  // Null while media has no memory for sessions.
  std::shared_ptr<const media::Plan> media;
  std::array<MediaPart*, kMostWorkers> media_parts{};
};

// `tables`, `ledger`, `sequence` and the numbers are set by the caller before.
void complete_plan(Plan& plan, std::span<const admission::BoxPort> ports, const TapSet& taps);

}  // namespace fedge::fastpath
