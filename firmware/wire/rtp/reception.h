// What one stream's headers tell about its way here: loss (RFC 3550 appendices A.1 and A.3),
// jitter (A.8), and an opinion score estimated from both. Plain data of fixed layout: it may stand
// in a session's record, written by one worker.
#pragma once

#include <cstdint>

#include "firmware/wire/rtp/packet.h"

namespace fedge::rtp {

struct Reception {
  uint32_t ssrc = 0;
  uint32_t cycles = 0;         // of the sequence number, shifted left by 16
  uint32_t base_sequence = 0;  // the first
  uint32_t bad_sequence = 0;   // expected next after a jump
  uint32_t received = 0;       // since base_sequence
  uint32_t probation = 0;      // packets in order until the source is believed
  uint32_t transit = 0;        // of the last packet, in the clock's units
  uint32_t jitter_16 = 0;      // sixteen times the jitter, in the clock's units
  uint16_t max_sequence = 0;
  bool has_source = false;
  bool has_transit = false;

  // `arrival` in the clock's units (any zero); 0 as `clock` when it is unknown: then jitter stays
  // as it is. True when the packet counts; false on probation, or far out of order.
  bool on_packet(const Packet& packet, uint32_t arrival, uint32_t clock);

  uint32_t highest_sequence() const { return cycles + max_sequence; }
  uint32_t expected() const;
  // Negative when more came than were sent: duplicates.
  int64_t lost() const { return int64_t{expected()} - int64_t{received}; }
  // In the clock's units.
  uint32_t jitter() const { return jitter_16 >> 4; }

 private:
  void restart(uint16_t sequence);
  bool on_sequence(uint16_t sequence);
};
static_assert(sizeof(Reception) == 36);

// Microseconds since any zero in a clock's units, as on_packet() takes them.
constexpr uint32_t to_clock_units(uint64_t microseconds, uint32_t clock) {
  return static_cast<uint32_t>(microseconds / 1'000'000 * clock +
                               microseconds % 1'000'000 * clock / 1'000'000);
}

// Hundredths of a mean opinion score, 100 to 450: the E-model (ITU-T G.107) for G.711 with loss
// concealment, delay from twice the jitter and `delay_ms`. An estimate, for trends.
uint16_t estimate_mos(uint32_t loss_per_mille, uint32_t jitter_ms, uint32_t delay_ms);

}  // namespace fedge::rtp
