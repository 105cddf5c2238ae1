// Ports, realms, resolver and management: can these addresses live together?
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "firmware/topology/rule_book.h"

namespace fedge::topology {

bool is_network(const Prefix& prefix) {
  for (unsigned bit = prefix.length; bit < prefix.address.bits(); ++bit) {
    if (prefix.address.octets[bit / 8] & (0x80u >> (bit % 8))) return false;
  }
  return true;
}

namespace {

bool is_broadcast(const Prefix& prefix) {
  if (!prefix.address.is_v4() || prefix.length > 30) return false;
  const uint32_t hosts = 0xffffffffu >> prefix.length;
  return (prefix.address.v4_host_order() & hosts) == hosts;
}

// Empty when a host can have this address.
std::string_view host_defect(const Prefix& prefix) {
  const IpAddress& a = prefix.address;
  if (a.is_unspecified() || a.is_multicast() || a.is_loopback()) return "which no host can have";
  if (prefix.length == 0) return "a subnet of everything";
  const unsigned host_bits = a.bits() - prefix.length;
  if (host_bits >= 2 && is_network(prefix)) return "the subnet's own address";
  if (is_broadcast(prefix)) return "the subnet's broadcast address";
  return {};
}

void check_ports(RuleBook& book) {
  const auto& ports = book.topology.ports;
  book.check_unique("/ports", ports, "/name", [](const Port& p) -> auto& { return p.name; });
  book.check_unique("/ports", ports, "/device", [](const Port& p) -> auto& { return p.device; });
  const auto& devices = book.environment.devices;
  if (devices.empty()) return;
  std::string known;
  for (const std::string& d : devices) known.append(known.empty() ? "" : ", ").append(d);
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].device.empty() || std::ranges::find(devices, ports[i].device) != devices.end()) {
      continue;
    }
    book.add(RuleBook::item("/ports", i) + "/device", RuleBook::text(ports[i].device),
             "a port of this board: " + known, "");
  }
}

void check_address(RuleBook& book, const std::string& path, const RealmAddress& a) {
  if (!a.address.address) return;
  if (const auto defect = host_defect(a.address); !defect.empty()) {
    book.add(path + "/address", fmt::format("{}, {}", RuleBook::text(a.address.text()), defect),
             "an address a host can have, with its subnet's length", "");
  }
  if (!a.public_address || !*a.public_address) return;
  if (a.public_address->family != a.address.address.family) {
    book.add(path + "/public", RuleBook::text(a.public_address->text()),
             "an address of the same version as " + a.address.address.text(), "");
  } else if (!host_defect({*a.public_address, static_cast<uint8_t>(a.public_address->bits())})
                  .empty()) {
    book.add(path + "/public", RuleBook::text(a.public_address->text()),
             "an address the world can reach", "");
  }
}

void check_routes(RuleBook& book, const std::string& path, const Realm& realm) {
  for (size_t i = 0; i < realm.routes.size(); ++i) {
    const RealmRoute& route = realm.routes[i];
    const std::string place = RuleBook::item(path, i);
    if (!route.to.address || !route.via) continue;
    if (!is_network(route.to)) {
      book.add(place + "/to", RuleBook::text(route.to.text()),
               fmt::format("a network: no bits behind the first {}", route.to.length), "");
    }
    if (route.via.family != route.to.address.family) {
      book.add(place + "/via", RuleBook::text(route.via.text()),
               "a router of the same IP version as the destination", "");
    } else if (book.is_own(route.via) ||
               std::ranges::none_of(realm.addresses, [&](const RealmAddress& a) {
                 return a.address.contains(route.via);
               })) {
      book.add(place + "/via", RuleBook::text(route.via.text()),
               fmt::format("a router inside one of realm {}'s subnets", realm.name), "");
    }
    for (size_t j = 0; j < i; ++j) {
      if (realm.routes[j].to != route.to) continue;
      book.add(place + "/to", RuleBook::text(route.to.text()),
               "a destination with one route; " + RuleBook::item(path, j) + " has it", "");
      break;
    }
  }
}

