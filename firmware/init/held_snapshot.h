// The snapshot that the box runs, as init holds it: sealed descriptors it does not interpret
// (but for realms and management). From control's offer, or at boot from control's folder.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "firmware/base/fd.h"
#include "firmware/link/messages.h"

namespace fedge::init {

struct HeldSection {
  snapshot::Kind kind{};
  std::array<uint64_t, 2> checksum{};
  Fd fd;
};

struct HeldSnapshot {
  uint64_t generation = 0;  // 0: there is none yet
  uint64_t revision = 0;
  std::vector<HeldSection> sections;

  // -1 when there is no such section.
  int find(snapshot::Kind kind) const;
  // The same generation with the same sections.
  bool same_as(const HeldSnapshot& other) const;
};

// Checks every descriptor (sealed, envelope, the checksum that was announced); one that fails
// refuses the offer whole.
Result<HeldSnapshot> take_offer(const link::SnapshotOffer& offer, std::vector<Fd>& fds);

// The message and its descriptors for a process that is given `kinds`; what the snapshot does not
// have is left out. The descriptors stay the snapshot's.
struct Offer {
  link::SnapshotOffer message;
  std::vector<int> fds;
};
Offer make_offer(const HeldSnapshot& snapshot, std::span<const snapshot::Kind> kinds);

// The last good generation of control's folder: the one `current` names, or, when that is damaged,
// the newest other one that is whole. A snapshot of generation 0 when nothing was ever stored.
// Fails when something was stored and nothing of it is whole. What is skipped is logged.
Result<HeldSnapshot> load_last_good(const std::string& control_folder);

}  // namespace fedge::init
