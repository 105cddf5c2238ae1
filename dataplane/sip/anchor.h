// One anchored call (M4) as our Record-Route carries it, so that nothing about it has to be
// remembered: after a restart, or in another worker, a request inside the dialog brings it back.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "dataplane/sip/route_mac.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// Streams (m= lines) of one call, and so pairs of ports on each side: 1, 2, 4 or 8.
inline constexpr uint32_t kMostStreams = 8;

// Our ports on one side.
struct AnchorEnd {
  uint32_t address = 0;  // AnchorPorts: a hash of realm and address
  uint16_t port = 0;     // of the first stream, even
  friend bool operator==(const AnchorEnd&, const AnchorEnd&) = default;
};

// Streams lie in a run of pairs that begins at a multiple of their number, the first one anywhere
// in it and the others behind, around the end: so the first streams, which most media is, are
// spread over all workers of the fast path. Even; RTCP has the odd port behind it.
constexpr uint16_t port_of_stream(uint16_t first_port, uint32_t streams, uint32_t stream) {
  const uint32_t first = first_port / 2u;
  return static_cast<uint16_t>(2 * (first - first % streams + (first + stream) % streams));
}

struct AnchorRef {
  uint64_t id = 0;  // a multiple of kMostStreams; stream i is id + i to the fast path. 0: none
  uint32_t caller_tag = 0;  // hash of the tag of whoever sent the INVITE
  uint8_t streams = 0;
  std::array<AnchorEnd, 2> ends;  // the caller's side, the callee's
  friend bool operator==(const AnchorRef&, const AnchorRef&) = default;
};

// Parameter of our Record-Route: the reference in hexadecimal, then a RouteMac over it and the
// Call-ID. Nobody can make one up that leads to another call's ports.
inline constexpr std::string_view kAnchorParameter = "ma";
inline constexpr size_t kAnchorDigits = 16 + 8 + 2 * 12 + 1;
inline constexpr size_t kAnchorTextSize = kAnchorDigits + kRouteMacSize;
using AnchorText = std::array<char, kAnchorTextSize>;

std::string_view write_anchor(const AnchorRef& anchor, std::string_view call_id, RouteMac& mac,
                              AnchorText& out);
// Nothing when the text is not ours, or another call's.
std::optional<AnchorRef> read_anchor(std::string_view text, std::string_view call_id,
                                     RouteMac& mac);
// The first that a Record-Route or Route header of a message carries, whosever URI it stands in:
// the MAC tells ours.
std::optional<AnchorRef> find_anchor(const Message& message, HeaderId header, RouteMac& mac);

uint32_t hash_of_tag(std::string_view tag);

}  // namespace fedge::sip
