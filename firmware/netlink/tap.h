// Taps: kernel interfaces whose other side is a process. Multi-queue and persistent: they
// outlive every process that reads them, and one queue can be handed out after the other.
#pragma once

#include <string>

#include "firmware/base/fd.h"

namespace fedge::netlink {

// A new queue of the tap of that name in the calling thread's namespace; the tap is made when
// there is none. Frames without a header in front (IFF_NO_PI), checksums complete, at most one
// MTU long. Non-blocking. Fails when the name belongs to another kind of interface.
Result<Fd> open_tap_queue(const std::string& name);
// The queue takes no frames any more, but the tap keeps its carrier as long as it is open.
Status detach_queue(const Fd& queue);

}  // namespace fedge::netlink
