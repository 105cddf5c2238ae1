// DPDK's environment, started inside this process with arguments of ours, not the operator's.
#pragma once

#include <span>
#include <string>

#include "firmware/base/result.h"

namespace fedge::fastpath {

// `pci`: addresses of the PCI ports to take; without any the PCI bus is left alone. Uses
// hugepages when the machine has some, ordinary memory otherwise (64 MB reserved, used as needed).
// Threads started later may run on every processor that this process may.
Status start_eal(const std::string& instance, std::span<const std::string> pci, unsigned megabytes);

}  // namespace fedge::fastpath
