// What the kernel knows of the realms' neighbours and routes, mirrored from rtnetlink inside the
// punt namespace, so that the fast path sends where the kernel would. The control thread writes;
// workers look neighbours up without locks. Media forwards by it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/admission/peers.h"
#include "firmware/netlink/monitor.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::fastpath {

class Mirror final : public netlink::MonitorHandler {
 public:
  // Of strangers, in one realm. Whoever is wanted has a place beyond them.
  static constexpr size_t kMostStrangers = 1'000;

  // `is_wanted`: the address is a next hop's, a router's, a server's or a peer's.
  using IsWanted = std::function<bool(uint16_t realm, const IpAddress& address)>;
  Mirror(uint64_t seed, IsWanted is_wanted)
      : neighbours_(kMostNeighbours, seed), is_wanted_(std::move(is_wanted)) {}

  // The realms of the snapshot; taps are named like them. Forgets all: start the monitor over.
  void set_realms(std::vector<std::string> names);

  // Any thread: the MAC address of a neighbour in a realm, if the kernel would use it.
  std::optional<ip::Mac> find_neighbour(uint16_t realm, const IpAddress& address) const;

  // Any thread: another number whenever a neighbour that was found has another MAC or none, or one
  // that was not is there.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  // Control thread.
  size_t neighbours(uint16_t realm) const { return counts_.at(realm); }
  const std::vector<netlink::Route>& routes(uint16_t realm) const { return routes_.at(realm); }
  const std::vector<std::vector<netlink::Route>>& all_routes() const { return routes_; }
  // All is told, and routes changed since this was last asked.
  bool take_changed_routes() { return !syncing_ && std::exchange(routes_changed_, false); }
  // Neighbours for which there was no room, strangers beyond their number above all.
  uint64_t not_kept() const { return not_kept_; }
  // Some have not been kept since all was told: who is wanted by now may be among them.
  bool incomplete() const { return incomplete_; }

  void on_resync() override;
  void on_link(const netlink::LinkEvent& event) override;
  void on_neighbour(const netlink::NeighbourEvent& event) override;
  void on_route(const netlink::RouteEvent& event) override;
  void on_synced() override;

 private:
  static constexpr size_t kMostNeighbours = 8'000;
  // A MAC, above it the round of synchronisation that confirmed it, and whether it counts as a
  // stranger's.
  static constexpr unsigned kRoundShift = 48;
  static constexpr uint16_t kRounds = 0x8000;
  static constexpr uint64_t kMacBits = (uint64_t{1} << kRoundShift) - 1;
  static constexpr uint64_t kStranger = uint64_t{1} << 63;

  std::optional<uint16_t> realm_of(uint32_t link) const;
  void count(uint16_t realm, uint64_t value, int by);
  void note_change() { epoch_.fetch_add(1, std::memory_order_release); }

  admission::SharedTable<3, 1> neighbours_;
  IsWanted is_wanted_;
  std::vector<std::string> names_;
  std::map<uint32_t, uint16_t> links_;  // kernel's index to realm
  std::vector<size_t> counts_;
  std::vector<size_t> strangers_;  // among them
  std::vector<std::vector<netlink::Route>> routes_;
  uint16_t round_ = 0;
  bool syncing_ = false;  // all is being told anew
  bool routes_changed_ = false;
  std::atomic<uint64_t> epoch_{1};
  uint64_t not_kept_ = 0;
  bool incomplete_ = false;
};

}  // namespace fedge::fastpath
