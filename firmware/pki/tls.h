// TLS without sockets: ciphertext in, ciphertext out. A stream belongs to one thread at a time.
// Built from the snapshot's TLS section and the process's keys; a context never changes, a publish
// makes a new one and running streams keep theirs.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/result.h"
#include "firmware/base/time.h"
#include "firmware/pki/seal.h"
#include "firmware/snapshot/reader.h"

namespace fedge::pki {

enum class TlsRole : uint8_t { server, client };

// One TLS context of the snapshot, ready for handshakes, by streams of any thread.
// Reference-counted because streams outlive a publish.
class TlsContext {
 public:
  // `keys` are looked up by snapshot::Certificate::key. Fails, naming the context, when a key is
  // missing or does not fit. Servers resume by ticket or session id, clients by host name; both
  // only within one context: keep it over a publish that leaves the TLS section as it was.
  static Result<std::shared_ptr<TlsContext>> make(const snapshot::Section<snapshot::Tls>& tls,
                                                  uint32_t index,
                                                  const std::vector<PrivateKey>& keys);
  // The management listener's: server only, no client certificate.
  static Result<std::shared_ptr<TlsContext>> make_management(
      const snapshot::Section<snapshot::Management>& management,
      const std::vector<PrivateKey>& keys);
  ~TlsContext();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  TlsContext();
  std::unique_ptr<Impl> impl_;
};

// Where a stream puts ciphertext for the socket. append() copies; it never fails (the caller
// bounds what it writes).
class CipherSink {
 public:
  virtual ~CipherSink() = default;
  virtual void append(Bytes ciphertext) = 0;
};

enum class TlsState : uint8_t {
  handshaking,
  open,
  closed,  // close_notify received: read what is left, then close
  failed,  // see failure()
};

class TlsStream {
 public:
  // `server_name`: for clients the name sent as SNI and required in the peer's certificate
  // (empty: neither). `wall` picks the certificate in force.
  static Result<std::unique_ptr<TlsStream>> make(std::shared_ptr<TlsContext> context, TlsRole role,
                                                 const std::string& server_name, WallTime wall);
  ~TlsStream();

  // Takes ciphertext received from the socket, drives the handshake and decrypts into `plain`.
  // Returns the number of octets put there; call again with empty input while it fills `plain`
  // whole. All of `cipher` must have been consumed before the stream goes idle: what a record
  // boundary cuts off is kept inside the stream. Output for the peer goes to `out`.
  struct Progress {
    size_t consumed = 0;  // of `cipher`
    size_t produced = 0;  // into `plain`
    TlsState state = TlsState::handshaking;
  };
  Progress receive(Bytes cipher, MutableBytes plain, CipherSink& out);
  // Starts a client's handshake (sends the first flight).
  TlsState start(CipherSink& out);
  // Encrypts all of `plain` into records; only while open.
  Status send(Bytes plain, CipherSink& out);
  void close_notify(CipherSink& out);

  TlsState state() const;
  // In words: what failed, e.g. "the peer's certificate expired on 2026-10-01".
  const std::string& failure() const;
  // Names in the peer's verified certificate: SAN dNSNames in lower case, or the CN when there is
  // no SAN. Empty when none was presented. Valid once open, as long as the stream.
  const std::vector<std::string>& peer_names() const;
  bool peer_verified() const;
  // The handshake took up an earlier session: no certificates were exchanged, the names are those
  // verified then (and the certificate has not expired since).
  bool resumed() const;
  // A client's handshake offered an earlier session. When it failed, that session is forgotten
  // and a second attempt makes a full handshake: some servers fail on the offer itself.
  bool offered_session() const;
  std::string_view version() const;
  std::string_view ciphersuite() const;

 private:
  TlsStream();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// IANA numbers of the suites this build can offer, in the order of preference, by their names
// ("ECDHE-RSA-AES128-GCM-SHA256"); 0 for an unknown name.
uint16_t ciphersuite_number(std::string_view name);
std::vector<std::string> ciphersuite_names();

}  // namespace fedge::pki