void check_realm_list(RuleBook& book) {
  const auto& realms = book.topology.realms;
  book.check_unique("/realms", realms, "/name", [](const Realm& r) -> auto& { return r.name; });
  std::map<std::pair<std::string, unsigned>, size_t> tags;
  for (size_t i = 0; i < realms.size() && !book.full(); ++i) {
    const Realm& realm = realms[i];
    const std::string path = RuleBook::item("/realms", i);
    if (!realm.port.empty() && !book.has_port(realm.port)) {
      book.add(path + "/port", RuleBook::text(realm.port),
               "a port: " + RuleBook::names_of(book.topology.ports), "");
    }
    const auto [known, is_new] = tags.emplace(std::pair{realm.port, realm.vlan}, i);
    if (!is_new && !realm.port.empty()) {
      book.add(path + "/vlan", fmt::format("the number {}", realm.vlan),
               fmt::format("a tag that is free on port {}; {} has it", realm.port,
                           RuleBook::item("/realms", known->second)),
               "");
    }
    std::map<IpAddress, size_t> addresses;
    for (size_t j = 0; j < realm.addresses.size(); ++j) {
      const RealmAddress& a = realm.addresses[j];
      const std::string place = RuleBook::item(path + "/addresses", j);
      check_address(book, place, a);
      if (!addresses.emplace(a.address.address, j).second && a.address.address) {
        book.add(place + "/address", RuleBook::text(a.address.text()),
                 "an address that stands once in its realm", "");
      }
      if (a.address.address.is_v6() && realm.mtu < 1280) {
        book.add(path + "/mtu", fmt::format("the number {}", realm.mtu),
                 "1280 or more with IPv6 (RFC 8200 section 5)", "");
      }
    }
    check_routes(book, path + "/routes", realm);
  }
}

void check_resolver(RuleBook& book) {
  if (!book.topology.resolver) return;
  const Resolver& resolver = *book.topology.resolver;
  const Realm* realm = book.check_realm("/resolver", resolver.realm);
  for (size_t i = 0; i < resolver.servers.size(); ++i) {
    const IpAddress& server = resolver.servers[i];
    if (!server || !realm) continue;
    if (std::ranges::none_of(realm->addresses, [&](const RealmAddress& a) {
          return a.address.address.family == server.family;
        })) {
      book.add(RuleBook::item("/resolver/servers", i), RuleBook::text(server.text()),
               fmt::format("an address of a version that realm {} has", realm->name), "");
    }
  }
}

void check_management(RuleBook& book) {
  const Management& management = book.topology.management;
  for (size_t i = 0; i < management.addresses.size(); ++i) {
    const IpAddress& address = management.addresses[i];
    if (!address) continue;
    const std::string path = RuleBook::item("/management/addresses", i);
    if (address.is_multicast()) {
      book.add(path, RuleBook::text(address.text()), "the address of one host", "");
    }
    if (std::count(management.addresses.begin(), management.addresses.end(), address) > 1 &&
        std::ranges::find(management.addresses, address) - management.addresses.begin() !=
            static_cast<std::ptrdiff_t>(i)) {
      book.add(path, RuleBook::text(address.text()), "each address once", "");
    }
    for (const Realm& realm : book.topology.realms) {
      if (std::ranges::any_of(realm.addresses, [&](const RealmAddress& a) {
            return a.address.address &&
                   (a.address.contains(address) || a.public_address == address);
          })) {
        book.add(path, RuleBook::text(address.text()) + ", inside realm " + realm.name,
                 "an address outside every realm",
                 "management has a port of its own, which the fast path does not touch");
        break;
      }
    }
  }
  const auto& has = book.environment.has_certificate;
  if (has && !management.certificate.empty() && !has(management.certificate)) {
    book.add("/management/certificate", RuleBook::text(management.certificate),
             "the id of an imported certificate", "import it first, or correct the id");
  }
}

}  // namespace

void check_network_rules(RuleBook& book) {
  check_ports(book);
  check_realm_list(book);
  check_resolver(book);
  check_management(book);
}

}  // namespace fedge::topology
