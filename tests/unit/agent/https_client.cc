#include "tests/unit/agent/https_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <list>

#include "firmware/net/address.h"
#include "firmware/snapshot/writer.h"

namespace fedge::agent {

namespace {

// Sections borrow their bytes.
Bytes keep(std::string bytes) {
  static std::list<std::string> kept;
  return as_bytes(kept.emplace_back(std::move(bytes)));
}

std::vector<pki::PrivateKey> keys_of(const pki::Secret& der) {
  std::vector<pki::PrivateKey> keys;
  keys.push_back({1, pki::Secret(der.bytes())});
  return keys;
}

snapshot::Certificate write_certificate(snapshot::Writer& writer, const std::string& der) {
  snapshot::Certificate certificate{};
  certificate.id = writer.text("management");
  certificate.chain = writer.slice(std::vector{writer.text(der)});
  certificate.key = 1;
  return certificate;
}

}  // namespace

Credentials::Credentials()
    : made(std::move(
          *pki::make_self_signed("box", {"box", "127.0.0.1"}, now_wall(), std::chrono::days(1)))),
      der(pki::parse_chain(made.certificate_pem)->der[0]) {}

std::string Credentials::management_section(const std::string& endpoint, uint32_t max_body) const {
  snapshot::Writer writer(snapshot::Kind::management);
  snapshot::Management root{};
  root.endpoints = writer.slice(std::vector{*Endpoint::parse(endpoint)});
  root.certificate = write_certificate(writer, der);
  root.max_connections = 16;
  root.max_body = max_body;
  return writer.finish(root);
}

std::string Credentials::keys_section(const pki::Secret& sealing_key) const {
  const auto plain = pki::encode_keys(keys_of(made.key_der));
  const auto sealed = pki::seal(sealing_key, "keys-agent", plain->bytes());
  return snapshot::wrap_keys(snapshot::Kind::keys_agent, as_bytes(*sealed));
}

std::shared_ptr<pki::TlsContext> Credentials::server_context() const {
  const auto section = snapshot::Section<snapshot::Management>::open(
      keep(management_section("127.0.0.1:8443", 1 << 20)));
  auto context = pki::TlsContext::make_management(*section, keys_of(made.key_der));
  EXPECT_TRUE(context) << context.error().text();
  return *context;
}

std::shared_ptr<pki::TlsContext> Credentials::client_context() const {
  snapshot::Writer writer(snapshot::Kind::tls);
  snapshot::TlsContext record{};
  record.name = writer.text("client");
  record.certificates = writer.slice(std::vector{write_certificate(writer, der)});
  record.trust = writer.slice(std::vector{writer.text(der)});
  record.version_min = record.version_max = 0x0303;
  snapshot::Tls root{};
  root.contexts = writer.slice(std::vector{record});
  const auto section = snapshot::Section<snapshot::Tls>::open(keep(writer.finish(root)));
  EXPECT_TRUE(section) << section.error().text();
  auto context = pki::TlsContext::make(*section, 0, keys_of(made.key_der));
  EXPECT_TRUE(context) << context.error().text();
  return *context;
}

LoopbackListener::LoopbackListener()
    : socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(socket.get(), 64), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
}

HttpsClient::HttpsClient(Loop& loop, uint16_t port, const std::shared_ptr<pki::TlsContext>& context)
    : loop_(loop), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_storage to;
  const socklen_t size = Endpoint{IpAddress::v4(INADDR_LOOPBACK), port}.to_sockaddr(to);
  EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), size), 0);
  EXPECT_TRUE(loop_.watch(socket_.get(), EPOLLIN, *this));
  if (!context) return;
  tls_ = std::move(*pki::TlsStream::make(context, pki::TlsRole::client, "box", now_wall()));
  tls_->start(*this);
  flush();
}

HttpsClient::~HttpsClient() { hang_up(); }

void HttpsClient::hang_up() {
  if (!socket_) return;
  loop_.unwatch(socket_.get(), *this);
  socket_.reset();
}

void HttpsClient::pause(bool paused) {
  loop_.change(socket_.get(), paused ? 0u : static_cast<uint32_t>(EPOLLIN), *this);
}

void HttpsClient::send(std::string_view text) {
  if (!open) {
    waiting_ += text;
    return;
  }
  EXPECT_TRUE(tls_->send(as_bytes(text), *this));
  flush();
}

// The tests send little enough for the socket's buffer.
void HttpsClient::flush() {
  if (!output_.empty()) {
    EXPECT_EQ(::send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(output_.size()));
  }
  output_.clear();
}

void HttpsClient::on_ready(uint32_t) {
  std::array<std::byte, 65536> cipher;
  std::array<std::byte, 65536> plain;
  const ssize_t n = ::recv(socket_.get(), cipher.data(), cipher.size(), MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    ended = true;
    return hang_up();
  }
  if (!tls_) return;
  const auto progress = tls_->receive({cipher.data(), static_cast<size_t>(n)}, plain, *this);
  got.append(reinterpret_cast<const char*>(plain.data()), progress.produced);
  if (!open && progress.state == pki::TlsState::open) {
    open = true;
    if (!waiting_.empty()) send(waiting_);
  }
  flush();
}

}  // namespace fedge::agent
