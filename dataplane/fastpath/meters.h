// What the fast path counts, as series of its counter page.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/admission/tables.h"
#include "dataplane/admission/verdict.h"
#include "firmware/base/counters.h"

namespace fedge::fastpath {

// Losses that are not the packet's fault.
enum class Loss : uint8_t {
  no_tap,         // the realm's tap is not here (yet)
  tap_full,       // the kernel does not take the frame
  tap_down,       // the tap is down or gone
  transmit_full,  // the port took nothing for a long time
  above_mtu,      // the kernel sent more than the realm's MTU
  crossing_full,  // the worker that it belongs to is behind
  front_full,     // so is front, or it is not there
};
inline constexpr int kLossCount = static_cast<int>(Loss::front_full) + 1;
std::string_view text(Loss loss);

enum class Direction : uint8_t { in, out };

struct RealmMeters {
  std::array<std::array<uint32_t, admission::kClassCount>, 2> packets{};  // by Direction
  std::array<uint32_t, 2> bytes{};
  std::array<uint32_t, 2> dropped{};
  std::array<uint32_t, admission::kPeerClassCount> peers{};
  uint32_t neighbours = 0;
  uint32_t routes = 0;
};

struct PortMeters {
  uint32_t received = 0;
  uint32_t sent = 0;
  uint32_t back_pressure = 0;  // rounds in which the port took less than there was
  // As PortLosses.
  uint32_t missed = 0;
  uint32_t no_buffer = 0;
  uint32_t damaged = 0;
  uint32_t not_sent = 0;
};

// Indices of series; made off the path, in the order below, so names never change their place.
struct Meters {
  std::array<uint32_t, admission::kReasonCount> drops{};
  std::array<uint32_t, kLossCount> losses{};
  std::vector<PortMeters> ports;
  std::vector<RealmMeters> realms;
  std::vector<uint32_t> received;  // by worker
  uint32_t rounds = 0;
  uint32_t sleeps = 0;
  uint32_t crossed = 0;  // frames handed to another worker
  uint32_t generation = 0;
  uint32_t revision = 0;
  uint32_t peers = 0;
  uint32_t peers_not_kept = 0;
  uint32_t neighbours_not_kept = 0;
  uint32_t frames_in_use = 0;  // buffers of both pools that are not free
  uint32_t large_in_use = 0;

  static Meters make(Counters& counters, size_t workers, std::span<const admission::BoxPort> ports,
                     std::span<const admission::RealmEntry> realms);
};

}  // namespace fedge::fastpath
