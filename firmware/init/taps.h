// NAME-punt: one tap per realm, where the kernel's TCP meets the fast path. The taps follow the
// realms of the published snapshot by difference: what did not change is not touched, so its
// connections live on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "firmware/netlink/addresses.h"
#include "firmware/netlink/neighbours.h"
#include "firmware/netlink/routes.h"
#include "firmware/snapshot/reader.h"

namespace fedge::init {

class Wire;

// What one realm's tap shall be.
struct TapPlan {
  struct To {
    Prefix prefix;
    IpAddress via;
  };
  std::string realm;   // also the tap's name
  std::string device;  // of the realm's port
  netlink::MacAddress mac{};
  uint32_t mtu = 1500;
  std::vector<Prefix> addresses;
  std::vector<To> routes;
};

// Fails on a realm whose port this board does not have.
Result<std::vector<TapPlan>> plan_taps(const snapshot::Section<snapshot::Realms>& realms,
                                       const Wire& wire);

class Taps {
 public:
  // Makes or finds the namespace and its settings.
  static Result<Taps> open(const std::string& instance);
  // Removes the taps and the namespace.
  void close();

  // Makes and changes what the plans ask for and leaves everything else: while a publish is on
  // its way both the old and the new are there. Goes on after a failure and reports the first.
  Status add(const std::vector<TapPlan>& plans);
  // Removes what no plan asks for: taps, addresses, routes.
  Status remove_others(const std::vector<TapPlan>& plans);

  // Ports that the kernel leaves alone, as ip_local_reserved_ports takes them.
  Status reserve_ports(const std::string& ports) const;

  const netlink::NetworkNamespace& space() const { return space_; }
  // A queue for the fast path. The tap keeps its carrier without it.
  Result<Fd> open_queue(const std::string& realm) const;
  Result<Fd> open_monitor() const;

  // The kernel looks for a neighbour of a realm now and keeps it resolved (before Linux 5.16: looks
  // for it once). Fails when there is no such realm.
  Status look_for(const std::string& realm, const IpAddress& neighbour) const;
  // It need not any more.
  Status give_up(const std::string& realm, const IpAddress& neighbour) const;

 private:
  Status add_tap(netlink::Socket& socket, const TapPlan& plan);
  using NeighbourChange = Status (*)(netlink::Socket&, const netlink::Link&, const IpAddress&);
  Status change_neighbour(const std::string& realm, const IpAddress& neighbour,
                          NeighbourChange change) const;
  Status hold_tap(netlink::Socket& socket, const std::string& realm);

  std::string name_;
  netlink::NetworkNamespace space_;
  std::map<std::string, Fd> held_;  // one detached queue of each tap
};

}  // namespace fedge::init
