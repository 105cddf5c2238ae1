#include <algorithm>
#include <cstring>

#include "firmware/net/address.h"
#include "firmware/pki/certificate_fields.h"
#include "firmware/pki/tls.h"
#include "firmware/pki/tls_failure.h"
#include "firmware/pki/tls_setup.h"

namespace fedge::pki {

struct TlsStream::Impl {
  Impl(std::shared_ptr<TlsContext> c, std::shared_ptr<TlsSetup> s, TlsRole r)
      : context(std::move(c)), setup(std::move(s)), role(r) {
    mbedtls_ssl_init(&ssl);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    // A server that hangs up on an offered session says no word of why: it is not offered again.
    if (offered_session && state == TlsState::handshaking) context->impl().sessions.forget(name);
    mbedtls_ssl_free(&ssl);
  }

  Status prepare(const std::string& server_name);
  void step();
  void on_open();
  void fail_with(int code);
  bool take_names(const mbedtls_x509_crt& certificate);
  size_t read(MutableBytes plain);

  static int on_send(void* self, const unsigned char* data, size_t size);
  static int on_receive(void* self, unsigned char* data, size_t size);
  static int on_verify(void* self, mbedtls_x509_crt* certificate, int depth, uint32_t* flags);

  std::shared_ptr<TlsContext> context;
  std::shared_ptr<TlsSetup> setup;
  mbedtls_ssl_context ssl;
  Bytes input;                // what receive() was given and has not been taken yet
  CipherSink* out = nullptr;  // of the call under way
  std::string name;           // server_name
  std::string failure;
  std::string objections;  // of verification; becomes the failure
  std::vector<std::string> peer_names;
  uint16_t suite = 0;
  TlsRole role;
  TlsState state = TlsState::handshaking;
  bool name_is_address = false;
  bool saw_chain = false;  // certificates were exchanged in this handshake
  bool verified = false;
  bool resumed = false;
  bool offered_session = false;
  bool said_goodbye = false;
};

int TlsStream::Impl::on_send(void* self, const unsigned char* data, size_t size) {
  auto& impl = *static_cast<Impl*>(self);
  impl.out->append({reinterpret_cast<const std::byte*>(data), size});
  return static_cast<int>(size);
}

int TlsStream::Impl::on_receive(void* self, unsigned char* data, size_t size) {
  Bytes& input = static_cast<Impl*>(self)->input;
  if (input.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
  const size_t n = std::min(size, input.size());
  std::memcpy(data, input.data(), n);
  input = input.subspan(n);
  return static_cast<int>(n);
}

int TlsStream::Impl::on_verify(void* self, mbedtls_x509_crt* certificate, int depth,
                               uint32_t* flags) {
  auto& impl = *static_cast<Impl*>(self);
  impl.saw_chain = true;
  // mbedTLS 2.28 compares no addresses.
  if (depth == 0 && impl.name_is_address) {
    const auto addresses = alternative_names_of(*certificate).addresses;
    if (std::ranges::find(addresses, impl.name) == addresses.end()) {
      *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
  }
  if (*flags != 0) {
    if (!impl.objections.empty()) impl.objections += "; ";
    impl.objections += describe_objection(*certificate, depth, *flags, impl.name);
  }
  return 0;
}

Status TlsStream::Impl::prepare(const std::string& server_name) {
  const bool client = role == TlsRole::client;
  const std::string where = "TLS context " + context->impl().name;
  if (client && context->impl().trust.empty()) {
    return fail(where, "trusts no CA, so no server can be verified", "name the CAs in `trust`");
  }
  if (!client && context->impl().certificates.empty()) {
    return fail(where, "has no certificate to serve with", "assign one in `certificates`");
  }
  int code = mbedtls_ssl_setup(&ssl, client ? &setup->client : &setup->server);
  if (code != 0) return fail(where, library::error_text(code));
  mbedtls_ssl_set_bio(&ssl, this, on_send, on_receive, nullptr);
  mbedtls_ssl_set_verify(&ssl, on_verify, this);
  if (!client) return {};
  name = server_name;
  if (const auto address = IpAddress::parse(server_name)) {
    name_is_address = true;
    name = address->text();
  }
  // No SNI for an address (RFC 6066 section 3).
  const bool plain_name = !name.empty() && !name_is_address;
  code = mbedtls_ssl_set_hostname(&ssl, plain_name ? name.c_str() : nullptr);
  if (code != 0) return fail(where, "the server name " + name + " cannot be used");
  if (name.empty()) return {};
  // At worst a full handshake.
  offered_session = context->impl().sessions.offer(name, ssl);
  return {};
}

void TlsStream::Impl::fail_with(int code) {
  state = TlsState::failed;
  if (role == TlsRole::client && !name.empty()) context->impl().sessions.forget(name);
  if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    failure = describe_alert(library::received_alert(ssl));
  } else if (!objections.empty() && !verified) {
    failure = std::move(objections);
  } else {
    failure = describe_code(code, role == TlsRole::server);
  }
}

// False when the certificate of a resumed session has expired meanwhile.
bool TlsStream::Impl::take_names(const mbedtls_x509_crt& certificate) {
  verified = mbedtls_ssl_get_verify_result(&ssl) == 0;
  if (!verified) return true;
  if (!saw_chain && mbedtls_x509_time_is_past(&certificate.valid_to) != 0) {
    verified = false;
    objections = describe_objection(certificate, 0, MBEDTLS_X509_BADCERT_EXPIRED, name);
    return false;
  }
  peer_names = peer_names_of(certificate);
  return true;
}

void TlsStream::Impl::on_open() {
  const mbedtls_x509_crt* certificate = mbedtls_ssl_get_peer_cert(&ssl);
  if (certificate != nullptr) {
    resumed = !saw_chain;
    if (!take_names(*certificate)) {
      (void)mbedtls_ssl_send_alert_message(&ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                           MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED);
      return fail_with(MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
    }
  }
  state = TlsState::open;
  suite = static_cast<uint16_t>(mbedtls_ssl_get_ciphersuite_id(mbedtls_ssl_get_ciphersuite(&ssl)));
  if (role == TlsRole::client && !resumed && !name.empty()) {
    context->impl().sessions.store(name, ssl);
  }
  library::drop_peer_certificate(ssl);
}

// Drives the handshake over what input there is.
void TlsStream::Impl::step() {
  for (;;) {
    const size_t before = input.size();
    const int code = mbedtls_ssl_handshake(&ssl);
    if (code == 0) return on_open();
    if (code != MBEDTLS_ERR_SSL_WANT_READ) return fail_with(code);
    if (input.empty() || input.size() == before) return;
  }
}

size_t TlsStream::Impl::read(MutableBytes plain) {
  size_t produced = 0;
  while (produced < plain.size()) {
    const size_t before = input.size();
    const int code = mbedtls_ssl_read(
        &ssl, reinterpret_cast<unsigned char*>(plain.data()) + produced, plain.size() - produced);
    if (code > 0) {
      produced += static_cast<size_t>(code);
    } else if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || code == 0) {
      state = TlsState::closed;
      break;
    } else if (code == MBEDTLS_ERR_SSL_WANT_READ) {
      if (input.empty() || input.size() == before) break;
    } else if (!library::is_new_ticket(code)) {
      fail_with(code);
      break;
    }
  }
  return produced;
}

TlsStream::TlsStream() = default;
TlsStream::~TlsStream() = default;

Result<std::unique_ptr<TlsStream>> TlsStream::make(std::shared_ptr<TlsContext> context,
                                                   TlsRole role, const std::string& server_name,
                                                   WallTime wall) {
  auto setup = context->impl().setup_at(wall);
  if (!setup) return std::unexpected(setup.error());
  std::unique_ptr<TlsStream> stream(new TlsStream);
  stream->impl_ = std::make_unique<Impl>(std::move(context), std::move(*setup), role);
  if (auto ready = stream->impl_->prepare(server_name); !ready) {
    return std::unexpected(ready.error());
  }
  return stream;
}

TlsStream::Progress TlsStream::receive(Bytes cipher, MutableBytes plain, CipherSink& out) {
  Impl& impl = *impl_;
  Progress progress;
  impl.input = cipher;
  impl.out = &out;
  if (impl.state == TlsState::handshaking) impl.step();
  if (impl.state == TlsState::open) progress.produced = impl.read(plain);
  // Nothing that follows a close or a failure matters any more.
  const bool over = impl.state == TlsState::closed || impl.state == TlsState::failed;
  progress.consumed = over ? cipher.size() : cipher.size() - impl.input.size();
  progress.state = impl.state;
  impl.input = {};
  impl.out = nullptr;
  return progress;
}

TlsState TlsStream::start(CipherSink& out) { return receive({}, {}, out).state; }

Status TlsStream::send(Bytes plain, CipherSink& out) {
  Impl& impl = *impl_;
  if (impl.state != TlsState::open || impl.said_goodbye) {
    return fail("TLS", "the stream is not open", impl.failure);
  }
  impl.out = &out;
  while (!plain.empty()) {
    const int code = mbedtls_ssl_write(&impl.ssl, library::octets(plain), plain.size());
    if (code <= 0) {
      impl.fail_with(code);
      impl.out = nullptr;
      return fail("TLS", impl.failure);
    }
    plain = plain.subspan(static_cast<size_t>(code));
  }
  impl.out = nullptr;
  return {};
}

void TlsStream::close_notify(CipherSink& out) {
  Impl& impl = *impl_;
  const bool usable = impl.state == TlsState::open || impl.state == TlsState::closed;
  if (!usable || impl.said_goodbye) return;
  impl.said_goodbye = true;
  impl.out = &out;
  (void)mbedtls_ssl_close_notify(&impl.ssl);
  impl.out = nullptr;
}

TlsState TlsStream::state() const { return impl_->state; }
const std::string& TlsStream::failure() const { return impl_->failure; }
const std::vector<std::string>& TlsStream::peer_names() const { return impl_->peer_names; }
bool TlsStream::peer_verified() const { return impl_->verified; }
bool TlsStream::resumed() const { return impl_->resumed; }
bool TlsStream::offered_session() const { return impl_->offered_session; }
std::string_view TlsStream::version() const { return mbedtls_ssl_get_version(&impl_->ssl); }
std::string_view TlsStream::ciphersuite() const { return ciphersuite_name(impl_->suite); }

}  // namespace fedge::pki
