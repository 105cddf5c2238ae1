#include "firmware/wire/rtp/reception.h"

#include <algorithm>
#include <cmath>

namespace fedge::rtp {

namespace {

constexpr uint32_t kSequences = 1u << 16;

}  // namespace

void Reception::restart(uint16_t sequence) {
  base_sequence = sequence;
  max_sequence = sequence;
  bad_sequence = kSequences + 1;  // equal to no sequence number
  cycles = 0;
  received = 0;
}

// RFC 3550 A.1.
bool Reception::on_sequence(uint16_t sequence) {
  const auto step = static_cast<uint16_t>(sequence - max_sequence);
  if (probation > 0) {
    const bool is_next = step == 1;
    probation = is_next ? probation - 1 : kMinSequential - 1;
    max_sequence = sequence;
    if (probation > 0) return false;
    restart(sequence);
  } else if (step < kMostDropout) {
    if (sequence < max_sequence) cycles += kSequences;
    max_sequence = sequence;
  } else if (step <= kSequences - kMostMisorder) {
    // A large jump: believed when the next packet follows it.
    if (sequence != bad_sequence) {
      bad_sequence = (sequence + 1) & (kSequences - 1);
      return false;
    }
    restart(sequence);
  }
  ++received;
  return true;
}

bool Reception::on_packet(const Packet& packet, uint32_t arrival, uint32_t clock) {
  if (!has_source || packet.ssrc != ssrc) {
    *this = {};
    has_source = true;
    ssrc = packet.ssrc;
    restart(packet.sequence);
    max_sequence = static_cast<uint16_t>(packet.sequence - 1);
    probation = kMinSequential;
  }
  if (!on_sequence(packet.sequence)) return false;
  if (clock == 0 || clock > kFastestClock) return true;
  // A.8: differences wrap as the clock does.
  const uint32_t now_transit = arrival - packet.timestamp;
  if (has_transit) {
    const auto difference = static_cast<int32_t>(now_transit - transit);
    const uint32_t distance =
        difference < 0 ? 0u - static_cast<uint32_t>(difference) : static_cast<uint32_t>(difference);
    // Beyond a minute it is a clock that was set, not the network.
    if (distance < clock * 60) jitter_16 += distance - ((jitter_16 + 8) >> 4);
  }
  transit = now_transit;
  has_transit = true;
  return true;
}

uint32_t Reception::expected() const {
  return received == 0 ? 0 : highest_sequence() - base_sequence + 1;
}

uint16_t estimate_mos(uint32_t loss_per_mille, uint32_t jitter_ms, uint32_t delay_ms) {
  const double loss = std::min(loss_per_mille, 1000u) / 10.0;  // per cent
  const double delay = std::min(delay_ms + 2.0 * jitter_ms, 2000.0);
  const double late = delay > 177.3 ? 0.11 * (delay - 177.3) : 0.0;
  // G.113 appendix I for G.711 with concealment: Ie 0, Bpl 25.1.
  const double equipment = 95.0 * loss / (loss + 25.1);
  const double r = std::clamp(93.2 - 0.024 * delay - late - equipment, 0.0, 100.0);
  const double mos = 1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r);
  return static_cast<uint16_t>(std::lround(std::clamp(mos, 1.0, 4.5) * 100.0));
}

}  // namespace fedge::rtp
