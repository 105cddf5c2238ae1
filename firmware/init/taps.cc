#include "firmware/init/taps.h"

#include <linux/rtnetlink.h>

#include <algorithm>

#include "firmware/base/log.h"
#include "firmware/init/sysctl.h"
#include "firmware/init/wire.h"
#include "firmware/netlink/monitor.h"
#include "firmware/netlink/tap.h"

namespace fedge::init {

using netlink::Inside;
using netlink::Link;
using netlink::NetworkNamespace;
using netlink::Route;
using netlink::Socket;

namespace {

// A burst of a whole congestion window of many connections fits while the fast path sleeps.
constexpr uint32_t kTransmitQueue = 4096;

// Constant for a tap's life and different for each: two realms may share a subnet or both have
// a default route.
uint32_t metric_of(const Link& link) { return 1024 + link.index; }

std::vector<Route> routes_of(const TapPlan& plan, const Link& link) {
  std::vector<Route> out;
  for (const auto& to : plan.routes) {
    out.push_back({link.index, netlink::masked(to.prefix), to.via, metric_of(link), RTPROT_STATIC});
  }
  return out;
}

// Remembers the first failure; the rest is logged.
class FirstFailure {
 public:
  void note(const Status& status) {
    if (status) return;
    log::error("network", "{}", status.error().text());
    if (first_) first_ = status;
  }
  Status take() { return std::move(first_); }

