#include "firmware/pki/tls_setup.h"

#include <algorithm>

namespace fedge::pki {

namespace {

// How long a session may be resumed without showing the certificate again.
constexpr int kSessionLife = 8 * 3600;
// For peers that cannot use tickets; those that can need no memory here.
constexpr int kCachedSessions = 256;

}  // namespace

TlsSetup::TlsSetup() {
  mbedtls_ssl_config_init(&server);
  mbedtls_ssl_config_init(&client);
}

TlsSetup::~TlsSetup() {
  mbedtls_ssl_config_free(&server);
  mbedtls_ssl_config_free(&client);
}

ClientSessions::~ClientSessions() = default;

bool ClientSessions::offer(const std::string& host, mbedtls_ssl_context& ssl) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(host);
  return found != entries_.end() && mbedtls_ssl_set_session(&ssl, &found->second.session) == 0;
}

void ClientSessions::store(const std::string& host, const mbedtls_ssl_context& ssl) {
  const std::scoped_lock lock(mutex_);
  entries_.erase(host);
  if (entries_.size() >= kMost) entries_.erase(entries_.begin());
  const auto [entry, added] = entries_.try_emplace(host);
  if (mbedtls_ssl_get_session(&ssl, &entry->second.session) != 0) entries_.erase(entry);
}

void ClientSessions::forget(const std::string& host) {
  const std::scoped_lock lock(mutex_);
  entries_.erase(host);
}

TlsContext::Impl::Impl() {
  mbedtls_ssl_ticket_init(&tickets_);
  mbedtls_ssl_cache_init(&cache_);
}

TlsContext::Impl::~Impl() {
  setup_.reset();
  mbedtls_ssl_ticket_free(&tickets_);
  mbedtls_ssl_cache_free(&cache_);
}

Status TlsContext::Impl::add_certificate(std::string_view id, WallTime effective_from,
                                         const std::vector<Bytes>& chain, const PrivateKey* key) {
  const std::string where = "TLS context " + name + ", certificate " + std::string(id);
  if (key == nullptr) {
    return fail(where, "its private key is missing", "import the key with the certificate");
  }
  auto own = std::make_unique<OwnCertificate>();
  own->id = id;
  own->effective_from = effective_from;
  for (const Bytes der : chain) {
    if (auto added = own->chain.add_der(der); !added) {
      return fail(where, added.error().what, "import the certificate again");
    }
  }
  if (own->chain.empty()) return fail(where, "it has no certificate");
  if (auto parsed = own->key.parse(key->der.bytes()); !parsed) {
    return fail(where, parsed.error().what, "import the key again");
  }
  if (!own->key.fits(own->chain.front())) {
    return fail(where, "the private key belongs to another certificate",
                "import certificate and key together");
  }
  const auto place = std::ranges::find_if(
      certificates, [&](const auto& c) { return c->effective_from < own->effective_from; });
  certificates.insert(place, std::move(own));
  return {};
}

Status TlsContext::Impl::finish() {
  if (mbedtls_ssl_ticket_setup(&tickets_, library::random_bytes, nullptr,
                               MBEDTLS_CIPHER_AES_256_GCM, kSessionLife) != 0) {
    return fail("TLS context " + name, "cannot make a ticket key");
  }
  mbedtls_ssl_cache_set_max_entries(&cache_, kCachedSessions);
  mbedtls_ssl_cache_set_timeout(&cache_, kSessionLife);
  return {};
}

// One of each id: the latest whose time has come; before the first one's time, the first.
std::vector<OwnCertificate*> TlsContext::Impl::in_force(WallTime wall) const {
  std::vector<OwnCertificate*> out;
  const auto has = [&](const OwnCertificate& c) {
    return std::ranges::any_of(out, [&](const auto* o) { return o->id == c.id; });
  };
  for (const auto& c : certificates) {
    if (c->effective_from <= wall && !has(*c)) out.push_back(c.get());
  }
  if (out.empty() && !certificates.empty()) out.push_back(certificates.back().get());
  return out;
}

WallTime TlsContext::Impl::next_change(WallTime wall) const {
  WallTime next = WallTime::max();
  for (const auto& c : certificates) {
    if (c->effective_from > wall) next = std::min(next, c->effective_from);
  }
  return next;
}

Result<std::shared_ptr<TlsSetup>> TlsContext::Impl::setup_at(WallTime wall) {
  const std::scoped_lock lock(setup_mutex_);
  if (setup_ && wall >= setup_from_ && wall < setup_until_) return setup_;
  auto setup = std::make_shared<TlsSetup>();
  if (auto s = configure(setup->server, MBEDTLS_SSL_IS_SERVER, wall); !s) {
    return std::unexpected(s.error());
  }
  if (auto s = configure(setup->client, MBEDTLS_SSL_IS_CLIENT, wall); !s) {
    return std::unexpected(s.error());
  }
  setup_ = std::move(setup);
  setup_from_ = wall;
  setup_until_ = next_change(wall);
  return setup_;
}

Status TlsContext::Impl::configure(mbedtls_ssl_config& config, int endpoint, WallTime wall) {
  const std::string where = "TLS context " + name;
  int code = mbedtls_ssl_config_defaults(&config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
                                         MBEDTLS_SSL_PRESET_DEFAULT);
  if (code != 0) return fail(where, library::error_text(code));
  mbedtls_ssl_conf_rng(&config, library::random_bytes, nullptr);
  library::set_groups_and_signatures(config);
  library::set_versions(config, version_min, version_max);
  mbedtls_ssl_conf_ciphersuites(&config, ciphersuites.data());
#if defined(MBEDTLS_SSL_RENEGOTIATION)
  mbedtls_ssl_conf_renegotiation(&config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
  for (OwnCertificate* own : in_force(wall)) {
    code = mbedtls_ssl_conf_own_cert(&config, own->chain.get(), own->key.get());
    if (code != 0) return fail(where, library::error_text(code));
  }
  if (!trust.empty()) mbedtls_ssl_conf_ca_chain(&config, trust.get(), nullptr);
  if (endpoint == MBEDTLS_SSL_IS_CLIENT) {
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_session_tickets(&config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    return {};
  }
  using enum snapshot::ClientCertificate;
  mbedtls_ssl_conf_authmode(&config, client_certificate == required   ? MBEDTLS_SSL_VERIFY_REQUIRED
                                     : client_certificate == optional ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                                      : MBEDTLS_SSL_VERIFY_NONE);
  // An empty list means "any" (RFC 5246 section 7.4.4); a long one upsets old Windows peers.
  mbedtls_ssl_conf_cert_req_ca_list(&config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
  mbedtls_ssl_conf_session_tickets_cb(&config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                      &tickets_);
  mbedtls_ssl_conf_session_cache(&config, &cache_, mbedtls_ssl_cache_get, mbedtls_ssl_cache_set);
  return {};
}

}  // namespace fedge::pki
