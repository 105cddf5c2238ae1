#include "dataplane/fastpath/ports.h"

#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <strings.h>
#include <sys/socket.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>

#include "dataplane/fastpath/crossing.h"
#include "firmware/base/log.h"

namespace fedge::fastpath {

namespace {

// What comes while a worker waits for its core must find room: a hundred calls fill half of it in
// 0.2 s. AF_XDP never has more buffers ready for receiving.
constexpr uint16_t kRing = 2048;
// AF_XDP keeps up to 4096 buffers in its fill ring, and its rings beside.
constexpr unsigned kFramesOfPort = 4096 + 2 * kRing;
constexpr unsigned kFramesInHand = 1024;
constexpr unsigned kCache = 256;
// The kernel keeps 256 octets of a buffer for XDP programs.
constexpr uint16_t kRoom = RTE_PKTMBUF_HEADROOM + kMostFrame + 256;

unsigned pool_frames(size_t ports, uint8_t workers) {
  // Of a PCI device each queue has rings of its own.
  const auto queues = static_cast<unsigned>(ports) * (workers - 1u);
  const unsigned crossing = workers == 1 ? 0 : workers * Crossing::kRoom;
  return static_cast<unsigned>(ports) * kFramesOfPort + queues * 2 * kRing +
         workers * kFramesInHand + crossing;
}

constexpr uint16_t kLargeRoom = RTE_PKTMBUF_HEADROOM + kMostLarge;

unsigned large_frames(uint8_t workers) { return 128 + 64u * workers; }

// Sockets that hand out frames, among all descriptors of this process.
std::set<int> list_frame_sockets() {
  std::set<int> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int domain = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) continue;
    if (domain == AF_XDP || domain == AF_PACKET) out.insert(fd);
  }
  return out;
}

// libbpf and libxdp tell at length how they find their way; of use only with FEDGE_LOG=debug.
int print_library(const char* format, va_list arguments) {
  std::array<char, 512> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, arguments);
  std::string_view text(line.data());
  if (text.ends_with('\n')) text.remove_suffix(1);
  log::debug("xdp", "{}", text);
  return size;
}

void quiet_libraries() {
  ::libbpf_set_print([](libbpf_print_level, const char* format, va_list arguments) {
    return print_library(format, arguments);
  });
  ::libxdp_set_print([](libxdp_print_level, const char* format, va_list arguments) {
    return print_library(format, arguments);
  });
}

void remove_leftover_program(const std::string& interface) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) return;
  uint32_t program = 0;
  if (::bpf_xdp_query_id(static_cast<int>(index), 0, &program) != 0 || program == 0) return;
  for (const uint32_t mode : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
    (void)::bpf_xdp_detach(static_cast<int>(index), mode, nullptr);
  }
  log::info("fastpath", "{}: removed the XDP program of a former run", interface);
}

// Several queues: a NIC spreads by addresses and ports, so that a flow stays with its worker.
rte_eth_conf configure(const rte_eth_dev_info& device, uint8_t workers) {
  rte_eth_conf out{};
  if (workers == 1 || device.flow_type_rss_offloads == 0) return out;
  out.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  out.rx_adv_conf.rss_conf.rss_hf =
      (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP) & device.flow_type_rss_offloads;
  return out;
}

Status start_device(uint16_t id, const std::string& name, uint8_t workers, rte_mempool* pool) {
  rte_eth_dev_info device{};
  int failed = rte_eth_dev_info_get(id, &device);
  const unsigned queues = std::min(device.max_rx_queues, device.max_tx_queues);
  if (failed == 0 && queues < workers) {
    return fail(
        "port " + name,
        "it has " + std::to_string(queues) + " queues for " + std::to_string(workers) + " workers",
        "set \"fastpath_workers\" to at most " + std::to_string(queues));
  }
  const rte_eth_conf configuration = configure(device, workers);
  const auto socket = static_cast<unsigned>(rte_eth_dev_socket_id(id));
  if (failed == 0) failed = rte_eth_dev_configure(id, workers, workers, &configuration);
  uint16_t receiving = kRing;
  uint16_t sending = kRing;
  if (failed == 0) failed = rte_eth_dev_adjust_nb_rx_tx_desc(id, &receiving, &sending);
  for (uint16_t queue = 0; queue < workers && failed == 0; ++queue) {
    failed = rte_eth_rx_queue_setup(id, queue, receiving, socket, nullptr, pool);
    if (failed == 0) failed = rte_eth_tx_queue_setup(id, queue, sending, socket, nullptr);
  }
  if (failed == 0) failed = rte_eth_dev_start(id);
  if (failed == 0) return {};
  return fail("port " + name, std::string("cannot start: ") + rte_strerror(-failed));
}

// The device is there already (PCI), or is made by now.
Result<Port> start_port(const PortSpec& spec, const std::string& device, const std::string& driver,
                        uint8_t workers, rte_mempool* pool) {
  Port port{spec.name, spec.interface, driver, 0, {}, std::vector<int>(workers, -1)};
  if (rte_eth_dev_get_port_by_name(device.c_str(), &port.id) != 0) {
    return fail("port " + spec.name, "DPDK has no driver for " + spec.interface);
  }
  if (auto started = start_device(port.id, spec.name, workers, pool); !started) {
    rte_eth_dev_close(port.id);
    return std::unexpected(started.error());
  }
  rte_ether_addr mac{};
  if (rte_eth_macaddr_get(port.id, &mac) != 0) {
    return fail("port " + spec.name, "has no MAC address");
  }
  std::copy(std::begin(mac.addr_bytes), std::end(mac.addr_bytes), port.mac.begin());
  return port;
}

