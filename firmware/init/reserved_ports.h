// Ports that the kernel must not pick for connections of its own, because they are the fast path's.
#pragma once

#include <string>

#include "firmware/snapshot/reader.h"

namespace fedge::init {

// As ip_local_reserved_ports takes them: UDP listeners and media pools. Null: no such section.
std::string reserved_ports(const snapshot::Section<snapshot::Listeners>* listeners,
                           const snapshot::Section<snapshot::Media>* media);

}  // namespace fedge::init