 private:
  Status first_;
};

Status add_addresses(Socket& socket, const Link& link, const TapPlan& plan) {
  auto there = list_addresses(socket, link);
  if (!there) return std::unexpected(there.error());
  for (const Prefix& wanted : plan.addresses) {
    // The kernel takes an IPv6 address once, whatever its subnet.
    for (const auto& old : *there) {
      if (old.prefix.address != wanted.address || old.prefix.length == wanted.length) continue;
      if (auto done = remove_address(socket, link, old.prefix); !done) return done;
    }
    if (std::ranges::count(*there, wanted, &netlink::Address::prefix) != 0) continue;
    if (auto done = add_address(socket, link, wanted, metric_of(link)); !done) return done;
  }
  return {};
}

Status add_routes(Socket& socket, const Link& link, const TapPlan& plan) {
  auto there = list_routes(socket, &link);
  if (!there) return std::unexpected(there.error());
  for (const Route& route : routes_of(plan, link)) {
    if (std::ranges::count(*there, route) != 0) continue;
    if (auto done = add_route(socket, route); !done) return done;
  }
  return {};
}

Status trim_tap(Socket& socket, const Link& link, const TapPlan& plan) {
  auto routes = list_routes(socket, &link);
  if (!routes) return std::unexpected(routes.error());
  const auto wanted = routes_of(plan, link);
  for (const Route& route : *routes) {
    if (route.protocol != RTPROT_STATIC || std::ranges::count(wanted, route) != 0) continue;
    if (auto done = remove_route(socket, route); !done) return done;
  }
  auto addresses = list_addresses(socket, link);
  if (!addresses) return std::unexpected(addresses.error());
  for (const auto& address : *addresses) {
    // The link-local address is the kernel's own: neighbour discovery needs it.
    if (address.prefix.address.is_v6() && address.scope == RT_SCOPE_LINK) continue;
    if (std::ranges::count(plan.addresses, address.prefix) != 0) continue;
    if (auto done = remove_address(socket, link, address.prefix); !done) return done;
  }
  return {};
}

}  // namespace

Result<std::vector<TapPlan>> plan_taps(const snapshot::Section<snapshot::Realms>& realms,
                                       const Wire& wire) {
  std::vector<TapPlan> plans;
  const auto ports = realms.items(realms.root().ports);
  for (const snapshot::Realm& realm : realms.items(realms.root().realms)) {
    TapPlan plan;
    plan.realm = realms.text(realm.name);
    plan.device = realms.text(ports[realm.port].device);
    const WirePort* port = wire.find(plan.device);
    if (port == nullptr) {
      return fail("realm " + plan.realm,
                  "its port is device " + plan.device + ", which this box does not have",
                  "name one of the board's ports");
    }
    plan.mac = port->mac;
    plan.mtu = realm.mtu;
    for (const auto& address : realms.items(realm.addresses)) {
      plan.addresses.push_back(address.address);
    }
    for (const auto& route : realms.items(realm.routes)) {
      plan.routes.push_back({route.to, route.via});
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

Result<Taps> Taps::open(const std::string& instance) {
  Taps taps;
  taps.name_ = instance + "-punt";
  auto space = NetworkNamespace::open(taps.name_);
  if (!space) return std::unexpected(space.error());
  taps.space_ = std::move(*space);
  const Inside inside(taps.space_);
  if (!inside.status()) return std::unexpected(inside.status().error());
  if (auto done = write_settings(punt_settings()); !done) return std::unexpected(done.error());
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  auto loopback = find_link(*socket, "lo");
  if (!loopback) return std::unexpected(loopback.error());
  if (*loopback) {
    auto done = change_link(*socket, **loopback, {.up = true});
    if (!done) return std::unexpected(done.error());
  }
  return taps;
}

void Taps::close() {
  held_.clear();
  if (auto done = remove_others({}); !done) log::error("network", "{}", done.error().text());
  if (auto done = NetworkNamespace::remove(name_); !done) {
    log::error("network", "{}", done.error().text());
  }
}

// A queue that takes no frames keeps the tap's carrier while no fast path runs.
Status Taps::hold_tap(Socket& socket, const std::string& realm) {
  if (held_.contains(realm)) return {};
  auto queue = netlink::open_tap_queue(realm);
  if (!queue) {
    // Something else of that name, or a tap of other flags: a former version's.
    auto link = find_link(socket, realm);
    if (link && *link && remove_link(socket, **link)) queue = netlink::open_tap_queue(realm);
  }
  if (!queue) return std::unexpected(queue.error());
  if (auto done = netlink::detach_queue(*queue); !done) return done;
  held_.emplace(realm, std::move(*queue));
  return {};
}

Status Taps::add_tap(Socket& socket, const TapPlan& plan) {
  const bool is_new = !held_.contains(plan.realm);
  if (auto done = hold_tap(socket, plan.realm); !done) return done;
  auto link = find_link(socket, plan.realm);
  if (!link) return std::unexpected(link.error());
  if (!*link) return fail("realm " + plan.realm, "its tap went away");
  netlink::LinkChange change{.up = true};
  if ((*link)->mac != plan.mac) change.mac = plan.mac;
  if ((*link)->mtu != plan.mtu) change.mtu = plan.mtu;
  if (is_new) change.transmit_queue = kTransmitQueue;
  if (is_new || change.mac || change.mtu || !(*link)->up) {
    if (auto done = change_link(socket, **link, change); !done) return done;
    log::info("network", "tap {} for {}, MTU {}", plan.realm, plan.device, plan.mtu);
  }
  if (auto done = add_addresses(socket, **link, plan); !done) return done;
  return add_routes(socket, **link, plan);
}

Status Taps::add(const std::vector<TapPlan>& plans) {
  const Inside inside(space_);
  if (!inside.status()) return inside.status();
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  FirstFailure failure;
  for (const TapPlan& plan : plans) failure.note(add_tap(*socket, plan));
  return failure.take();
}

Status Taps::remove_others(const std::vector<TapPlan>& plans) {
  const Inside inside(space_);
  if (!inside.status()) return inside.status();
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  auto links = list_links(*socket);
  if (!links) return std::unexpected(links.error());
  FirstFailure failure;
  for (const Link& link : *links) {
    if (link.name == "lo") continue;
    const auto plan = std::ranges::find(plans, link.name, &TapPlan::realm);
    if (plan != plans.end()) {
      failure.note(trim_tap(*socket, link, *plan));
      continue;
    }
    log::info("network", "tap {} goes", link.name);
    held_.erase(link.name);
    failure.note(remove_link(*socket, link));
  }
  return failure.take();
}

Status Taps::reserve_ports(const std::string& ports) const {
  const Inside inside(space_);
  if (!inside.status()) return inside.status();
  return write_sysctl("ipv4/ip_local_reserved_ports", ports);
}

Result<Fd> Taps::open_queue(const std::string& realm) const {
  const Inside inside(space_);
  if (!inside.status()) return std::unexpected(inside.status().error());
  return netlink::open_tap_queue(realm);
}

Status Taps::change_neighbour(const std::string& realm, const IpAddress& neighbour,
                              NeighbourChange change) const {
  if (!held_.contains(realm)) return fail("realm " + realm, "is not here");
  const Inside inside(space_);
  if (!inside.status()) return inside.status();
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  auto link = find_link(*socket, realm);
  if (!link) return std::unexpected(link.error());
  if (!*link) return fail("realm " + realm, "its tap went away");
  return change(*socket, **link, neighbour);
}

Status Taps::look_for(const std::string& realm, const IpAddress& neighbour) const {
  if (change_neighbour(realm, neighbour, netlink::set_managed_neighbour)) return {};
  return change_neighbour(realm, neighbour, netlink::probe_neighbour);
}

Status Taps::give_up(const std::string& realm, const IpAddress& neighbour) const {
  return change_neighbour(realm, neighbour, netlink::remove_neighbour);
}

Result<Fd> Taps::open_monitor() const {
  const Inside inside(space_);
  if (!inside.status()) return std::unexpected(inside.status().error());
  return netlink::open_monitor_socket();
}

}  // namespace fedge::init