Result<Port> start_pci(const PortSpec& spec, uint8_t workers, rte_mempool* pool) {
  auto port = start_port(spec, spec.interface, "PCI", workers, pool);
  if (!port) return port;
  (void)rte_eth_dev_set_mtu(port->id, kMostMtu);  // not every driver can; 1500 passes anyway
  char mac[RTE_ETHER_ADDR_FMT_SIZE];
  rte_ether_addr address;
  std::ranges::copy(port->mac, std::begin(address.addr_bytes));
  rte_ether_format_addr(mac, sizeof mac, &address);
  if (::strcasecmp(mac, spec.mac.c_str()) == 0) return port;
  rte_eth_dev_close(port->id);
  return fail("port " + spec.name, spec.interface + " has the MAC address " + mac,
              "the board's description says " + spec.mac + ": write the NIC's own");
}

Result<Port> start_vdev(const PortSpec& spec, const std::string& driver,
                        const std::string& arguments, uint8_t workers, rte_mempool* pool) {
  const std::string device = driver + "_" + spec.name;
  const auto before = list_frame_sockets();
  if (const int failed = rte_eal_hotplug_add("vdev", device.c_str(), arguments.c_str());
      failed != 0) {
    return fail("port " + spec.name,
                driver + " on " + spec.interface + ": " + rte_strerror(-failed));
  }
  auto port = start_port(spec, device, driver, workers, pool);
  if (!port) {
    (void)rte_eal_hotplug_remove("vdev", device.c_str());
    return port;
  }
  // One of each queue, opened in this order: so their numbers go up.
  std::vector<int> sockets;
  std::ranges::set_difference(list_frame_sockets(), before, std::back_inserter(sockets));
  if (sockets.size() == workers) port->wake_fds = std::move(sockets);
  return port;
}

}  // namespace

bool PortSpec::is_pci() const {
  // domain:bus:device.function
  return std::ranges::count(interface, ':') == 2 && std::ranges::count(interface, '.') == 1;
}

unsigned pool_megabytes(size_t ports, uint8_t workers) {
  // In pages of 4 kB a buffer begins in one of its own. What is not touched costs nothing.
  constexpr unsigned kPage = 4096;
  constexpr unsigned kPages = kLargeRoom / kPage + 1;
  constexpr unsigned kOthers = 32u << 20;  // rings, devices, EAL
  return ((pool_frames(ports, workers) + kPages * large_frames(workers)) * kPage + kOthers) >> 20;
}

Result<FramePools> make_frame_pools(size_t ports, uint8_t workers) {
  const auto socket = static_cast<int>(rte_socket_id());
  FramePools pools;
  pools.frames = rte_pktmbuf_pool_create("frames", pool_frames(ports, workers), kCache, kPrivate,
                                         kRoom, socket);
  pools.large =
      rte_pktmbuf_pool_create("large", large_frames(workers), 0, kPrivate, kLargeRoom, socket);
  if (pools.frames != nullptr && pools.large != nullptr) return pools;
  return fail("fastpath", std::string("no memory for frames: ") + rte_strerror(rte_errno));
}

PortLosses read_losses(const Port& port) {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(port.id, &stats) != 0) return {};
  PortLosses out{stats.imissed, stats.rx_nombuf, stats.ierrors, stats.oerrors};
  // DPDK's driver leaves out what the kernel had no place for in the ring.
  for (const int socket : port.wake_fds) {
    xdp_statistics kernel{};
    socklen_t size = sizeof kernel;
    if (socket < 0 || ::getsockopt(socket, SOL_XDP, XDP_STATISTICS, &kernel, &size) != 0) continue;
    out.missed += kernel.rx_ring_full;
  }
  return out;
}

unsigned count_in_use(const rte_mempool* pool) { return rte_mempool_in_use_count(pool); }

Result<Port> open_port(const PortSpec& spec, rte_mempool* pool, uint8_t workers) {
  if (spec.is_pci()) return start_pci(spec, workers, pool);
  if (::if_nametoindex(spec.interface.c_str()) == 0) {
    return fail("port " + spec.name, "there is no interface " + spec.interface,
                "the board's description names the ports");
  }
  quiet_libraries();
  remove_leftover_program(spec.interface);
  Result<Port> port = fail("port " + spec.name, "AF_XDP has one queue on " + spec.interface +
                                                    ", not " + std::to_string(workers));
  // Busy polling by the kernel would spend the core when nothing comes.
  if (workers == 1) {
    port = start_vdev(spec, "net_af_xdp", "iface=" + spec.interface + ",busy_budget=0", 1, pool);
  }
  if (!port) {
    log::warning("fastpath", "{}; taking AF_PACKET, which is slower", port.error().text());
    port = start_vdev(
        spec, "net_af_packet",
        "iface=" + spec.interface + ",framesz=2048,framecnt=1024,qpairs=" + std::to_string(workers),
        workers, pool);
  }
  if (port) {
    log::info("fastpath", "port {}: {} through {}", port->name, port->interface, port->driver);
  }
  return port;
}

}  // namespace fedge::fastpath
