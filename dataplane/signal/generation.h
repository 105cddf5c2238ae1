// One published snapshot, opened and checked as a whole: what the worker runs until the next.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "dataplane/sip/proxy.h"
#include "firmware/link/offer.h"
#include "firmware/net/listening_sockets.h"
#include "firmware/pki/tls.h"
#include "firmware/snapshot/reader.h"

namespace fedge::signal {

struct Generation {
  uint64_t number = 0;
  uint64_t revision = 0;
  snapshot::Section<snapshot::Appliance> appliance;
  snapshot::Section<snapshot::Realms> realms;
  snapshot::Section<snapshot::Listeners> listeners;
  snapshot::Section<snapshot::Tls> tls;
  snapshot::Section<snapshot::Routing> routing;
  snapshot::Section<snapshot::Signalling> signalling;
  snapshot::Section<snapshot::Resolver> resolver;
  snapshot::Section<snapshot::Media> media;
  // By the index of the TLS section; the same objects as before when neither that section nor
  // the keys changed.
  std::vector<std::shared_ptr<pki::TlsContext>> contexts;
  std::vector<sip::TokenSecret> token_secrets;  // of credentials for the media relay
  std::vector<link::SectionRef> sections;       // what it was opened from

  sip::SnapshotView view() const {
    return {&appliance, &realms, &listeners, &routing, &signalling, &media, token_secrets};
  }
  std::span<const snapshot::Realm> realm_list() const { return realms.items(realms.root().realms); }
  std::span<const snapshot::Listener> listener_list() const {
    return listeners.items(listeners.root().listeners);
  }
  std::span<const snapshot::NextHop> next_hops() const {
    return routing.items(routing.root().next_hops);
  }
  const snapshot::Signalling& limits() const { return signalling.root(); }
  std::string_view realm_name(uint16_t realm) const {
    return realms.text(realm_list()[realm].name);
  }
  // The realm of that name, kNone16 when there is none.
  uint16_t find_realm(std::string_view name) const;
  // What is that realm, or listener, of `other` here; kNone16 when there is none.
  uint16_t find_realm_of(const Generation& other, uint16_t realm) const;
  uint16_t find_listener_of(const Generation& other, uint16_t listener) const;
  // The host that says to which worker a next hop, or a peer, belongs.
  std::string_view host_of(uint32_t next_hop) const {
    return routing.text(next_hops()[next_hop].host);
  }
  bool has_address(uint16_t realm, const IpAddress& address) const;
  // Where signal listens, numbered by the listeners' section.
  std::vector<ListeningPlace> places() const;

  // The peer that a connection without a certificate comes from, by the address of a next hop
  // reached over plain TCP; null when there is none.
  const snapshot::Peer* find_tcp_peer(const IpAddress& remote, uint16_t realm) const;

 private:
  friend Result<std::unique_ptr<Generation>> open_generation(const link::Offer& offer,
                                                             const pki::Secret& sealing_key,
                                                             const Generation* running);
  void collect_tcp_peers();

  struct TcpPeer {
    IpAddress address;
    uint16_t realm;
    const snapshot::Peer* peer;
  };
  std::vector<TcpPeer> tcp_peers_;  // sorted by address and realm
};

// Opens and checks every section an offer must bring, and the private keys with this process's
// sealing key. `running` (may be null) gives what did not change. Fails with what is wrong;
// nothing has been touched then.
Result<std::unique_ptr<Generation>> open_generation(const link::Offer& offer,
                                                    const pki::Secret& sealing_key,
                                                    const Generation* running);

}  // namespace fedge::signal
