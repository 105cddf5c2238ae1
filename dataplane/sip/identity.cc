#include "dataplane/sip/identity.h"

#include <algorithm>
#include <span>

#include "dataplane/sip/next_hops.h"
#include "firmware/wire/sip/constants.h"

namespace fedge::sip {

namespace {

using snapshot::Transport;

uint16_t default_port(Transport transport) {
  return transport == Transport::tls ? kTlsPort : kPort;
}

Side make_side(const std::string& sent_by, Transport transport) {
  const char* const name = transport == Transport::tls ? "TLS" : "TCP";
  // Over TLS we take requests on connections that we made ourselves (RFC 5923).
  const char* const alias = transport == Transport::tls ? ";alias" : "";
  return {std::string(kVersion) + "/" + name + " " + sent_by + alias + ";branch=", sent_by,
          transport};
}

std::span<const snapshot::RealmAddress> addresses_of(const SnapshotView& snapshot, uint16_t realm) {
  const auto realms = snapshot.realms->items(snapshot.realms->root().realms);
  if (realm >= realms.size()) return {};
  return snapshot.realms->items(realms[realm].addresses);
}

// The address of the realm that stands for `address`: itself, or for "any" the first of its
// family. Null when the realm has none.
const snapshot::RealmAddress* find_address(std::span<const snapshot::RealmAddress> addresses,
                                           const IpAddress& address) {
  for (const auto& a : addresses) {
    const IpAddress& own = a.address.address;
    if (own == address || (address.is_unspecified() && own.family == address.family)) return &a;
  }
  return nullptr;
}

const IpAddress& seen_address(const snapshot::RealmAddress& a) {
  return a.public_address ? a.public_address : a.address.address;
}

size_t realm_slot(uint16_t realm, Transport transport, bool is_v6) {
  return size_t{realm} * 4 + (is_v6 ? 2 : 0) + (transport == Transport::tls ? 1 : 0);
}

}  // namespace

Identity::Identity(const SnapshotView& snapshot)
    : fqdn_(snapshot.appliance->text(snapshot.appliance->root().fqdn)),
      nowhere_(make_side(fqdn_, Transport::tls)) {
  for (const Origin origin : {Origin::direct_partner, Origin::found_partner}) {
    message_trust_[static_cast<size_t>(origin)] = write_message_trust(origin, fqdn_);
  }
  add_listeners(snapshot);
  add_realms(snapshot);
  std::sort(names_.begin(), names_.end());
}

void Identity::add_names(const IpAddress& address, const IpAddress& seen, uint16_t port) {
  names_.push_back({hash_of_host(fqdn_), port});
  names_.push_back({hash_of_host(address.text()), port});
  if (seen != address) names_.push_back({hash_of_host(seen.text()), port});
}

void Identity::add_listeners(const SnapshotView& snapshot) {
  for (const auto& l : snapshot.listeners->items(snapshot.listeners->root().listeners)) {
    const auto* const a = find_address(addresses_of(snapshot, l.realm), l.endpoint.address);
    const IpAddress& address = a != nullptr ? a->address.address : l.endpoint.address;
    const IpAddress& seen = a != nullptr ? seen_address(*a) : l.endpoint.address;
    listeners_.push_back(make_side(Endpoint{seen, l.endpoint.port}.text(), l.transport));
    add_names(address, seen, l.endpoint.port);
  }
}

void Identity::add_realms(const SnapshotView& snapshot) {
  const auto count = static_cast<uint16_t>(snapshot.realms->root().realms.count);
  for (uint16_t realm = 0; realm < count; ++realm) {
    for (const bool is_v6 : {false, true}) {
      for (const Transport transport : {Transport::tcp, Transport::tls}) {
        realms_.push_back(make_realm_side(snapshot, realm, transport, is_v6));
      }
    }
  }
}

// A realm is known by its first access listener of that transport and family. One that has none
// (we only dial there) is known by its address and the default port, for the Via's sake.
Side Identity::make_realm_side(const SnapshotView& snapshot, uint16_t realm, Transport transport,
                               bool is_v6) {
  const auto listeners = snapshot.listeners->items(snapshot.listeners->root().listeners);
  for (size_t i = 0; i < listeners.size(); ++i) {
    const snapshot::Listener& l = listeners[i];
    if (l.realm == realm && l.transport == transport && l.endpoint.address.is_v6() == is_v6 &&
        l.service == snapshot::Service::access) {
      return listeners_[i];
    }
  }
  for (const auto& a : addresses_of(snapshot, realm)) {
    if (a.address.address.is_v6() != is_v6) continue;
    const uint16_t port = default_port(transport);
    add_names(a.address.address, seen_address(a), port);
    return make_side(Endpoint{seen_address(a), port}.text(), transport);
  }
  return make_side(fqdn_, transport);
}

const Side& Identity::side_of(const Arrival& arrival) const {
  if (arrival.listener < listeners_.size()) return listeners_[arrival.listener];
  return side_of(arrival.realm, arrival.transport, arrival.local.address.is_v6());
}

const Side& Identity::side_of(uint16_t realm, Transport transport, bool is_v6) const {
  const size_t slot = realm_slot(realm, transport, is_v6);
  return slot < realms_.size() ? realms_[slot] : nowhere_;
}

bool Identity::is_ours(std::string_view host, uint16_t port) const {
  const uint64_t hash = hash_of_host(host);
  const auto has = [&](uint16_t p) {
    return std::binary_search(names_.begin(), names_.end(), Name{hash, p});
  };
  return port != 0 ? has(port) : has(kPort) || has(kTlsPort);
}

}  // namespace fedge::sip
