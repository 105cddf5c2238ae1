#include <array>

#include "firmware/pki/certificate.h"
#include "firmware/snapshot/routes.h"
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

std::string make_tls(const Layout& layout) {
  Writer w(Kind::tls);
  if (layout.chain.empty()) return w.finish(Tls{});
  const auto texts = [&](const std::string& pem) {
    std::vector<Text> list;
    const auto parsed = pki::parse_chain(pem);
    for (const std::string& der : parsed->der) list.push_back(w.text(der));
    return w.slice(list);
  };
  const auto certificates = w.slice<Certificate>({{w.text("access"), texts(layout.chain), 7, 0}});
  const TlsContext context{w.text("external"),
                           certificates,
                           texts(layout.trust),
                           w.slice<uint16_t>({0xc02f, 0xc02b}),
                           0x0303,
                           0x0303,
                           ClientCertificate::required};
  return w.finish(Tls{w.slice<TlsContext>({context})});
}

std::string make_keys(const Layout& layout) {
  std::vector<pki::PrivateKey> keys;
  if (!layout.key.empty()) keys.push_back({7, std::move(*pki::parse_key(layout.key))});
  const auto encoded = pki::encode_keys(keys);
  const auto sealed = pki::seal(sealing_key(), "keys-signal", encoded->bytes());
  return wrap_keys(Kind::keys_signal, as_bytes(*sealed));
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

Layout::Layout()
    : limits{.t1_ms = 500,
             .t2_ms = 4000,
             .t4_ms = 5000,
             .timer_c_ms = 181000,
             .connect_ms = 2000,
             .first_response_ms = 4000,
             .handshake_ms = 5000,
             .idle_ms = 600000,
             .partial_message_ms = 10000,
             .max_message = 65536,
             .max_connections = 100,
             .max_connections_per_source = 100,
             .max_handshakes = 16,
             .max_transactions = 1000,
             .queue_bytes = 1048576,
             .health_interval_ms = 10000,
             .overload_delay_ms = 200} {}

const pki::Secret& sealing_key() {
  static const pki::Secret key(as_bytes("0123456789abcdef0123456789abcdef"));
  return key;
}

Compiled compile(const Layout& layout) {
  Compiled out;
  out.offer.generation = layout.generation;
  out.offer.revision = layout.generation;
  const std::array<std::pair<Kind, std::string>, 9> sections{
      {{Kind::appliance, make_appliance()},
       {Kind::realms, make_realms(layout)},
       {Kind::listeners, make_listeners(layout)},
       {Kind::tls, make_tls(layout)},
       {Kind::routing, make_routing(layout)},
       {Kind::signalling, Writer(Kind::signalling).finish(layout.limits)},
       {Kind::resolver, make_resolver(layout)},
       {Kind::media, Writer(Kind::media).finish(Media{})},
       {Kind::keys_signal, make_keys(layout)}}};
  for (const auto& [kind, bytes] : sections) {
    link::SectionRef ref;
    ref.kind = kind;
    const auto* header = reinterpret_cast<const SectionHeader*>(bytes.data());
    ref.checksum[0] = header->checksum[0];
    ref.checksum[1] = header->checksum[1];
    out.offer.sections.push_back(ref);
    out.fds.push_back(std::move(*make_sealed_memfd("section", as_bytes(bytes))));
  }
  return out;
}

}  // namespace fedge::signal
