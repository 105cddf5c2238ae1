#include "firmware/topology/rules.h"

#include <fmt/core.h>

#include <algorithm>

#include "firmware/base/json.h"
#include "firmware/topology/rule_book.h"

namespace fedge::topology {

RuleBook::RuleBook(const Topology& t, const Environment& e, Findings& findings)
    : topology(t), environment(e), findings_(findings) {
  for (const Realm& r : t.realms) {
    realms_.emplace(r.name, &r);
    for (const RealmAddress& a : r.addresses) {
      own_.insert(a.address.address.text());
      if (a.public_address) own_.insert(a.public_address->text());
    }
  }
  for (const TlsContext& c : t.tls_contexts) contexts_.emplace(c.name, &c);
  for (const NextHopPool& p : t.next_hop_pools) pools_.emplace(p.name, &p);
  for (const Port& p : t.ports) ports_.insert(p.name);
}

void RuleBook::add(std::string path, std::string found, std::string allowed, std::string remedy) {
  if (full()) return;
  findings_.push_back({std::move(path), std::move(found), std::move(allowed), std::move(remedy)});
}

std::string RuleBook::text(std::string_view value) { return "the text " + json::quote(value); }

const Realm* RuleBook::check_realm(const std::string& path, const std::string& name) {
  const Realm* found = realm(name);
  if (!found && !name.empty()) {
    add(path + "/realm", text(name), "a realm: " + names_of(topology.realms), "");
  }
  return found;
}

void RuleBook::check_transport(const std::string& path, Transport transport,
                               const std::string& tls_name) {
  if (transport != Transport::tls) {
    if (tls_name.empty()) return;
    return add(path + "/tls", text(tls_name),
               transport == Transport::tcp ? "nothing: the transport is tcp"
                                           : "nothing: the transport is udp",
               "remove it, or set the transport to tls");
  }
  if (!tls_name.empty() && tls(tls_name)) return;
  add(path + "/tls", tls_name.empty() ? "nothing" : text(tls_name),
      "a TLS context: " + names_of(topology.tls_contexts), "");
}

void RuleBook::check_addresses(const std::string& path, const std::vector<IpAddress>& addresses,
                               const Realm* through) {
  for (size_t i = 0; i < addresses.size(); ++i) {
    const IpAddress& address = addresses[i];
    if (!address) continue;
    const std::string place = item(path + "/addresses", i);
    if (address.is_unspecified() || address.is_multicast() || address.is_loopback()) {
      add(place, text(address.text()), "the address of one host", "");
    } else if (is_own(address)) {
      add(place, text(address.text()) + ", one of this appliance's own addresses",
          "the address of another host", "requests sent there would come back");
    } else if (through) {
      const bool direct = std::ranges::any_of(
          through->addresses, [&](const RealmAddress& a) { return a.address.contains(address); });
      const bool routed = std::ranges::any_of(
          through->routes, [&](const RealmRoute& r) { return r.to.contains(address); });
      if (direct || routed) continue;
      add(place, text(address.text()),
          fmt::format("an address that realm {} reaches: in its subnets or through its routes",
                      through->name),
          "add a route to the realm, or name another realm");
    }
  }
}

void RuleBook::check_ids(const std::string& path, const std::vector<std::string>& ids,
                         const std::function<bool(const std::string&)>& has, const char* allowed,
                         const char* remedy) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].empty()) continue;
    const std::string place = item(path, i);
    if (std::find(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i), ids[i]) !=
        ids.begin() + static_cast<std::ptrdiff_t>(i)) {
      add(place, text(ids[i]), "each once", "");
    } else if (has && !has(ids[i])) {
      add(place, text(ids[i]), allowed, remedy);
    }
  }
}

Findings check_rules(const Topology& topology, const Environment& environment) {
  Findings findings;
  RuleBook book(topology, environment, findings);
  check_network_rules(book);
  check_service_rules(book);
  check_routing_rules(book);
  check_static_routes(book);
  check_media_rules(book);
  return findings;
}

}  // namespace fedge::topology
