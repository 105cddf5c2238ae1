// An HTTPS client on the same loop as the server under test, and the contexts of both.
#pragma once

#include <memory>
#include <string>

#include "firmware/base/loop.h"
#include "firmware/pki/certificate.h"
#include "firmware/pki/tls.h"

namespace fedge::agent {

// Management's certificate and key as control compiles them; sealed for the agent.
struct Credentials {
  Credentials();
  std::string management_section(const std::string& endpoint, uint32_t max_body) const;
  std::string keys_section(const pki::Secret& sealing_key) const;
  std::shared_ptr<pki::TlsContext> server_context() const;
  // Trusts that certificate.
  std::shared_ptr<pki::TlsContext> client_context() const;

  pki::GeneratedCertificate made;
  std::string der;
};

// A listening socket on a loopback port of the kernel's choice.
struct LoopbackListener {
  LoopbackListener();
  Fd socket;
  uint16_t port = 0;
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port); }
};

class HttpsClient final : public Watcher, private pki::CipherSink {
 public:
  HttpsClient(Loop& loop, uint16_t port, const std::shared_ptr<pki::TlsContext>& context);
  ~HttpsClient() override;

  // Goes out once the handshake is done.
  void send(std::string_view text);
  void hang_up();
  // Stops taking octets from the socket, or takes them again.
  void pause(bool paused);
  // Runs the loop until `done()`; false after five seconds.
  template <class Condition>
  bool await(Condition done) {
    const Instant limit = now_monotonic() + 5s;
    while (!done() && now_monotonic() < limit) loop_.run_once(100ms);
    return done();
  }
  bool await_text(std::string_view text) {
    return await([&] { return got.find(text) != std::string::npos; });
  }
  bool await_end() {
    return await([&] { return ended; });
  }

  std::string got;
  bool open = false;
  bool ended = false;

 private:
  void on_ready(uint32_t events) override;
  void append(Bytes ciphertext) override { output_.append(as_text(ciphertext)); }
  void flush();

  Loop& loop_;
  Fd socket_;
  std::unique_ptr<pki::TlsStream> tls_;
  std::string waiting_;
  std::string output_;
};

}  // namespace fedge::agent
