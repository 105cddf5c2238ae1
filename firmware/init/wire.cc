#include "firmware/init/wire.h"

#include <algorithm>

#include "firmware/base/log.h"
#include "firmware/init/sysctl.h"

namespace fedge::init {

using netlink::Inside;
using netlink::Link;
using netlink::NetworkNamespace;
using netlink::Socket;

namespace {

// The link in the calling thread's namespace.
Result<std::optional<Link>> find_here(const std::string& interface) {
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  return find_link(*socket, interface);
}

Status set_up(const std::string& interface) {
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  auto link = find_link(*socket, interface);
  if (!link) return std::unexpected(link.error());
  if (!*link) return fail(interface, "the interface went away");
  if (auto done = write_sysctl("ipv6/conf/" + interface + "/disable_ipv6", "1"); !done) {
    return done;
  }
  if (auto done = netlink::switch_off_offloads(interface); !done) {
    log::warning("network", "{}", done.error().text());
  }
  return change_link(*socket, **link, {.up = true, .promiscuous = true});
}

}  // namespace

Result<Wire> Wire::open(const std::string& instance, const std::vector<board::Port>& ports) {
  Wire wire;
  wire.name_ = instance + "-wire";
  auto home = NetworkNamespace::current();
  if (!home) return std::unexpected(home.error());
  auto space = NetworkNamespace::open(wire.name_);
  if (!space) return std::unexpected(space.error());
  wire.home_ = std::move(*home);
  wire.space_ = std::move(*space);
  {
    const Inside inside(wire.space_);
    if (!inside.status()) return std::unexpected(inside.status().error());
    if (auto done = write_settings(wire_settings()); !done) return std::unexpected(done.error());
    if (auto done = wire.release_others(ports); !done) return std::unexpected(done.error());
  }
  for (const board::Port& port : ports) {
    if (auto done = wire.take_port(port); !done) {
      auto error = done.error();
      wire.close();
      return std::unexpected(std::move(error));
    }
  }
  return wire;
}

Status Wire::take_port(const board::Port& port) {
  if (port.is_pci()) {  // the kernel does not have it: nothing to move
    log::info("network", "port {} is PCI device {}, {}", port.name, port.interface,
              netlink::text_of(port.mac));
    ports_.push_back({port, port.mac});
    return {};
  }
  auto at_home = find_here(port.interface);
  if (!at_home) return std::unexpected(at_home.error());
  if (*at_home) {
    auto socket = Socket::open();
    if (!socket) return std::unexpected(socket.error());
    if (auto moved = move_link(*socket, **at_home, space_); !moved) return moved;
  }
  const Inside inside(space_);
  if (!inside.status()) return inside.status();
  auto link = find_here(port.interface);
  if (!link) return std::unexpected(link.error());
  if (!*link) {
    return fail("port " + port.name, "there is no interface " + port.interface,
                "name an interface that `ip link` shows, and that no other appliance holds");
  }
  if (auto done = set_up(port.interface); !done) return done;
  log::info("network", "port {} is interface {}, {}", port.name, port.interface,
            netlink::text_of((*link)->mac));
  ports_.push_back({port, (*link)->mac});
  return {};
}

// Inside the namespace.
Status Wire::release_others(const std::vector<board::Port>& keep) const {
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  auto links = list_links(*socket);
  if (!links) return std::unexpected(links.error());
  for (const Link& link : *links) {
    if (link.name == "lo" || std::ranges::count(keep, link.name, &board::Port::interface) != 0) {
      continue;
    }
    (void)change_link(*socket, link, {.up = false, .promiscuous = false});
    if (auto moved = move_link(*socket, link, home_); !moved) return moved;
    log::info("network", "interface {} goes back to the machine", link.name);
  }
  return {};
}

void Wire::close() {
  {
    const Inside inside(space_);
    const auto done = inside.status() ? release_others({}) : inside.status();
    if (!done) {
      // A virtual port dies with its namespace: better leave both for the next start.
      log::error("network", "{}; {} stays", done.error().text(), name_);
      return;
    }
  }
  if (auto done = NetworkNamespace::remove(name_); !done) {
    log::error("network", "{}", done.error().text());
  }
}

const WirePort* Wire::find(std::string_view device) const {
  const auto it =
      std::ranges::find_if(ports_, [&](const WirePort& p) { return p.port.name == device; });
  return it == ports_.end() ? nullptr : &*it;
}

Status Wire::raise_mtu(const WirePort& port, uint32_t mtu) const {
  if (port.port.is_pci()) return {};  // the fast path opens it for the largest frame it carries
  const Inside inside(space_);
  if (!inside.status()) return inside.status();
  auto socket = Socket::open();
  if (!socket) return std::unexpected(socket.error());
  auto link = find_link(*socket, port.port.interface);
  if (!link) return std::unexpected(link.error());
  if (!*link) return fail("port " + port.port.name, "the interface went away");
  if ((*link)->mtu >= mtu) return {};
  return change_link(*socket, **link, {.mtu = mtu});
}

}  // namespace fedge::init
