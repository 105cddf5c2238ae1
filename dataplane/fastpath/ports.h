// The ports of the box as DPDK devices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firmware/base/result.h"
#include "firmware/wire/ip/packet.h"

struct rte_mempool;

namespace fedge::fastpath {

// The largest frame a port takes or gives, Ethernet header and tag included.
// What the slots of an AF_PACKET ring leave, too.
inline constexpr uint16_t kMostFrame = 2000;
inline constexpr uint16_t kMostMtu = kMostFrame - ip::kEthernetSize - ip::kVlanSize;

struct PortSpec {
  std::string name;       // the board's: "port0"
  std::string interface;  // of the kernel ("e1-out"), or a PCI address ("0000:03:00.0")
  std::string mac{};      // of a PCI port: what the realm's tap goes by, so it must be the NIC's
  bool is_pci() const;
};

struct Port {
  std::string name;
  std::string interface;
  std::string driver;  // "net_af_xdp", "net_af_packet" or that of the PCI device
  uint16_t id = 0;     // DPDK's number
  ip::Mac mac{};
  // Of each queue: readable when frames wait; -1 where the driver can only be asked.
  std::vector<int> wake_fds;
};

// What never came to a worker, and what a driver could not send, since the port was opened.
struct PortLosses {
  uint64_t missed = 0;     // came while the receive ring was full
  uint64_t no_buffer = 0;  // came while there was none
  uint64_t damaged = 0;
  uint64_t not_sent = 0;  // AF_XDP: also what is offered again and leaves later
};
PortLosses read_losses(const Port& port);

struct FramePools {
  // For all ports: what is received on one port may leave on another without a copy.
  rte_mempool* frames = nullptr;
  // With room for what was put together from fragments, or came from front.
  rte_mempool* large = nullptr;
};
inline constexpr uint16_t kMostLarge = 9216 + 128;
// Octets of each buffer that are the worker's own (rte_mbuf_to_priv).
inline constexpr uint16_t kPrivate = 128;

Result<FramePools> make_frame_pools(size_t ports, uint8_t workers);
// Buffers that are not free: with the devices, on their way, or at hand. Any thread.
unsigned count_in_use(const rte_mempool* pool);
// Memory that the pools need, in megabytes.
unsigned pool_megabytes(size_t ports, uint8_t workers);

// A pair of queues for each worker. Kernel interfaces: AF_XDP, which has one pair only, or
// AF_PACKET for several and where that fails; says in the log which and why. An XDP
// program that a former run left behind is removed first. Needs root; there is no closing, which
// would need it again: a port ends with the process, and its program passes frames on then, to a
// namespace that answers nothing.
Result<Port> open_port(const PortSpec& spec, rte_mempool* pool, uint8_t workers);

}  // namespace fedge::fastpath
