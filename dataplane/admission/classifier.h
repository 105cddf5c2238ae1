// The punt rule (DESIGN 1, "Why the kernel's TCP"): which frames may reach the kernel's TCP, and
// which of the kernel's may leave. A pure function of the frame and the tables.
#pragma once

#include "dataplane/admission/peers.h"
#include "dataplane/admission/tables.h"
#include "dataplane/admission/verdict.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::admission {

// A frame from the wire, received on port number `port`. Fills `view` as parse_frame() does.
Verdict classify_inbound(const Tables& tables, const Peers& peers, uint16_t port, Bytes frame,
                         ip::PacketView& view);

// A frame that the kernel sends through the tap of `realm`, untagged.
Verdict classify_outbound(const Tables& tables, const Peers& peers, uint16_t realm, Bytes frame,
                          ip::PacketView& view);

}  // namespace fedge::admission
