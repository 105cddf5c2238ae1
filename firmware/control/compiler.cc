#include "firmware/control/compiler.h"

#include <algorithm>
#include <unordered_map>

#include "firmware/base/json.h"
#include "firmware/control/media_compiler.h"
#include "firmware/control/route_compiler.h"
#include "firmware/pki/tls.h"
#include "firmware/snapshot/reader.h"
#include "firmware/snapshot/writer.h"

namespace fedge::control {
namespace {

using snapshot::Kind;
using snapshot::Writer;
namespace topo = fedge::topology;

std::unexpected<Error> lost(const std::string& path, const std::string& name) {
  return fail(path, "found " + json::quote(name) + ", which leads nowhere",
              "validate the topology again");
}

std::string compile_appliance(const topo::Topology& t) {
  Writer w(Kind::appliance);
  return w.finish(snapshot::Appliance{w.text(t.appliance.name), w.text(t.appliance.fqdn),
                                      w.text(t.appliance.site)});
}

Result<std::string> compile_realms(const topo::Topology& t) {
  Writer w(Kind::realms);
  std::vector<snapshot::Port> ports;
  std::unordered_map<std::string_view, uint16_t> port_index;
  for (const topo::Port& p : t.ports) {
    port_index.emplace(p.name, static_cast<uint16_t>(ports.size()));
    ports.push_back({w.text(p.name), w.text(p.device)});
  }
  std::vector<snapshot::Realm> realms;
  for (const topo::Realm& r : t.realms) {
    const auto port = port_index.find(r.port);
    if (port == port_index.end()) return lost("/realms", r.port);
    std::vector<snapshot::RealmAddress> addresses;
    addresses.reserve(r.addresses.size());
    for (const topo::RealmAddress& a : r.addresses) {
      addresses.push_back({a.address, a.public_address.value_or(IpAddress{})});
    }
    std::vector<snapshot::RealmRoute> routes;
    routes.reserve(r.routes.size());
    for (const topo::RealmRoute& route : r.routes) routes.push_back({route.to, route.via});
    realms.push_back({w.text(r.name), port->second, r.vlan, r.mtu, r.dscp.signalling, r.dscp.media,
                      w.slice(addresses), w.slice(routes)});
  }
  const auto port_slice = w.slice(ports);
  return w.finish(snapshot::Realms{port_slice, w.slice(realms)});
}

Result<std::string> compile_listeners(const topo::Topology& t, const NameIndex& index) {
  Writer w(Kind::listeners);
  std::vector<snapshot::Listener> listeners;
  for (const topo::Listener& l : t.listeners) {
    const auto realm = index.realm(l.realm);
    const auto tls = index.tls(l.transport, l.tls);
    if (!realm || !tls) return lost("/listeners", realm ? l.tls : l.realm);
    listeners.push_back(
        {w.text(l.name), Endpoint{l.address, l.port}, *realm, *tls, l.transport, l.service});
  }
  return w.finish(snapshot::Listeners{w.slice(listeners)});
}

snapshot::Certificate write_certificate(Writer& w, const std::string& id,
                                        const CertificateSource::Version& version) {
  std::vector<snapshot::Text> chain;
  chain.reserve(version.chain.size());
  for (const std::string& der : version.chain) chain.push_back(w.text(der));
  return {w.text(id), w.slice(chain), version.key, version.effective_from};
}

std::vector<uint16_t> cipher_numbers(const topo::TlsContext& context) {
  std::vector<uint16_t> out;
  for (const std::string& name :
       context.ciphers.empty() ? pki::ciphersuite_names() : context.ciphers) {
    if (const uint16_t number = pki::ciphersuite_number(name)) out.push_back(number);
  }
  return out;
}

Result<snapshot::TlsContext> compile_context(Writer& w, const topo::TlsContext& context,
                                             const std::string& path,
                                             const CertificateSource& source) {
  constexpr uint16_t kTls12 = 0x0303, kTls13 = 0x0304;
  std::vector<snapshot::Certificate> certificates;
  for (size_t i = 0; i < context.certificates.size(); ++i) {
    const auto versions = source.certificate(context.certificates[i]);
    if (versions.empty()) {
      return fail(json::join_path(path + "/certificates", i),
                  "no certificate is imported under " + json::quote(context.certificates[i]),
                  "import it, or correct the id");
    }
    for (const auto& version : versions) {
      certificates.push_back(write_certificate(w, context.certificates[i], version));
    }
  }
  std::vector<snapshot::Text> trust;
  for (size_t i = 0; i < context.trust.size(); ++i) {
    const auto anchors = source.trust(context.trust[i]);
    if (anchors.empty()) {
      return fail(json::join_path(path + "/trust", i),
                  "no CA is imported under " + json::quote(context.trust[i]),
                  "import it, or correct the id");
    }
    for (const std::string& der : anchors) trust.push_back(w.text(der));
  }
  const bool has12 =
      std::ranges::find(context.versions, topo::TlsVersion::tls12) != context.versions.end();
  const bool has13 =
      std::ranges::find(context.versions, topo::TlsVersion::tls13) != context.versions.end();
  return snapshot::TlsContext{w.text(context.name),
                              w.slice(certificates),
                              w.slice(trust),
                              w.slice(cipher_numbers(context)),
                              has12 ? kTls12 : kTls13,
                              has13 ? kTls13 : kTls12,
                              context.client_certificate};
}

Result<std::string> compile_tls(const topo::Topology& t, const CertificateSource& source) {
  Writer w(Kind::tls);
  std::vector<snapshot::TlsContext> contexts;
  for (size_t i = 0; i < t.tls_contexts.size(); ++i) {
    auto context =
        compile_context(w, t.tls_contexts[i], json::join_path("/tls_contexts", i), source);
    if (!context) return std::unexpected(context.error());
    contexts.push_back(*context);
  }
  return w.finish(snapshot::Tls{w.slice(contexts)});
}

Result<std::string> compile_resolver(const topo::Topology& t, const NameIndex& index) {
  Writer w(Kind::resolver);
  if (!t.resolver) return w.finish(snapshot::Resolver{{}, snapshot::kNone16});
  const auto realm = index.realm(t.resolver->realm);
  if (!realm) return lost("/resolver/realm", t.resolver->realm);
  std::vector<Endpoint> servers;
  servers.reserve(t.resolver->servers.size());
  for (const IpAddress& server : t.resolver->servers) {
    servers.push_back({server, t.resolver->port});
  }
  return w.finish(snapshot::Resolver{w.slice(servers), *realm});
}

std::string compile_signalling(const topo::Topology& t) {
  const topo::Timers& x = t.timers;
  const topo::Limits& l = t.limits;
  return Writer(Kind::signalling)
      .finish(snapshot::Signalling{x.t1_ms, x.t2_ms, x.t4_ms, x.timer_c_ms, x.connect_ms,
                                   x.first_response_ms, x.handshake_ms, x.idle_ms,
                                   x.partial_message_ms, l.message_bytes, l.connections,
                                   l.connections_per_source, l.handshakes, l.transactions,
                                   l.queue_bytes, x.health_interval_ms, x.overload_delay_ms});
}

Result<std::string> compile_management(const topo::Topology& t, const CertificateSource& source,
                                       WallTime now) {
  const topo::Management& m = t.management;
  const auto versions = source.certificate(m.certificate);
  if (versions.empty()) {
    return fail("/management/certificate",
                "no certificate is imported under " + json::quote(m.certificate),
                "import it, or correct the id");
  }
  const CertificateSource::Version* chosen = nullptr;
  for (const auto& version : versions) {
    if (version.effective_from > now.time_since_epoch().count()) continue;
    if (!chosen || version.effective_from >= chosen->effective_from) chosen = &version;
  }
  Writer w(Kind::management);
  std::vector<Endpoint> endpoints;
  endpoints.reserve(m.addresses.size());
  for (const IpAddress& address : m.addresses) endpoints.push_back({address, m.port});
  const auto slice = w.slice(endpoints);
  const auto certificate = write_certificate(w, m.certificate, chosen ? *chosen : versions.front());
  return w.finish(snapshot::Management{slice, certificate, m.max_connections, m.max_body_bytes});
}

template <class Root>
Result<snapshot::Section<Root>> reopen(const Compiled& compiled) {
  return snapshot::Section<Root>::open(as_bytes(compiled.sections.at(Root::kKind)));
}

// What a forwarder would refuse must not leave control: the same checks, here.
Status check(const Compiled& compiled) {
  const auto realms = reopen<snapshot::Realms>(compiled);
  const auto tls = reopen<snapshot::Tls>(compiled);
  const auto listeners = reopen<snapshot::Listeners>(compiled);
  const auto routing = reopen<snapshot::Routing>(compiled);
  if (!realms) return std::unexpected(realms.error());
  if (!tls) return std::unexpected(tls.error());
  if (!listeners) return std::unexpected(listeners.error());
  if (!routing) return std::unexpected(routing.error());
  const auto resolver = reopen<snapshot::Resolver>(compiled);
  if (!resolver) return std::unexpected(resolver.error());
  const auto media = reopen<snapshot::Media>(compiled);
  if (!media) return std::unexpected(media.error());
  for (const auto& status :
       {snapshot::check_against(*listeners, *realms, *tls),
        snapshot::check_against(*routing, *realms, *tls),
        snapshot::check_against(*resolver, *realms), snapshot::check_against(*media, *realms)}) {
    if (!status) return status;
  }
  if (const auto s = reopen<snapshot::Appliance>(compiled); !s) return std::unexpected(s.error());
  if (const auto s = reopen<snapshot::Signalling>(compiled); !s) return std::unexpected(s.error());
  if (const auto s = reopen<snapshot::Management>(compiled); !s) return std::unexpected(s.error());
  return {};
}

}  // namespace

Result<Compiled> compile(const topo::Topology& t, const CertificateSource& certificates,
                         WallTime now) {
  const NameIndex index(t);
  Compiled compiled;
  compiled.sections[Kind::appliance] = compile_appliance(t);
  compiled.sections[Kind::signalling] = compile_signalling(t);
  Error error;
  const auto keep = [&](Kind kind, Result<std::string> section) {
    if (!section) error = std::move(section.error());
    if (section) compiled.sections[kind] = std::move(*section);
    return compiled.sections.contains(kind);
  };
  if (!keep(Kind::realms, compile_realms(t)) ||
      !keep(Kind::listeners, compile_listeners(t, index)) ||
      !keep(Kind::tls, compile_tls(t, certificates)) ||
      !keep(Kind::routing, compile_routing(t, index)) ||
      !keep(Kind::resolver, compile_resolver(t, index)) ||
      !keep(Kind::media, compile_media(t, index, certificates, now)) ||
      !keep(Kind::management, compile_management(t, certificates, now))) {
    return std::unexpected(std::move(error));
  }
  if (auto sound = check(compiled); !sound) return std::unexpected(sound.error());
  return compiled;
}

}  // namespace fedge::control
