#include "firmware/control/media_compiler.h"

#include <algorithm>
#include <tuple>

#include "firmware/base/json.h"
#include "firmware/snapshot/writer.h"

namespace fedge::control {

namespace {

namespace topo = fedge::topology;

Result<std::vector<snapshot::TokenKey>> find_token_keys(const topo::Media& media,
                                                        const CertificateSource& certificates,
                                                        WallTime now) {
  std::vector<snapshot::TokenKey> keys;
  for (size_t i = 0; i < media.certificates.size(); ++i) {
    const std::string path = json::join_path("/media/certificates", i);
    if (certificates.certificate(media.certificates[i]).empty()) {
      return fail(path, "no certificate is imported under " + json::quote(media.certificates[i]),
                  "import it, or correct the id");
    }
    for (const auto& v : certificates.token_keys(media.certificates[i])) {
      if (v.expires <= now.time_since_epoch().count()) continue;
      keys.push_back({v.key, v.effective_from, v.expires, v.token});
    }
  }
  std::ranges::sort(keys, [](const snapshot::TokenKey& a, const snapshot::TokenKey& b) {
    return std::tie(a.effective_from, a.key) < std::tie(b.effective_from, b.key);
  });
  return keys;
}

}  // namespace

Result<std::string> compile_media(const topo::Topology& t, const NameIndex& index,
                                  const CertificateSource& certificates, WallTime now) {
  snapshot::Writer w(snapshot::Kind::media);
  if (!t.media) return w.finish(snapshot::Media{});
  const topo::Media& media = *t.media;
  std::vector<snapshot::MediaPool> pools;
  for (const topo::MediaPool& pool : media.pools) {
    const auto realm = index.realm(pool.realm);
    if (!realm) {
      return fail("/media/pools", "found " + json::quote(pool.realm) + ", which leads nowhere",
                  "validate the topology again");
    }
    pools.push_back({w.slice(pool.addresses), *realm, pool.first_port, pool.last_port, pool.use});
  }
  const auto keys = find_token_keys(media, certificates, now);
  if (!keys) return std::unexpected(keys.error());
  std::vector<snapshot::PeerRule> rules;
  rules.reserve(media.peer_rules.size());
  for (const topo::PeerRule& rule : media.peer_rules) {
    rules.push_back({rule.prefix, uint8_t{rule.allow}});
  }
  std::vector<Endpoint> alternates;
  for (const topo::AlternateServer& server : media.alternate_servers) {
    alternates.push_back({server.address, server.port});
  }
  snapshot::Media root{};
  root.turn_realm = w.text(topo::turn_realm_of(media, t.appliance.fqdn));
  root.pools = w.slice(pools);
  root.peer_rules = w.slice(rules);
  root.token_keys = w.slice(*keys);
  root.alternates = w.slice(alternates);
  const topo::MediaQuotas& quotas = media.quotas;
  // A pool too small for one stream is no reason to refuse the rest.
  root.max_sessions =
      quotas.sessions != 0 ? quotas.sessions : std::max(topo::media_capacity(media.pools), 1u);
  root.max_sessions_per_user = quotas.sessions_per_user;
  root.max_sessions_per_source = quotas.sessions_per_source;
  root.kbps_per_session = quotas.kbps_per_session;
  root.kbps_per_user = quotas.kbps_per_user;
  root.kbps_total = quotas.kbps_total;
  root.credential_minutes = media.credentials.minutes;
  root.lifetime_default_s = media.lifetimes.allocation_s;
  root.lifetime_max_s = media.lifetimes.allocation_most_s;
  root.nonce_s = media.lifetimes.nonce_s;
  root.silence_s = media.anchoring.silence_s;
  root.draining = media.draining;
  root.relatch = media.anchoring.relatch;
  return w.finish(root);
}

}  // namespace fedge::control
