// The other ends of TLS connections: a partner and a front end with certificates of one authority.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/pki/authority.h"
#include "tests/unit/signal/site.h"

namespace fedge::signal {

// Made once: certificates are slow.
struct Certificates {
  pki::Authority authority{"Test CA"};
  pki::Authority::Pair edge = authority.issue("sip.example.com", "DNS:sip.example.com");
  pki::Authority::Pair front_end = authority.issue("fe1.example.com", "DNS:fe1.example.com");
  pki::Authority::Pair partner = authority.issue("sip.partner.example", "DNS:sip.partner.example");
  pki::Authority::Pair stranger = authority.issue("who.example", "DNS:who.example");
};
inline const Certificates& certificates() {
  static const Certificates made;
  return made;
}

// The other end of a TLS connection: the library's stream over the test's socket.
class TlsPeer final : public pki::CipherSink {
 public:
  TlsPeer(Peer peer, const pki::Authority::Pair& pair, pki::TlsRole role,
          const std::string& server_name)
      : peer_(std::move(peer)) {
    Layout layout;
    layout.chain = pair.chain;
    layout.key = pair.key;
    layout.trust = certificates().authority.certificate();
    const link::Offer compiled = compile(layout);
    auto generation = open_generation(compiled, sealing_key(), nullptr);
    EXPECT_TRUE(generation) << generation.error().text();
    stream_ =
        std::move(*pki::TlsStream::make((*generation)->contexts[0], role, server_name, now_wall()));
    if (role == pki::TlsRole::client) stream_->start(*this);
  }

  void append(Bytes ciphertext) override { peer_.send(as_text(ciphertext)); }
  // Moves the handshake on and decrypts; false when the connection has ended.
  bool receive(std::string& into) {
    std::string cipher;
    const bool open = peer_.receive(cipher);
    Bytes left = as_bytes(cipher);
    std::vector<std::byte> plain(65536);
    while (!left.empty()) {
      const auto progress = stream_->receive(left, plain, *this);
      into += as_text(Bytes(plain).first(progress.produced));
      left = left.subspan(progress.consumed);
      if (progress.state == pki::TlsState::failed || progress.state == pki::TlsState::closed) {
        return false;
      }
    }
    return open;
  }
  bool is_open() {
    receive(received);
    return stream_->state() == pki::TlsState::open;
  }
  void send(std::string_view text) { EXPECT_TRUE(stream_->send(as_bytes(text), *this)); }

  std::string received;

 private:
  Peer peer_;
  std::unique_ptr<pki::TlsStream> stream_;
};

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    layout.chain = certificates().edge.chain;
    layout.key = certificates().edge.key;
    layout.trust = certificates().authority.certificate();
    layout.listeners = {{port, Transport::tls}};
    layout.front_end = {"fe1.example.com", {front_end.endpoint()}, Transport::tls};
    layout.partner = {"sip.partner.example", {"127.0.0.3:9"}, Transport::tls};
  }
  TlsPeer connect(const pki::Authority::Pair& pair) {
    TlsPeer peer(site.connect(port), pair, pki::TlsRole::client, "sip.example.com");
    site.until([&] { return peer.is_open(); }, "the TLS handshake");
    return peer;
  }
  std::string expect(TlsPeer& peer, std::string_view text) {
    site.until(
        [&] {
          peer.receive(peer.received);
          return peer.received.find(text) != std::string::npos;
        },
        std::string(text).c_str());
    return peer.received;
  }

  Server front_end{"127.0.0.2"};
  uint16_t port = free_port();
  Layout layout;
  Site site;
};

}  // namespace fedge::signal
