// What TlsContext keeps behind its face: certificates and keys parsed once, mbedTLS's
// configurations over them, and the sessions that can be resumed. Private to this folder.
#pragma once

#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/pki/library.h"
#include "firmware/pki/tls.h"

namespace fedge::pki {

// One of the context's own certificates with its key.
struct OwnCertificate {
  std::string id;
  WallTime effective_from{};
  library::Certificates chain;
  library::Key key;
};

// mbedTLS's configurations over the certificates in force during one stretch of time. Streams
// keep theirs when a successor comes into force.
struct TlsSetup {
  TlsSetup();
  TlsSetup(const TlsSetup&) = delete;
  TlsSetup& operator=(const TlsSetup&) = delete;
  ~TlsSetup();
  mbedtls_ssl_config server;
  mbedtls_ssl_config client;
};

// Sessions that clients can resume, by the host they were made with. Bounded. Any thread.
class ClientSessions {
 public:
  ~ClientSessions();
  // Whether the handshake of `ssl` will offer one.
  bool offer(const std::string& host, mbedtls_ssl_context& ssl) const;
  void store(const std::string& host, const mbedtls_ssl_context& ssl);
  void forget(const std::string& host);

 private:
  static constexpr size_t kMost = 1024;
  struct Entry {
    Entry() { mbedtls_ssl_session_init(&session); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry() { mbedtls_ssl_session_free(&session); }
    mbedtls_ssl_session session;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

struct TlsContext::Impl {
  Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  // The setup for a handshake at this time; made anew when a successor has come into force. Any
  // thread.
  Result<std::shared_ptr<TlsSetup>> setup_at(WallTime wall);

  Status add_certificate(std::string_view id, WallTime effective_from,
                         const std::vector<Bytes>& chain, const PrivateKey* key);
  // After all members are there: switches tickets and the session cache on.
  Status finish();

  std::string name;
  std::vector<std::unique_ptr<OwnCertificate>> certificates;  // latest effective time first
  library::Certificates trust;
  std::vector<int> ciphersuites;  // ends with 0
  uint16_t version_min = 0x0303;
  uint16_t version_max = 0x0303;
  snapshot::ClientCertificate client_certificate = snapshot::ClientCertificate::none;
  ClientSessions sessions;

 private:
  Status configure(mbedtls_ssl_config& config, int endpoint, WallTime wall);
  std::vector<OwnCertificate*> in_force(WallTime wall) const;
  WallTime next_change(WallTime wall) const;

  mbedtls_ssl_ticket_context tickets_;
  mbedtls_ssl_cache_context cache_;
  std::mutex setup_mutex_;
  std::shared_ptr<TlsSetup> setup_;
  WallTime setup_from_{};
  WallTime setup_until_{};
};

// The operator's name of a suite by its IANA number.
std::string_view ciphersuite_name(uint16_t number);

}  // namespace fedge::pki
