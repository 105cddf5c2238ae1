// TLS contexts, listeners, timers and limits: can these be opened and kept?
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "firmware/topology/rule_book.h"

namespace fedge::topology {
namespace {

constexpr Service kServed[] = {Service::access, Service::av, Service::mras};

// Contexts with which the appliance itself checks another's certificate.
std::unordered_set<std::string> checking_contexts(const Topology& t) {
  std::unordered_set<std::string> out;
  for (const Partner& p : t.partners) out.insert(p.tls);
  for (const NextHopPool& pool : t.next_hop_pools) {
    for (const PoolMember& m : pool.members) out.insert(m.tls);
  }
  for (const StaticRoute& r : t.static_routes) {
    if (r.next_hop) out.insert(r.next_hop->tls);
  }
  return out;
}

void check_contexts(RuleBook& book) {
  const auto& contexts = book.topology.tls_contexts;
  const Environment& env = book.environment;
  const auto checking = checking_contexts(book.topology);
  book.check_unique("/tls_contexts", contexts, "/name",
                    [](const TlsContext& c) -> auto& { return c.name; });
  for (size_t i = 0; i < contexts.size() && !book.full(); ++i) {
    const TlsContext& c = contexts[i];
    const std::string path = RuleBook::item("/tls_contexts", i);
    book.check_ids(path + "/certificates", c.certificates, env.has_certificate,
                   "the id of an imported certificate", "import it first, or correct the id");
    book.check_ids(path + "/trust", c.trust, env.has_trust, "the id of an imported CA",
                   "import it first, or correct the id");
    book.check_ids(path + "/ciphers", c.ciphers, env.has_cipher,
                   "a cipher suite of this build, such as ECDHE-RSA-AES128-GCM-SHA256", "");
    if (c.trust.empty() &&
        (c.client_certificate != ClientCertificate::none || checking.contains(c.name))) {
      book.add(path + "/trust", "an empty list", "ids of the CAs whose certificates are accepted",
               "without one no peer's certificate can be accepted");
    }
    for (size_t j = 0; j < c.versions.size(); ++j) {
      if (c.versions[j] == TlsVersion::tls13 && !env.has_tls13) {
        book.add(RuleBook::item(path + "/versions", j), "the text \"1.3\"", "1.2",
                 "this build has no TLS 1.3");
      }
      if (j > 0 && c.versions[j] == c.versions[0]) {
        book.add(RuleBook::item(path + "/versions", j), "the same version again", "each once", "");
      }
    }
  }
}

// UDP and TCP of one address and port may stand side by side, for one service.
void check_same_port(RuleBook& book, const std::string& path, const Listener& l, size_t other) {
  const Listener& known = book.topology.listeners[other];
  const bool same_protocol = (l.transport == Transport::udp) == (known.transport == Transport::udp);
  if (!same_protocol && l.service == known.service) return;
  book.add(path + "/port", fmt::format("the number {}", l.port),
           fmt::format("a port that is free on {}; {} has it", l.address.text(),
                       RuleBook::item("/listeners", other)),
           "an address and port has one service");
}

void check_listeners(RuleBook& book) {
  const auto& listeners = book.topology.listeners;
  book.check_unique("/listeners", listeners, "/name",
                    [](const Listener& l) -> auto& { return l.name; });
  std::map<std::tuple<std::string, IpAddress, uint16_t>, std::vector<size_t>> used;
  for (size_t i = 0; i < listeners.size() && !book.full(); ++i) {
    const Listener& l = listeners[i];
    const std::string path = RuleBook::item("/listeners", i);
    const Realm* realm = book.check_realm(path, l.realm);
    if (realm && l.address && std::ranges::none_of(realm->addresses, [&](const RealmAddress& a) {
          return a.address.address == l.address;
        })) {
      book.add(path + "/address", RuleBook::text(l.address.text()),
               fmt::format("one of realm {}'s addresses", l.realm), "");
    }
    auto& others = used[std::tuple{l.realm, l.address, l.port}];
    for (const size_t other : others) {
      if (l.address) check_same_port(book, path, l, other);
    }
    others.push_back(i);
    book.check_transport(path, l.transport, l.tls);
    if (std::ranges::find(kServed, l.service) == std::end(kServed)) {
      book.add(path + "/service", "a service that this version does not have", "access, av or mras",
               "");
    }
  }
}

void check_timers(RuleBook& book) {
  const Timers& timers = book.topology.timers;
  if (timers.t2_ms < timers.t1_ms) {
    book.add("/timers/t2_ms", fmt::format("the number {}", timers.t2_ms),
             fmt::format("at least t1_ms, {}", timers.t1_ms), "");
  }
  // Fail-over has to happen inside the caller's timer F.
  if (timers.first_response_ms >= 64 * timers.t1_ms) {
    book.add("/timers/first_response_ms", fmt::format("the number {}", timers.first_response_ms),
             fmt::format("below 64 times t1_ms, {}", 64 * timers.t1_ms),
             "the caller gives up then (RFC 3261 timer F)");
  }
}

void check_limits(RuleBook& book) {
  const Limits& limits = book.topology.limits;
  if (limits.connections_per_source > limits.connections) {
    book.add("/limits/connections_per_source",
             fmt::format("the number {}", limits.connections_per_source),
             fmt::format("at most connections, {}", limits.connections), "");
  }
  if (limits.queue_bytes < limits.message_bytes) {
    book.add("/limits/queue_bytes", fmt::format("the number {}", limits.queue_bytes),
             fmt::format("at least message_bytes, {}", limits.message_bytes), "");
  }
}

}  // namespace

void check_service_rules(RuleBook& book) {
  check_contexts(book);
  check_listeners(book);
  check_timers(book);
  check_limits(book);
}

}  // namespace fedge::topology
