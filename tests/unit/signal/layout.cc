#include "firmware/snapshot/routes.h"
#include "tests/unit/pki/published.h"
#include "tests/unit/signal/site.h"

namespace fedge::signal {

namespace {

using namespace snapshot;

constexpr uint16_t kRealm = 0;

std::string make_appliance() {
  Writer w(Kind::appliance);
  return w.finish(Appliance{w.text("edge1"), w.text("sip.example.com"), w.text("hq")});
}

std::string make_realms(const Layout& layout) {
  Writer w(Kind::realms);
  const auto ports = w.slice<Port>({{w.text("wan"), w.text("port0")}});
  const auto addresses = w.slice<RealmAddress>(
      {{*Prefix::parse(layout.address), {}}, {*Prefix::parse("::1/128"), {}}});
  return w.finish(
      Realms{ports, w.slice<Realm>({{w.text(layout.realm), 0, 0, 1500, 24, 46, addresses, {}}})});
}

uint16_t context_of(Transport transport) {
  return transport == Transport::tls ? uint16_t{0} : kNone16;
}

std::string make_listeners(const Layout& layout) {
  Writer w(Kind::listeners);
  std::vector<Listener> records;
  for (const Layout::Listener& l : layout.listeners) {
    records.push_back({w.text("l" + std::to_string(l.port)),
                       {*IpAddress::parse(l.address), l.port},
                       kRealm,
                       context_of(l.transport),
                       l.transport,
                       l.service});
  }
  return w.finish(Listeners{w.slice(records)});
}

std::string make_resolver(const Layout& layout) {
  Writer w(Kind::resolver);
  std::vector<Endpoint> servers;
  for (const std::string& text : layout.name_servers) servers.push_back(*Endpoint::parse(text));
  const uint16_t realm = servers.empty() ? kNone16 : kRealm;
  return w.finish(Resolver{w.slice(servers), realm});
}

std::string make_routing(const Layout& layout) {
  Writer w(Kind::routing);
  const auto hop = [&](const Layout::NextHop& next_hop) {
    std::vector<Endpoint> endpoints;
    for (const std::string& text : next_hop.endpoints) endpoints.push_back(*Endpoint::parse(text));
    return NextHop{
        w.text(next_hop.host), w.slice(endpoints), kRealm,       context_of(next_hop.transport),
        next_hop.transport,    next_hop.lookup,    next_hop.port};
  };
  const auto hops = w.slice<NextHop>({hop(layout.front_end), hop(layout.partner)});
  std::vector<Route> routes{{w.text("example.com"), w.text("/presence_domains/0"),
                             w.slice<Target>({{0, 1, 1}}), RouteKind::presence_domain},
                            {w.text("partner.example"), w.text("/partners/0"),
                             w.slice<Target>({{1, 1, 1}}), RouteKind::partner}};
  const std::string& partner =
      layout.partner_peer.empty() ? layout.partner.host : layout.partner_peer;
  std::vector<snapshot::Peer> peers{
      {w.text(layout.front_end.host), {}, 0, kRealm, PeerSide::inside},
      {w.text(partner), w.text("partner.example"), 1, kRealm, PeerSide::partner}};
  if (partner < layout.front_end.host) std::swap(peers[0], peers[1]);  // by name
  Routing root{hops, {}, {}, w.slice(peers), 1};
  write_routes(w, std::move(routes), root);
  return w.finish(root);
}

}  // namespace

Layout::Layout() : limits(pki::usual_limits()) {}

const pki::Secret& sealing_key() { return pki::test_sealing_key(); }

link::Offer compile(const Layout& layout) {
  return pki::make_offer(
      layout.generation,
      {{Kind::appliance, make_appliance()},
       {Kind::realms, make_realms(layout)},
       {Kind::listeners, make_listeners(layout)},
       {Kind::tls, pki::make_tls({layout.chain, layout.trust, ClientCertificate::required})},
       {Kind::routing, make_routing(layout)},
       {Kind::signalling, Writer(Kind::signalling).finish(layout.limits)},
       {Kind::resolver, make_resolver(layout)},
       {Kind::media, Writer(Kind::media).finish(Media{})},
       {Kind::keys_signal, pki::make_keys(Kind::keys_signal, layout.key)}});
}

}  // namespace fedge::signal
